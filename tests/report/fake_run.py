"""A made-up run that looks like a real one: two models, two tasks, six attacks, intervals, a failed cell, panels."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from robustbench_seg.checks.judge import UPPER_BOUND
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.rows import CorruptionRow, CostRow, Row, ScoreRow, read_costs, read_rows
from robustbench_seg.results.run import Panel

NAN = float("nan")
KEYS = ["model", "dataset", "attack", "objective", "norm", "epsilon", "task", "metric"]
NUMBERS = ["direction", "value", "clean", "ratio", "ratio_low", "ratio_high"]
REALISED = ["snr_db", "rms", "linf", "n_images", "n_unchanged", "status"]
SUMMARY = [*KEYS, *NUMBERS, *REALISED]
CLASSES = [*KEYS, "class", *NUMBERS, *REALISED]
COSTS = [*KEYS[:6], "forwards", "backwards", "seconds", "peak_memory_mb"]
N = 200
GRID = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
NAMES = ("road", "sidewalk", "building", "pole", "vegetation", "sky", "person", "car")


@dataclass(frozen=True)
class FakeRun:
    folder: Path
    summary: pd.DataFrame
    classes: pd.DataFrame
    costs: pd.DataFrame
    info: dict[str, Any]
    pictures: list[Panel] = field(default_factory=list)
    score_rows: list[ScoreRow] = field(default_factory=list)
    corruption_rows: list[CorruptionRow] = field(default_factory=list)

    @property
    def rows(self) -> list[Row]:
        return read_rows(self.summary)

    @property
    def class_rows(self) -> list[Row]:
        return read_rows(self.classes)

    @property
    def cost_rows(self) -> list[CostRow]:
        return read_costs(self.costs)

    @property
    def findings(self) -> list[Finding]:
        return [Finding("failed", "ok", "All cells ran", "84 cells, none failed."), UPPER_BOUND]

    def panels(self) -> list[Panel]:
        return self.pictures


@dataclass(frozen=True)
class Model:
    name: str
    tasks: tuple[str, ...]
    strength: float
    clean: dict[str, float]


MODELS = (
    Model("street-mobilenetv2", ("semantic",), 1.0, {"miou": 0.612, "pixel_accuracy": 0.931}),
    Model(
        "street-multitask",
        ("semantic", "depth"),
        1.6,
        {"miou": 0.637, "pixel_accuracy": 0.938, "rmse": 3.412, "abs_rel": 0.091, "delta1": 0.921},
    ),
)
METRICS = {"semantic": ("miou", "pixel_accuracy"), "depth": ("rmse", "abs_rel", "delta1")}
LOWER = {"rmse", "abs_rel"}
# attack: objectives, norm, grid, (budget of half the metric, steepness) on the own task and on another one
ATTACKS: dict[str, tuple[tuple[str, ...], str, tuple[float | None, ...], tuple[float, float], tuple[float, float]]] = {
    "gaussian": (("",), "rms", GRID, (11, 1.7), (11, 1.7)),
    "salt_and_pepper": (("",), "rms", GRID, (7, 1.6), (7, 1.6)),
    "fgsm": (("semantic", "depth"), "linf", GRID, (1.5, 0.9), (9, 1.1)),
    "pgd": (("semantic", "depth"), "linf", GRID, (0.75, 1.4), (5, 1.3)),
    "dag": (("semantic",), "none", (None,), (1.1, 2.0), (6, 1.2)),
    "hide": (("hide:person@semantic", "hide:person@depth"), "linf", (1.0, 2.0, 4.0, 8.0), (9, 0.9), (20, 0.8)),
}
FAILED = ("street-multitask", "fgsm", "semantic", 8.0)


def fake_run(folder: Path, models: tuple[Model, ...] = MODELS, with_panels: bool = True) -> FakeRun:
    rows: list[dict[str, Any]] = []
    for model in models:
        rows += _clean(model)
        for attack, (objectives, norm, grid, own, other) in ATTACKS.items():
            for objective in objectives:
                aim = objective.partition("@")[2] or objective
                if aim and aim not in model.tasks:
                    continue
                for epsilon in grid:
                    rows += _cell(model, attack, objective, norm, epsilon, own, other)
    classes = pd.DataFrame([r for row in rows for r in _per_class(row)], columns=CLASSES)
    summary = pd.DataFrame(rows, columns=SUMMARY)
    pictures = _panels(models) if with_panels else []
    return FakeRun(folder, summary, classes, _costs(summary), info(models), pictures)


def _clean(model: Model) -> list[dict[str, Any]]:
    key = {"model": model.name, "dataset": "street", "attack": "clean", "objective": "", "norm": "", "epsilon": 0.0}
    realised = {"snr_db": NAN, "rms": 0.0, "linf": 0.0, "n_images": N, "n_unchanged": N, "status": "ok"}
    return [
        key | _numbers(task, metric, model.clean[metric], 1.0, 0.0) | realised
        for task in model.tasks
        for metric in METRICS[task]
    ]


def _numbers(task: str, metric: str, clean: float, q: float, width: float) -> dict[str, Any]:
    lower = metric in LOWER
    low, high = max(q - width, 0.0), q + 0.8 * width
    numbers = ("lower" if lower else "higher", clean / q if lower else clean * q, clean, q, low, high)
    return {"task": task, "metric": metric} | dict(zip(NUMBERS, numbers, strict=True))


def _cell(
    model: Model,
    attack: str,
    objective: str,
    norm: str,
    epsilon: float | None,
    own: tuple[float, float],
    other: tuple[float, float],
) -> list[dict[str, Any]]:
    key = {
        "model": model.name,
        "dataset": "street",
        "attack": attack,
        "objective": objective,
        "norm": norm,
        "epsilon": NAN if epsilon is None else epsilon,
    }
    budget = 2.3 if epsilon is None else epsilon
    rms = budget if norm == "rms" else 0.83 * budget
    hiding = attack == "hide"
    failed = (model.name, attack, objective, epsilon) == FAILED
    realised = {
        "snr_db": 20 * math.log10(108.0 / rms),
        "rms": rms,
        "linf": 11.5 if epsilon is None else (3.9 * budget if norm == "rms" else budget),
        "n_images": 143 if hiding else N - 3 * failed,
        "n_unchanged": 0,
        "status": "failed" if failed else "ok",
    }
    rows = []
    for task in model.tasks:
        aim = objective.partition("@")[2] or objective
        half, power = own if aim in ("", task) else other
        for i, metric in enumerate(METRICS[task]):
            q = 1 / (1 + (budget / (half * model.strength * (1 + i))) ** power)
            width = 0.012 + 0.16 * q * (1 - q)
            clean = model.clean[metric] * (0.96 if hiding else 1.0)
            rows.append(key | _numbers(task, metric, clean, q, width) | realised)
    if attack == "dag":
        for metric, share in (("targets_changed", 0.9731), ("targets_reached", 0.8124)):
            numbers = dict(zip(NUMBERS, ("", share / model.strength, NAN, NAN, NAN, NAN), strict=True))
            rows.append(key | {"task": "semantic", "metric": metric} | numbers | realised)
    return rows


def _per_class(row: dict[str, Any]) -> list[dict[str, Any]]:
    if row["metric"] not in ("miou", "rmse"):
        return []
    found = []
    for i, name in enumerate(NAMES):
        bend = 0.6 + 0.1 * i
        hidden = row["attack"] == "hide" and name == "person" and row["objective"].endswith(row["task"])
        clean = row["clean"] * (1.35 - 0.09 * i) if row["metric"] == "miou" else row["clean"] * (0.4 + 0.2 * i)
        q = row["ratio"] ** (3.0 if hidden else bend)
        width = 0.02 + 0.1 * q * (1 - q)
        found.append(row | {"class": name} | _numbers(row["task"], row["metric"], clean, q, width))
    return found


def _costs(summary: pd.DataFrame) -> pd.DataFrame:
    cells = summary[COSTS[:6]].drop_duplicates(ignore_index=True)
    rows = []
    for _, cell in cells.iterrows():
        steps = {"fgsm": 1, "pgd": 6, "hide": 6, "dag": 38}.get(cell["attack"], 0)
        cost = (N * (steps + 1), N * steps, 1.7 + 2.9 * steps, 412.5)
        rows.append([*cell, *cost])
    return pd.DataFrame(rows, columns=COSTS)


def info(models: tuple[Model, ...] = MODELS) -> dict[str, Any]:
    return {
        "schema": 1,
        "created": "2026-02-11T09:30:12+00:00",
        "version": "0.1.0",
        "commit": "3f1c9ab0d1e2f30415263748596a7b8c9d0e1f2a",
        "versions": {"python": "3.11.9", "torch": "2.15.0", "numpy": "2.4.6"},
        "device": "Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz",
        "platform": "Linux-6.1-x86_64",
        "seed": 0,
        "batch_size": 8,
        "precision": "fp32",
        "threads": 1,
        "arguments": {"given": {"models": [], "protocol": None}, "resolved": {"protocol": "klingner2020", "seed": 0}},
        "models": [
            {
                "name": model.name,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "tasks": list(model.tasks),
                "classes": "cityscapes19",
                "origin": "catalogue",
                "summary": "MobileNetV2 with a 128-wide decoder",
                "terms": "Apache-2.0; trained on generated data",
                "parameters": 2_713_843,
            }
            for model in models
        ],
        "datasets": [
            {
                "name": "street",
                "split": "val",
                "n_images": N,
                "fingerprint": "0c1d2e3f",
                "terms": "generated; see https://example.org/street",
                "groups": 40,
            }
        ],
        "protocol": {
            "name": "demo",
            "summary": "all six families",
            "source": "Klingner 2020 and UniNet 2021",
            "attacks": [
                {"name": attack, "norm": norm, "epsilons": [e for e in grid if e is not None], "params": {}}
                for attack, (_, norm, grid, _, _) in ATTACKS.items()
            ],
        },
        "intervals": {"street": "jackknife over 40 groups"},
        "notes": ["street-mobilenetv2 on street: hide hide:person@depth left out, no output for depth"],
    }


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _scene(height: int = 96, width: int = 192) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    y, x = np.mgrid[:height, :width]
    label = np.where(y < 40, 5, 0)
    label = np.where((np.abs(x - 96) > 30 + (y - 40)) & (y >= 36), 1, label)
    label = np.where((np.abs(x - 96) > 55) & (y < 60) & (y > 12), 2, label)
    label = np.where((np.abs(x - 120) < 14) & (np.abs(y - 58) < 9), 7, label)
    label = np.where((np.abs(x - 70) < 4) & (np.abs(y - 56) < 13), 6, label)
    colours = ("804080", "f423e8", "464646", "999999", "6b8e23", "4682b4", "dc143c", "00008e")
    palette = np.array([list(bytes.fromhex(colour)) for colour in colours], np.uint8)
    tones = np.array([90, 130, 110, 60, 80, 200, 150, 50])
    image = tones[label][..., None] + np.random.default_rng(3).normal(0, 5, (height, width, 3)) + (y / 4)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8), palette[label], (255 * (y / height)).astype(np.uint8)


def _panels(models: tuple[Model, ...]) -> list[Panel]:
    image, label, depth = _scene()
    deep = np.stack([depth, depth // 2, 128 - depth // 3], -1).astype(np.uint8)
    rng = np.random.default_rng(0)
    found = []
    for model in models:
        for name in ("street-val-0003", "street-val-0017"):
            predictions = {"semantic": label, "depth": deep}
            clean = {"image": _png(image)} | {f"label:{task}": _png(predictions[task]) for task in model.tasks}
            clean |= {f"prediction:{task}": _png(predictions[task]) for task in model.tasks}
            found.append(Panel(model.name, "street", name, "", "", "", 0.0, clean))
            for attack, objective, norm, epsilon in (
                ("gaussian", "", "rms", 4.0),
                ("pgd", "semantic", "linf", 4.0),
                ("dag", "semantic", "none", None),
                ("hide", "hide:person@semantic", "linf", 4.0),
            ):
                noise = rng.normal(0, 40, image.shape)
                pngs = {
                    "perturbed": _png(np.clip(image + noise / 10, 0, 255).astype(np.uint8)),
                    "perturbation": _png(np.clip(128 + noise, 0, 255).astype(np.uint8)),
                }
                for task in model.tasks:
                    broken = np.roll(predictions[task], int(rng.integers(5, 40)), 1)
                    pngs[f"prediction:{task}"] = _png(broken)
                found.append(Panel(model.name, "street", name, attack, objective, norm, epsilon, pngs))
    return found
