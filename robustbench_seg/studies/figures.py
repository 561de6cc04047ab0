"""Figures of a study: groups over a parameter of the recipe or over ε, with the paper's numbers as crosses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.draw import scale_epsilon
from robustbench_seg.report.names import full_name
from robustbench_seg.report.style import BAND
from robustbench_seg.studies.grouped import Grouped, Place

_INKS = ("#1a1a1a", "#b3541e", "#2d6a9f", "#4f7a28")
_OURS, _PAPER = _INKS[1], "#777777"
_EPSILON = "requested ε"

Name = Callable[[str], str]


def gain_figure(grouped: Grouped, panels: Mapping[str, str], published: Mapping[str, Sequence[float]]) -> Figure:
    """The clean metric gained over the first group, over the number that names a group; a panel per data set.

    `panels` are titles by data set, `published` the paper's numbers by group in the order of the panels, in per cent.
    """
    canvas = titled(f"Clean metric against {grouped.first}")
    grid = canvas.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for at, (axes, (dataset, title)) in enumerate(zip(grid, panels.items(), strict=True)):
        known = [(float(group), one) for group in grouped.others if (one := grouped.difference(group, Place(dataset)))]
        _zero(axes)
        axes.plot(
            [x for x, _ in known], [100 * one.difference for _, one in known], color=_OURS, marker="o", label="ours"
        )
        for x, one in known:
            for low, high in [one.intervals["images"]] if "images" in one.intervals else []:
                axes.vlines(x, 100 * low, 100 * high, color=_OURS, linewidth=1.2)
        single = published[grouped.first][at]
        crosses = [(float(group), row[at] - single) for group, row in published.items() if group != grouped.first]
        axes.plot(*zip(*crosses, strict=True), color=_PAPER, marker="x", linestyle=(0, (4, 1.6)), label="paper")
        axes.set_title(title, pad=7)
        axes.set_xlabel("λ")
    grid[0].set_ylabel("points of mIoU")
    grid[0].legend(loc="best")
    canvas.set_size_inches(WIDTH, 3.6)
    return canvas


def ratio_figure(
    grouped: Grouped,
    datasets: Sequence[str],
    attacks: Sequence[str],
    epsilons: Sequence[float],
    published: Mapping[str, Mapping[str, Sequence[float]]],
    name: Name,
) -> Figure:
    """Q over ε, a row per data set and a column per attack: means with bands, thin lines for single trainings.

    `published` is by attack and group, in per cent, on the first data set.
    """
    canvas = titled("Metric ratio Q")
    grid = canvas.subplots(len(datasets), len(attacks), sharex=True, sharey=True, squeeze=False)
    inks = dict(zip(grouped.groups, _INKS, strict=False))
    for row, dataset in zip(grid, datasets, strict=True):
        for axes, attack in zip(row, attacks, strict=True):
            places = [Place(dataset, attack, epsilon) for epsilon in epsilons]
            for group, ink in inks.items():
                _ratio_curve(axes, grouped, group, places, ink)
            for group, values in published.get(attack, {}).items() if dataset == datasets[0] else ():
                shares = [value / 100 for value in values]
                axes.plot(epsilons, shares, color=inks[group], linestyle="", marker="x", markersize=5, alpha=0.75)
            axes.set_title(f"{full_name(attack, '')}, {dataset}", fontsize=9, pad=6)
            scale_epsilon(axes, epsilons[0], epsilons[-1])
        row[0].set_ylabel("Q")
    for axes in grid[-1]:
        axes.set_xlabel(_EPSILON)
    lines = {name(group): _line(grid[0, 0], ink, "-", "o") for group, ink in inks.items()}
    lines["paper, in the same colours"] = _line(grid[0, 0], _PAPER, "", "x")
    canvas.legend(lines.values(), lines, loc="outside lower center", ncols=3)
    grid[0, 0].set_ylim(0, 1.05)
    canvas.set_size_inches(WIDTH, 2.7 * len(datasets))
    return canvas


def difference_figure(
    grouped: Grouped, seeds: Grouped, datasets: Sequence[str], attack: str, epsilons: Sequence[float], name: Name
) -> Figure:
    """Q over ε minus that of the first group, a panel per data set, a colour per group; what is clear has a ring."""
    canvas = titled(f"Q under {full_name(attack, '')}, minus that of {grouped.first}")
    grid = canvas.subplots(1, len(datasets), sharex=True, sharey=True, squeeze=False)[0]
    for axes, dataset in zip(grid, datasets, strict=True):
        _zero(axes)
        for at, group in enumerate(grouped.others):
            colour = colormaps["viridis"](at / max(len(grouped.others) - 0.5, 1))
            places = [Place(dataset, attack, epsilon) for epsilon in epsilons]
            known = [
                (place.epsilon, one) for place in places if (one := grouped.comparison(group, place, seeds)) is not None
            ]
            x, y = [epsilon for epsilon, _ in known], [100 * one.difference for _, one in known]
            axes.plot(x, y, color=colour, marker=".", label=name(group))
            for epsilon, one in known if known else ():
                if one.sign:
                    axes.plot(epsilon, 100 * one.difference, color=colour, marker="o", mfc="none", markersize=8)
        axes.set_title(dataset, pad=7)
        axes.set_xlabel(_EPSILON)
        scale_epsilon(axes, epsilons[0], epsilons[-1])
    grid[0].set_ylabel("ΔQ (points)")
    handles, names = grid[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside right upper")
    canvas.set_size_inches(WIDTH, 3.8)
    return canvas


def _ratio_curve(axes: Axes, grouped: Grouped, group: str, places: Sequence[Place], ink: str) -> None:
    x = [place.epsilon or 0.0 for place in places]
    low, high = zip(*(grouped.interval(group, place) for place in places), strict=True)
    axes.fill_between(x, low, high, color=ink, alpha=BAND, linewidth=0)
    axes.plot(x, [grouped.mean(group, place) for place in places], color=ink, marker="o", markersize=3.5, zorder=3)
    for model in grouped.groups[group]:
        alone = Grouped(grouped.run, {group: [model]}, grouped.metric)
        axes.plot(x, [alone.mean(group, place) for place in places], color=ink, linewidth=0.6, alpha=0.8)


def _zero(axes: Axes) -> None:
    axes.axhline(0, color=_PAPER, linewidth=0.9, linestyle=(0, (1, 2)))


def _line(axes: Axes, colour: str, line: str, marker: str) -> Any:
    return axes.plot([], [], color=colour, linestyle=line, marker=marker, markersize=4)[0]
