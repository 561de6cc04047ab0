"""The robustness score as pages and the terminal show it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from robustbench_seg.report.cells import DOUBTED, Cell, Line, Table, doubted
from robustbench_seg.results.names import epsilon_text, metric_name, norm_name, short_task_name, task_name
from robustbench_seg.results.rows import ScoreRow
from robustbench_seg.results.score import HALF, HIGHEST, LOWEST, NORM

TITLE = "Robustness score"
HALF_TITLE = f"ε at Q = {HALF:g}"
MEANING = (
    f"The robustness score is the area under the worst-case Q curve over log₂ ε from {epsilon_text(LOWEST)} to "
    f"{epsilon_text(HIGHEST)} ({norm_name(NORM)}), scaled to [0, 1]: 1 where nothing is lost at any ε, 0 where all is."
)
CAPTION = f"{TITLE}, and the {HALF_TITLE} of the same curve, with 95 % intervals"
_HEADS = ("score", HALF_TITLE, "images")


def score_table(rows: Sequence[ScoreRow]) -> Table:
    """One row per model and task; intervals stand under their numbers."""
    lines = [
        Line(
            row.model,
            short_task_name(row.task),
            (
                Cell(score_text(row.score), (*_under(row.score_low, row.score_high, score_text), *_doubts(row))),
                Cell(half_text(row.half_epsilon), _under(row.half_low, row.half_high, half_text)),
                Cell(_images(row)),
                Cell(f"{_task(row)} on {row.dataset}: {metric_name(row.task, row.metric)}"),
            ),
        )
        for row in rows
    ]
    return Table(CAPTION, "model", (*_HEADS, "metric"), tuple(lines))


def score_lines(rows: Sequence[ScoreRow]) -> Table:
    """The same in few columns, one line each."""
    lines = [
        Line(
            f"{row.model} on {row.dataset}, {short_task_name(row.task)}",
            "",
            (
                Cell(" ".join((_marked(row), *_under(row.score_low, row.score_high, score_text)))),
                Cell(" ".join((half_text(row.half_epsilon), *_under(row.half_low, row.half_high, half_text)))),
                Cell(_images(row)),
            ),
        )
        for row in rows
    ]
    return Table("", "worst case", _HEADS, tuple(lines))


def score_text(score: float) -> str:
    """A score: `0.153`."""
    return f"{score:.3f}"


def half_text(epsilon: float) -> str:
    """An epsilon at Q = 0.5: `0.61`, `below 0.25` or `above 8`."""
    if epsilon <= LOWEST:
        return f"below {epsilon_text(LOWEST)}"
    return f"above {epsilon_text(HIGHEST)}" if epsilon >= HIGHEST else f"{epsilon:.2f}"


def _under(low: float | None, high: float | None, text: Callable[[float], str]) -> tuple[str, ...]:
    """An interval; nothing where there is none, or where it lies outside the grid with its number."""
    if low is None or high is None or low == high in (LOWEST, HIGHEST):
        return ()
    return (f"[{text(low)}, {text(high)}]",)


def _doubts(row: ScoreRow) -> tuple[str, ...]:
    return (doubted(row),) if row.doubts else ()


def _marked(row: ScoreRow) -> str:
    return f"{DOUBTED if row.doubts else ''}{score_text(row.score)}"


def _task(row: ScoreRow) -> str:
    name = task_name(row.task)
    return name[:1].upper() + name[1:]


def _images(row: ScoreRow) -> str:
    return str(row.n_images) if row.status == "ok" else f"{row.n_images}, others failed"
