"""Figures of a study: groups over a parameter of the recipe or over ε, with the paper's numbers as crosses."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.draw import scale_epsilon
from robustbench_seg.report.style import BAND
from robustbench_seg.results.names import attack_title, full_name, task_name
from robustbench_seg.studies.grouped import Grouped, Place

_INKS = ("#1a1a1a", "#b3541e", "#2d6a9f", "#4f7a28", "#7b4a9e", "#b8860b")
_OURS, _PAPER = _INKS[1], "#777777"
_EPSILON = "requested ε"

Name = Callable[[str], str]


def gain_figure(grouped: Grouped, panels: Mapping[str, str], published: Mapping[str, Sequence[float]]) -> Figure:
    """The clean metric gained over the first group, over the number that names a group; a panel per data set.

    `panels` are titles by data set, `published` the paper's numbers by group in the order of the panels, in per cent.
    """
    canvas = titled(f"Clean metric against {grouped.first}")
    grid = _row(canvas, panels.values(), "λ", "points of mIoU")
    for at, (axes, dataset) in enumerate(zip(grid, panels, strict=True)):
        gains = [
            (float(group), each) for group in grouped.others if (each := grouped.difference(group, Place(dataset)))
        ]
        points = [(x, 100 * each.difference) for x, each in gains]
        axes.plot(*zip(*points, strict=True), color=_OURS, marker="o", label="ours")
        for x, each in gains:
            for low, high in [each.intervals["images"]] if "images" in each.intervals else []:
                axes.vlines(x, 100 * low, 100 * high, color=_OURS, linewidth=1.2)
        single = published[grouped.first][at]
        crosses = [(float(group), row[at] - single) for group, row in published.items() if group != grouped.first]
        axes.plot(*zip(*crosses, strict=True), color=_PAPER, marker="x", linestyle=(0, (4, 1.6)), label="paper")
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


def task_figure(
    tasks: Mapping[str, Grouped], dataset: str, attacks: Sequence[str], epsilons: Sequence[float]
) -> Figure:
    """Q over ε, a row per attack and a column per task: means with bands, thin lines for single trainings."""
    canvas = titled("Retained performance Q of every task")
    grid = canvas.subplots(len(attacks), len(tasks), sharex=True, sharey=True, squeeze=False)
    for row, attack in zip(grid, attacks, strict=True):
        for axes, (task, grouped) in zip(row, tasks.items(), strict=True):
            places = [Place(dataset, attack, epsilon) for epsilon in epsilons]
            for group, ink in zip(grouped.groups, _INKS, strict=False):
                _ratio_curve(axes, grouped, group, places, ink)
            axes.set_title(f"{task_name(task)}\n{attack_title(attack)}", fontsize=9, pad=6)
            scale_epsilon(axes, epsilons[0], epsilons[-1])
        row[0].set_ylabel("Q")
    for axes in grid[-1]:
        axes.set_xlabel(_EPSILON)
    groups = next(iter(tasks.values())).groups
    lines = {group: _line(grid[0, 0], ink, "-", "o") for group, ink in zip(groups, _INKS, strict=False)}
    canvas.legend(lines.values(), lines, loc="outside lower center", ncols=len(lines))
    grid[0, 0].set_ylim(0, 1.05)
    canvas.set_size_inches(WIDTH, 2.7 * len(attacks) + 0.4)
    return canvas


def difference_figure(
    grouped: Grouped, seeds: Grouped, datasets: Sequence[str], attack: str, epsilons: Sequence[float], name: Name
) -> Figure:
    """Q over ε minus that of the first group, a panel per data set, a colour per group; what is clear has a ring."""
    canvas = titled(f"Q under {full_name(attack, '')}, minus that of {grouped.first}")
    grid = _row(canvas, datasets, _EPSILON, "ΔQ (points)")
    for axes, dataset in zip(grid, datasets, strict=True):
        for at, group in enumerate(grouped.others):
            each = [(x, grouped.comparison(group, Place(dataset, attack, x), seeds)) for x in epsilons]
            points = [(x, 100 * known.difference, known.sign) for x, known in each if known]
            style: dict[str, Any] = {"color": colormaps["viridis"](at / max(len(grouped.others) - 0.5, 1))}
            axes.plot([x for x, *_ in points], [y for _, y, _ in points], marker=".", label=name(group), **style)
            clear = [(x, y) for x, y, sign in points if sign]
            axes.plot([x for x, _ in clear], [y for _, y in clear], "o", mfc="none", markersize=8, **style)
        scale_epsilon(axes, epsilons[0], epsilons[-1])
    handles, names = grid[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside right upper")
    canvas.set_size_inches(WIDTH, 3.8)
    return canvas


def _row(canvas: Figure, titles: Collection[str], x: str, y: str) -> Sequence[Axes]:
    """Panels side by side with one vertical axis, a line where nothing differs."""
    grid: Sequence[Axes] = canvas.subplots(1, len(titles), sharex=True, sharey=True, squeeze=False)[0]
    for axes, title in zip(grid, titles, strict=True):
        axes.axhline(0, color=_PAPER, linewidth=0.9, linestyle=(0, (1, 2)))
        axes.set_title(title, pad=7)
        axes.set_xlabel(x)
    grid[0].set_ylabel(y)
    return grid


def _ratio_curve(axes: Axes, grouped: Grouped, group: str, places: Sequence[Place], ink: str) -> None:
    x = [place.epsilon or 0.0 for place in places]
    low, high = zip(*(grouped.interval(group, place) for place in places), strict=True)
    axes.fill_between(x, low, high, color=ink, alpha=BAND, linewidth=0)
    axes.plot(x, [grouped.mean(group, place) for place in places], color=ink, marker="o", markersize=3.5, zorder=3)
    for model in grouped.groups[group]:
        alone = Grouped(grouped.run, {group: [model]}, grouped.metric)
        axes.plot(x, [alone.mean(group, place) for place in places], color=ink, linewidth=0.6, alpha=0.8)


def _line(axes: Axes, colour: str, line: str, marker: str) -> Any:
    return axes.plot([], [], color=colour, linestyle=line, marker=marker, markersize=4)[0]
