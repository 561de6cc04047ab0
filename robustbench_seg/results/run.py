"""A run on disk: its tables, provenance and panels, without any model."""

from __future__ import annotations

import io
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from robustbench_seg.errors import InputError

_TEXT = ("model", "dataset", "attack", "objective", "norm", "task", "metric", "class", "direction", "status")

_ALWAYS = ("model", "dataset", "attack", "objective", "norm", "epsilon")
"""Columns that every table has."""

_AGAIN = "give the command that made it again, or `robustseg report` where the store is there"


@dataclass(frozen=True)
class Panel:
    """Pictures of one image in one cell; `attack` is empty for the clean one. See `Run.panels`."""

    model: str
    dataset: str
    image: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    pngs: dict[str, bytes]


@dataclass(frozen=True)
class Run:
    """A run folder; `pictures` False leaves its panels out, for data that may not be passed on.

    Raises InputError naming the file where the folder is not a run or a table is damaged.
    """

    folder: Path
    pictures: bool = True

    @cached_property
    def summary(self) -> pd.DataFrame:
        """summary.csv: a row a cell, task and metric."""
        return self._table("summary.csv")

    @cached_property
    def classes(self) -> pd.DataFrame:
        """classes.csv: the same, a row a class."""
        return self._table("classes.csv")

    @cached_property
    def costs(self) -> pd.DataFrame:
        """costs.csv: forwards, backwards, seconds and peak memory of each cell."""
        return self._table("costs.csv")

    @cached_property
    def info(self) -> dict[str, Any]:
        """run.json."""
        path = self.folder / "run.json"
        try:
            info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(
                f"'{self.folder}' is not a run, or not a finished one: {path.name} cannot be read ({error.strerror})"
            ) from error
        except ValueError as error:
            raise InputError(f"'{path}' is damaged ({error}); {_AGAIN}") from error
        if not isinstance(info, dict):
            raise InputError(f"'{path}' is damaged (no object); {_AGAIN}")
        return info

    def panels(self) -> list[Panel]:
        """Pictures kept for the page.

        Kinds: `image`, `label:TASK` on the clean panel; `perturbed`, `perturbation` (amplified) on the others;
        `prediction:TASK` on both.
        """
        from robustbench_seg.results.manifest import RunManifest
        from robustbench_seg.results.store import Store

        panels: list[Panel] = []
        if not self.pictures:
            return panels
        with Store(self.folder / "store.sqlite", create=False) as store:
            manifest = RunManifest.from_json(store.read_manifest())
            for p, f, c, image, pngs in store.panels():
                pair = manifest.pairs[p]
                configuration = pair.configurations[f]
                name = manifest.ids[pair.dataset][image]
                attack = configuration.attack if f else ""
                panels.append(
                    Panel(
                        pair.model,
                        pair.dataset,
                        name,
                        attack,
                        configuration.objective,
                        configuration.norm,
                        configuration.epsilons[c],
                        pngs,
                    )
                )
        return panels

    def _table(self, name: str) -> pd.DataFrame:
        path = self.folder / name
        try:
            text = path.read_text(encoding="utf-8")
            table = pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(_TEXT, str))
        except FileNotFoundError as error:
            raise InputError(f"'{self.folder}' has no {name}; is it a run folder? evaluate writes one") from error
        except (ValueError, OSError) as error:
            raise InputError(f"'{path}' is damaged ({error}); {_AGAIN}") from error
        missing = [column for column in _ALWAYS if column not in table.columns]
        numbers = [] if table.empty else [column for column in table if column not in _TEXT]
        words = [column for column in numbers if not pd.api.types.is_numeric_dtype(table[column])]
        reasons = [
            *(f"no column {column}" for column in missing),
            *(f"column {column} holds no numbers" for column in words),
            *(["its last line is cut off"] if not text.endswith("\n") else []),
        ]
        if reasons:
            raise InputError(f"'{path}' is damaged ({reasons[0]}); {_AGAIN}")
        return table.assign(**{column: table[column].fillna("") for column in _TEXT if column in table.columns})


def write_table(table: pd.DataFrame, path: Path) -> None:
    """A CSV with six significant digits, empty where nothing is known, replaced in one step."""
    write_text(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"), path)


def write_text(text: str, path: Path) -> None:
    """Write a text in UTF-8; see `write_bytes`."""
    write_bytes(text.encode(), path)


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file so that it is either the old or the new one; InputError where it cannot be."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"'{path}' cannot be written: {error.strerror}; free space or give another -o") from error
