"""Figures 4, 5 and 6 of the paper from our runs, with its published values where it prints them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, png, titled
from robustbench_seg.report.draw import scale_epsilon
from robustbench_seg.report.names import ATTACKS
from robustbench_seg.report.style import BAND
from robustbench_seg.studies.klingner2020.experiments import DOMAINS
from robustbench_seg.studies.klingner2020.findings import Comparer
from robustbench_seg.studies.klingner2020.results import EPSILONS, Results, shown
from robustbench_seg.studies.klingner2020.trainings import SINGLE

Published = Mapping[str, Any]

_PERTURBATIONS = ("gaussian", "salt_and_pepper", "fgsm", "pgd")
_INK, _RUST, _GREY = "#1a1a1a", "#b3541e", "#777777"
_COLOURS = {SINGLE: _INK, "0.1": _RUST}
_EPSILON = "requested ε (grey values)"


def figure_files(full: Results, short: Results, published: Published) -> dict[str, tuple[str, bytes]]:
    """Caption and PNG by file name."""
    makers: dict[str, tuple[str, Callable[[], Figure]]] = {
        "figure4.png": (
            "Figure 4: clean mIoU over λ, networks of the short ablation. Bars are 95 % intervals of the difference "
            "to the single task, from images; one training each. Crosses are the paper's (Cityscapes left, KITTI "
            "right), relative to its single task.",
            lambda: figure_4(short, published),
        ),
        "figure5.png": (
            "Figure 5: Q on both domains under four perturbations. Lines are means over three seeds, thin lines the "
            "seeds, bands 95 % intervals from images. Crosses are the paper's values on Cityscapes.",
            lambda: figure_5(full, published),
        ),
        "figure6.png": (
            "Figure 6: Q under FGSM for every λ minus that of the single task, networks of the short ablation. Points "
            "with a ring differ by more than the interval from images and more than two seeds at full length do.",
            lambda: figure_6(short, Comparer(short, full)),
        ),
    }
    return {name: (caption, png(make) or b"") for name, (caption, make) in makers.items()}


def figure_4(short: Results, published: Published) -> Figure:
    """Points of mIoU gained over the single task, over λ, a panel a domain."""
    canvas = titled("Clean mIoU over λ, against the single task")
    grid = canvas.subplots(1, 2, sharey=True)
    for at, (axes, domain) in enumerate(zip(grid, DOMAINS, strict=True)):
        kinds = [kind for kind in short.kinds if kind != SINGLE]
        found = [(float(kind), one) for kind in kinds if (one := short.difference(kind, domain)) is not None]
        x, y = [at_ for at_, _ in found], [100 * one.difference for _, one in found]
        axes.axhline(0, color=_GREY, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.plot(x, y, color=_RUST, marker="o", label="ours")
        for value, one in found:
            if one.image_low is not None and one.image_high is not None:
                axes.vlines(value, 100 * one.image_low, 100 * one.image_high, color=_RUST, linewidth=1.2)
        single = published["miou"][SINGLE][at]
        theirs = [(float(kind), row[at] - single) for kind, row in published["miou"].items() if kind != SINGLE]
        axes.plot(*zip(*theirs, strict=True), color=_GREY, marker="x", linestyle=(0, (4, 1.6)), label="paper")
        axes.set_title(f"{domain} (paper: {('Cityscapes', 'KITTI')[at]})", pad=7)
        axes.set_xlabel("λ")
    grid[0].set_ylabel("mIoU minus the single task's (points)")
    grid[0].legend(loc="best")
    canvas.set_size_inches(WIDTH, 3.6)
    return canvas


def figure_5(full: Results, published: Published) -> Figure:
    """Q over ε, a row a domain and a column a perturbation."""
    canvas = titled("mIoU ratio Q, single task against λ = 0.1")
    grid = canvas.subplots(len(DOMAINS), len(_PERTURBATIONS), sharex=True, sharey=True)
    for row, domain in zip(grid, DOMAINS, strict=True):
        for axes, attack in zip(row, _PERTURBATIONS, strict=True):
            for kind in full.kinds:
                _ratio_curve(axes, full, kind, domain, attack)
            for kind, values in published["ratio"].get(attack, {}).items() if domain == DOMAINS[0] else ():
                shares = [value / 100 for value in values]
                axes.plot(EPSILONS, shares, color=_COLOURS[kind], linestyle="", marker="x", markersize=5, alpha=0.75)
            axes.set_title(f"{ATTACKS[attack]}, {domain}", fontsize=9, pad=6)
            scale_epsilon(axes, EPSILONS[0], EPSILONS[-1])
        row[0].set_ylabel("Q")
    for axes in grid[-1]:
        axes.set_xlabel(_EPSILON)
    lines = {shown(kind): _line(grid[0, 0], _COLOURS[kind], "-", "o") for kind in full.kinds}
    lines["paper, in the same colours"] = _line(grid[0, 0], _GREY, "", "x")
    canvas.legend(lines.values(), lines, loc="outside lower center", ncols=3)
    grid[0, 0].set_ylim(0, 1.05)
    canvas.set_size_inches(WIDTH, 5.4)
    return canvas


def figure_6(short: Results, comparer: Comparer) -> Figure:
    """Q under FGSM over ε minus that of the single task, a panel a domain, a colour a λ."""
    canvas = titled("Q under FGSM, minus that of the single task")
    grid = canvas.subplots(1, len(DOMAINS), sharex=True, sharey=True)
    kinds = [kind for kind in short.kinds if kind != SINGLE]
    palette = {kind: colormaps["viridis"](at / max(len(kinds) - 0.5, 1)) for at, kind in enumerate(kinds)}
    for axes, domain in zip(grid, DOMAINS, strict=True):
        axes.axhline(0, color=_GREY, linewidth=0.9, linestyle=(0, (1, 2)))
        for kind in kinds:
            found = [one for epsilon in EPSILONS if (one := short.difference(kind, domain, "fgsm", epsilon))]
            x, y = [one.epsilon for one in found], [100 * one.difference for one in found]
            axes.plot(x, y, color=palette[kind], marker=".", label=shown(kind))
            cells = [(one, (kind, domain, "fgsm", one.epsilon or 0.0)) for one in found]
            sure = [(one.epsilon, 100 * one.difference) for one, cell in cells if comparer.is_clear(cell)]
            axes.plot(*(zip(*sure, strict=True) if sure else ([], [])), color=palette[kind], marker="o",
                      markerfacecolor="none", markersize=8, linestyle="")  # fmt: skip
        axes.set_title(domain, pad=7)
        axes.set_xlabel(_EPSILON)
        scale_epsilon(axes, EPSILONS[0], EPSILONS[-1])
    grid[0].set_ylabel("ΔQ (points)")
    handles, names = grid[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside right upper")
    canvas.set_size_inches(WIDTH, 3.8)
    return canvas


def _ratio_curve(axes: Axes, full: Results, kind: str, domain: str, attack: str) -> None:
    colour = _COLOURS[kind]
    means = [full.ratio(kind, domain, attack, epsilon) for epsilon in EPSILONS]
    bounds = [full.interval(kind, domain, attack, epsilon) for epsilon in EPSILONS]
    low, high = zip(*bounds, strict=True)
    axes.fill_between(EPSILONS, low, high, color=colour, alpha=BAND, linewidth=0)
    axes.plot(EPSILONS, means, color=colour, marker="o", markersize=3.5, zorder=3)
    for model in full.groups[kind]:
        cells = [full.rows.get((model, domain, attack, epsilon)) for epsilon in EPSILONS]
        values = [math.nan if row is None or row.ratio is None else row.ratio for row in cells]
        axes.plot(EPSILONS, values, color=colour, linewidth=0.6, alpha=0.8)


def _line(axes: Axes, colour: str, line: str, marker: str) -> Any:
    return axes.plot([], [], color=colour, linestyle=line, marker=marker, markersize=4)[0]
