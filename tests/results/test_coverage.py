"""How often intervals hold the true number, when images are drawn from a population with replacement.

population.npz has the statistics of the 200 images of street val: of street-multi and street-single under Gaussian
noise of RMS 4 and PGD of 10 steps on each task (L∞, ε = 1), of street-uninet under noise, FGSM and PGD of 3 steps on
detection (the 30 surest detections of an image).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.results.jackknife import leave_out_weights
from robustbench_seg.results.pair import ratio
from robustbench_seg.results.sample import Sample
from robustbench_seg.tasks.base import Floats, Statistics
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.instances.precision import precision_values
from robustbench_seg.tasks.semantic import Semantic

POPULATION = np.load(Path(__file__).parent / "population.npz")
N = 200
PERCENTILES = 0.025, 0.975
FEW = 100
"""In so many of the draws the percentile interval is made too, for its width."""

Cell = tuple[Sequence[Statistics], Callable[[Sequence[Statistics], Floats, np.ndarray], Floats]]
Quantity = Callable[[Mapping[str, Floats]], Floats]


def semantic(name: str) -> Cell:
    matrices = POPULATION[f"{name} confusion"].astype(np.float64)
    values = Semantic().values
    return [{"confusion": each} for each in matrices], lambda images, w, scored: values(images, w, scored).overall[
        "miou"
    ]


def depth(name: str) -> Cell:
    sums = np.zeros((N, 1, len(Depth.errors) + 1))
    sums[:, 0, Depth.errors.index("squared")] = POPULATION[f"{name} depth"].astype(np.float64) ** 2
    sums[:, 0, -1] = 1
    values = Depth().values
    return [{"sums": each} for each in sums], lambda images, w, _: values(images, w, np.zeros(0, bool)).overall["rmse"]


def detection(name: str) -> Cell:
    labels, scores = (POPULATION[f"{name} {key}"].astype(np.float64) for key in ("labels", "scores"))
    shape = (*labels.shape, 10)
    matched, ignored = (
        np.unpackbits(POPULATION[f"{name} {key}"])[: labels.size * 10].reshape(shape).astype(np.float64)
        for key in ("matched", "ignored")
    )
    truth = POPULATION["street-uninet truth"].astype(np.float64)
    images = [
        {"labels": labels[i], "scores": scores[i], "matched": matched[i].T, "ignored": ignored[i].T, "truth": truth[i]}
        for i in range(N)
    ]
    return images, lambda drawn, weights, scored: precision_values(drawn, weights, scored).overall["ap"]


def scored_of(drawn: Sequence[Statistics]) -> np.ndarray:
    """The classes in the labels."""
    first = drawn[0]
    if "confusion" in first:
        return Semantic().scored(drawn)
    return np.sum([image["truth"] for image in drawn], 0) > 0 if "truth" in first else np.zeros(0, bool)


def q(name: str, task: str, metric: str = "miou") -> Quantity:
    """The retained performance in a cell."""
    of = (Depth() if metric == "rmse" else Semantic()).metric(metric)
    model = name.partition(" ")[0]
    return lambda found: ratio(of, found[f"{name} {task}"], found[f"{model} clean {task}"])


def minus(first: Quantity, second: Quantity) -> Quantity:
    return lambda found: first(found) - second(found)


MULTI, SINGLE, UNINET = "street-multi", "street-single", "street-uninet"
DENSE = {f"{MULTI} {cell}": ("confusion", "depth") for cell in ("clean", "gaussian 4", "pgd 1")} | {
    f"{SINGLE} {cell}": ("confusion",) for cell in ("clean", "gaussian 4", "pgd 1")
}
MAKERS = {"confusion": semantic, "depth": depth, "ap": detection}
OF_DENSE: dict[str, Quantity] = {
    **{f"Q(mIoU), {name}": q(name, "confusion") for name in DENSE if "clean" not in name},
    "RMSE, clean": lambda found: found[f"{MULTI} clean depth"],
    "RMSE, PGD": lambda found: found[f"{MULTI} pgd 1 depth"],
    "Q(RMSE), noise": q(f"{MULTI} gaussian 4", "depth", "rmse"),
    "Q(RMSE), PGD": q(f"{MULTI} pgd 1", "depth", "rmse"),
    "Q(mIoU) of two models, noise": minus(
        q(f"{MULTI} gaussian 4", "confusion"), q(f"{SINGLE} gaussian 4", "confusion")
    ),
    "Q(mIoU) of two models, PGD": minus(q(f"{MULTI} pgd 1", "confusion"), q(f"{SINGLE} pgd 1", "confusion")),
    "Q(mIoU) of noise and PGD": minus(q(f"{MULTI} gaussian 4", "confusion"), q(f"{MULTI} pgd 1", "confusion")),
    "mIoU of two models, clean": lambda found: found[f"{MULTI} clean confusion"] - found[f"{SINGLE} clean confusion"],
}
DETECTED = {f"{UNINET} {cell}": ("ap",) for cell in ("clean", "gaussian 4", "fgsm 1", "pgd 1")}
OF_DETECTED = {
    "Q(AP), noise": q(f"{UNINET} gaussian 4", "ap"),
    "Q(AP), FGSM": q(f"{UNINET} fgsm 1", "ap"),
    "Q(AP), PGD": q(f"{UNINET} pgd 1", "ap"),
    "Q(AP) of noise and PGD": minus(q(f"{UNINET} gaussian 4", "ap"), q(f"{UNINET} pgd 1", "ap")),
    "Q(AP) of FGSM and PGD": minus(q(f"{UNINET} fgsm 1", "ap"), q(f"{UNINET} pgd 1", "ap")),
}


def coverage(
    cells: Mapping[str, Sequence[str]], quantities: Mapping[str, Quantity], n: int, draws: int
) -> dict[str, tuple[float, float]]:
    """How often the 95 % interval of each quantity holds its value of the population, and its width.

    The width is that of the median interval, over that of the median percentile interval of 200 bootstrap samples.
    """
    made = {f"{cell} {task}": MAKERS[task](cell) for cell, tasks in cells.items() for task in tasks}
    truth = numbers(made, quantities, range(N), np.ones((1, N)))
    rng = np.random.default_rng(n)
    others, _ = leave_out_weights([str(i) for i in range(n)])
    held: dict[str, list[bool]] = {name: [] for name in quantities}
    widths: dict[str, list[float]] = {name: [] for name in quantities}
    percentiles: dict[str, list[float]] = {name: [] for name in quantities}
    for draw in range(draws):
        chosen = np.sort(rng.integers(0, N, n))
        resamples = rng.multinomial(n, np.full(n, 1 / n), size=200 if draw < FEW else 0)
        found = numbers(made, quantities, chosen, np.concatenate([np.ones((1, n)), others, resamples]))
        for name, values in found.items():
            low, high = Sample(float(values[0]), values[1 : n + 1]).interval
            held[name].append(low <= truth[name][0] <= high)
            widths[name].append(high - low)
            if draw < FEW:
                percentiles[name].append(float(np.ptp(np.quantile(values[n + 1 :], PERCENTILES))))
    return {
        name: (float(np.mean(held[name])), float(np.median(widths[name][:FEW]) / np.median(percentiles[name])))
        for name in quantities
    }


def numbers(
    made: Mapping[str, Cell], quantities: Mapping[str, Quantity], chosen: Sequence[int], weights: Floats
) -> dict[str, Floats]:
    """Every quantity under these weights of the chosen images."""
    found = {}
    for name, (images, values) in made.items():
        drawn = [images[i] for i in chosen]
        found[name] = values(drawn, weights, scored_of(drawn))
    return {name: quantity(found) for name, quantity in quantities.items()}


@pytest.mark.slow
def test_intervals_over_32_images_hold_what_they_say() -> None:
    found = coverage(DENSE, OF_DENSE, 32, 2000) | coverage(DETECTED, OF_DETECTED, 32, 500)
    shares = {name: share for name, (share, _) in found.items()}
    assert 0.94 <= np.mean(list(shares.values())) <= 0.97
    assert min(shares.values()) >= 0.93, found
    assert max(width for _, width in found.values()) <= 1.3, found


@pytest.mark.long
@pytest.mark.parametrize("n", [8, 16, 64])
def test_intervals_over_fewer_and_more_images_do_nearly(n: int) -> None:
    found = coverage(DENSE, OF_DENSE, n, 2000) | coverage(DETECTED, OF_DETECTED, n, 500)
    shares = [share for share, _ in found.values()]
    assert 0.94 <= np.mean(shares) <= 0.97
    assert min(shares) >= 0.92, found
