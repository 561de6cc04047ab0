"""The directed graph of influence: how much of each task is lost when another one is attacked by its own loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from robustbench_seg.report.canvas import titled
from robustbench_seg.report.relationships.canvas import COLOURS, SHADES, wrapped
from robustbench_seg.report.relationships.matrix import Matrix
from robustbench_seg.report.relationships.objectives import group

THRESHOLD = 0.02
"""The smallest lost share that is drawn as an edge."""

_SIZE = 7.4
_RADIUS, _NODE = 1.0, 0.235
_BEND = 0.13
_PLACES = (0.27, 0.33, 0.21, 0.4, 0.47, 0.54, 0.61, 0.68, 0.15)
"""Where along an edge its label may stand, the preferred first."""

Point = tuple[float, float]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Edge:
    """The share of `measured` that is lost when `attacked` is attacked by its own loss."""

    attacked: str
    measured: str
    lost: float


def edges(matrix: Matrix, threshold: float = THRESHOLD) -> list[Edge]:
    """Every pair of different tasks with at least that loss, the largest first."""
    found = [
        Edge(attacked, measured, 1 - q)
        for attacked in matrix.attacked_tasks
        for measured in matrix.tasks
        if attacked != measured and (q := matrix.ratio(attacked, measured)) is not None and 1 - q >= threshold
    ]
    return sorted(found, key=lambda edge: (-edge.lost, edge.attacked, edge.measured))


def graph_figure(matrix: Matrix) -> Figure | None:
    """The graph of a matrix; None where fewer than two tasks were attacked."""
    if len(matrix.attacked_tasks) < 2:
        return None
    places = _positions(matrix.tasks)
    heights = [y for _, y in places.values()]
    margin = _NODE + 0.06
    span = max(heights) - min(heights) + 2 * margin
    canvas = titled(f"{matrix.setting.where}: {matrix.setting.at(matrix.epsilon)}", _SIZE)
    canvas.set_size_inches(_SIZE, _SIZE * span / (2 * (_RADIUS + margin)) + 0.7)
    axes = canvas.subplots()
    axes.set_title("A → B: the share of B that is lost when A is attacked by its own loss", fontsize=9)
    axes.set_axis_off()
    axes.set_aspect("equal")
    axes.set_xlim(-_RADIUS - margin, _RADIUS + margin)
    axes.set_ylim(min(heights) - margin, max(heights) + margin)
    found = edges(matrix)
    for edge in found:
        _draw_edge(axes, edge, places)
    for task, (x, y) in places.items():
        axes.add_patch(
            Circle((x, y), _NODE, facecolor=SHADES[group(task)], edgecolor=COLOURS[group(task)][0], lw=2, zorder=4)
        )
        axes.text(x, y, _node_text(matrix, task), ha="center", va="center", fontsize=8.5, zorder=5)
    canvas.draw_without_rendering()
    _label(axes, found, places)
    return canvas


def _positions(tasks: Sequence[str]) -> dict[str, Point]:
    """On a circle from the upper left anticlockwise: semantic tasks come to stand left, geometric ones right."""
    start = math.pi / 2 + (math.pi / len(tasks) if len(tasks) > 2 else math.pi / 2)
    turn = 2 * math.pi / len(tasks)
    return {
        task: (_RADIUS * math.cos(start + i * turn), _RADIUS * math.sin(start + i * turn))
        for i, task in enumerate(tasks)
    }


def _node_text(matrix: Matrix, task: str) -> str:
    own = matrix.ratio(task, task)
    return wrapped(task) + ("" if own is None else f"\nown loss: −{100 * (1 - own):.0f} %")


def _draw_edge(axes: Axes, edge: Edge, places: Mapping[str, Point]) -> None:
    first, _, last = _curve(edge, places)
    arrow = FancyArrowPatch(
        first,
        last,
        connectionstyle=f"arc3,rad={_BEND}",
        arrowstyle=f"-|>,head_length={5 + 3 * edge.lost},head_width={2.4 + 2 * edge.lost}",
        linewidth=0.6 + 5.0 * min(edge.lost, 1.0),
        color=COLOURS[group(edge.attacked)][0],
        alpha=0.8,
        shrinkA=0,
        shrinkB=0,
        zorder=2,
    )
    axes.add_patch(arrow)


def _curve(edge: Edge, places: Mapping[str, Point]) -> tuple[Point, Point, Point]:
    """The quadratic curve that `arc3` draws from rim to rim: its ends, and its control point between them."""
    first, last = places[edge.attacked], places[edge.measured]
    aim = _control(first, last)
    first, last = _towards(first, aim), _towards(last, aim)
    return first, _control(first, last), last


def _control(first: Point, last: Point) -> Point:
    (x1, y1), (x2, y2) = first, last
    return (x1 + x2) / 2 + _BEND * (y2 - y1), (y1 + y2) / 2 - _BEND * (x2 - x1)


def _towards(node: Point, control: Point) -> Point:
    """The point on a node's rim from which a curve leaves."""
    dx, dy = control[0] - node[0], control[1] - node[1]
    scale = (_NODE + 0.012) / math.hypot(dx, dy)
    return node[0] + scale * dx, node[1] + scale * dy


def _label(axes: Axes, found: Sequence[Edge], places: Mapping[str, Point]) -> None:
    """A label an edge, where it covers the fewest labels so far, nodes, and other edges."""
    curves = {edge: _curve(edge, places) for edge in found}
    steps = np.linspace(0, 1, 80)
    lines = {
        edge: np.asarray(axes.transData.transform([_at(curve, step) for step in steps]))
        for edge, curve in curves.items()
    }
    taken: list[Bbox] = [_box(axes, place, _NODE) for place in places.values()]
    for edge in found:
        text = axes.text(
            0,
            0,
            f"{100 * edge.lost:.0f} %",
            ha="center",
            va="center",
            fontsize=7.8,
            zorder=6,
            color=COLOURS[group(edge.attacked)][2 if group(edge.attacked) else 0],
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.92},
        )
        others = np.concatenate([lines[other] for other in found if other != edge] or [np.empty((0, 2))])
        share = min(_PLACES, key=lambda share: _clashes(text, _at(curves[edge], share), taken, others))
        text.set_position(_at(curves[edge], share))
        taken.append(_extent(text))


def _clashes(text: Text, place: Point, taken: Sequence[Bbox], others: Floats) -> tuple[int, int]:
    """How many labels and nodes a label at that place would cover, then how much of other edges."""
    text.set_position(place)
    extent = _extent(text)
    return extent.count_overlaps(list(taken)), extent.count_contains(others)


def _at(curve: tuple[Point, Point, Point], share: float) -> Point:
    weights = ((1 - share) ** 2, 2 * share * (1 - share), share**2)
    return (
        sum(weight * point[0] for weight, point in zip(weights, curve, strict=True)),
        sum(weight * point[1] for weight, point in zip(weights, curve, strict=True)),
    )


def _extent(text: Text) -> Bbox:
    """What a label covers, its padding included, in pixels."""
    return text.get_window_extent().padded(2.5)


def _box(axes: Axes, centre: Point, radius: float) -> Bbox:
    low = axes.transData.transform((centre[0] - radius, centre[1] - radius))
    high = axes.transData.transform((centre[0] + radius, centre[1] + radius))
    return Bbox([low, high])
