"""The directed graph of influence: the drop of each task when another one is attacked by its own loss."""

from __future__ import annotations

import math
from collections.abc import Mapping

import networkx as nx
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import titled
from robustbench_seg.report.relationships.drawing import COLOURS, SHADES, matrix_figures, wrapped
from robustbench_seg.report.relationships.matrix import Matrix, leading
from robustbench_seg.report.relationships.objectives import group
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Part, Section

THRESHOLD = 0.02
"""The smallest drop that is drawn as an edge."""

_SIZE = 7.4
_NODE = 6600.0
"""The area of a node in points²."""
_LABEL_AT = 0.5
"""The distance of an edge's label from the centre of its source, in radii of the layout."""
_CURVE = "arc3,rad=0.13"
_MARGIN = 0.33
_FONT = "DejaVu Sans"

Point = tuple[float, float]


def section(study: Study) -> Section | None:
    """The graph of the foremost attack on each model and data set."""
    text = (
        "An arrow from A to B, as wide as its number: the drop of B's performance, relative to clean, when A is "
        f"attacked by its own loss; drops below {100 * THRESHOLD:.0f} % are not drawn. Blue: semantic, orange: "
        "geometric, grey: neither."
    )
    chosen = [sweep.chosen for sweep in leading(study.sweeps)]
    figures = matrix_figures("influence", chosen, text, graph_figure)
    parts = [Part(figures=files) for files in figures if files]
    return Section("influence", "Influence", "Who influences whom", parts=parts) if parts else None


def influence(matrix: Matrix, threshold: float = THRESHOLD) -> nx.DiGraph:
    """Tasks, and an edge with its `drop` for every pair of different tasks with at least that drop."""
    graph = nx.DiGraph()
    graph.add_nodes_from(matrix.tasks)
    for attacked in matrix.attacked_tasks:
        for measured in matrix.tasks:
            q = matrix.ratio(attacked, measured)
            if attacked != measured and q is not None and 1 - q >= threshold:
                graph.add_edge(attacked, measured, drop=1 - q)
    return graph


def graph_figure(matrix: Matrix) -> Figure | None:
    """The graph of a matrix; None where fewer than two tasks were attacked."""
    if len(matrix.attacked_tasks) < 2:
        return None
    graph = influence(matrix)
    # From the upper left anticlockwise: semantic tasks come to stand left, geometric ones right.
    turn = 2 * math.pi / len(graph)
    angles = {task: math.pi / 2 + (i + 0.5) * turn for i, task in enumerate(graph)}
    places = {task: (math.cos(angle), math.sin(angle)) for task, angle in angles.items()}
    heights = [y for _, y in places.values()]
    span = max(heights) - min(heights) + 2 * _MARGIN
    canvas = titled(f"{matrix.setting.where}: {matrix.how}", _SIZE)
    canvas.set_size_inches(_SIZE, _SIZE * span / (2 + 2 * _MARGIN) + 0.7)
    axes = canvas.subplots()
    axes.set_title("A → B: the drop of B when A is attacked by its own loss", fontsize=9)
    axes.set_axis_off()
    _draw(axes, graph, places)
    texts = {task: _node_text(matrix, task) for task in graph}
    nx.draw_networkx_labels(graph, places, texts, font_size=8, font_family=_FONT, ax=axes)
    axes.set(aspect="equal", xlim=(-1 - _MARGIN, 1 + _MARGIN), ylim=(min(heights) - _MARGIN, max(heights) + _MARGIN))
    return canvas


def _node_text(matrix: Matrix, task: str) -> str:
    own = matrix.ratio(task, task)
    return wrapped(task) + ("" if own is None else f"\nown loss: −{100 * (1 - own):.0f} %")


def _draw(axes: Axes, graph: nx.DiGraph, places: Mapping[str, Point]) -> None:
    """Nodes, arrows, and the arrows' labels at one distance from where they start, so that they fan out."""
    shades = [SHADES[group(task)] for task in graph]
    rims = [COLOURS[group(task)][0] for task in graph]
    nx.draw_networkx_nodes(graph, places, node_size=_NODE, node_color=shades, edgecolors=rims, linewidths=2, ax=axes)
    common = {"connectionstyle": _CURVE, "node_size": _NODE, "ax": axes}
    drops = nx.get_edge_attributes(graph, "drop")
    arrows = {
        "width": [0.6 + 5 * min(drop, 1.0) for drop in drops.values()],
        "edge_color": [COLOURS[group(attacked)][0] for attacked, _ in drops],
    }
    nx.draw_networkx_edges(graph, places, list(drops), **arrows, arrowsize=14, alpha=0.8, **common)
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.92}
    for (attacked, measured), drop in drops.items():
        colours = COLOURS[group(attacked)]
        nx.draw_networkx_edge_labels(
            graph,
            places,
            {(attacked, measured): f"{100 * drop:.0f} %"},
            label_pos=1 - _LABEL_AT / math.dist(places[attacked], places[measured]),
            font_size=7.8,
            font_family=_FONT,
            font_color=colours[2 if group(attacked) else 0],
            bbox=box,
            rotate=False,
            **common,
        )
