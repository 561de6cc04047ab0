import io
from dataclasses import replace

import pytest
from rich.console import Console

from robustbench_seg.report.headline import section
from robustbench_seg.report.scores import MEANING, half_text, score_lines, score_table
from robustbench_seg.report.section import Material
from robustbench_seg.report.text import terminal_tables
from robustbench_seg.results.rows import ScoreRow
from tests.report.fake_run import FakeRun

ROW = ScoreRow(
    model="street-multitask",
    dataset="street",
    task="depth",
    metric="rmse",
    score=0.1534,
    score_low=0.12,
    score_high=0.18,
    half_epsilon=0.614,
    half_low=0.25,
    half_high=8.0,
    n_images=32,
    status="ok",
)
BARE = replace(ROW, score_low=None, score_high=None, half_low=None, half_high=None, n_images=6, status="failed")


@pytest.mark.parametrize(
    ("epsilon", "text"), [(0.25, "below 0.25"), (0.2501, "0.25"), (1.0, "1.00"), (8.0, "above 8"), (7.9, "7.90")]
)
def test_an_epsilon_at_an_end_of_the_grid_is_a_bound(epsilon: float, text: str) -> None:
    assert half_text(epsilon) == text


def test_intervals_stand_under_their_numbers_on_a_page() -> None:
    line, bare = score_table([ROW, BARE]).lines
    assert (line.label, line.tag) == ("street-multitask", "depth")
    assert [(cell.main, *cell.small) for cell in line.cells] == [
        ("0.153", "[0.120, 0.180]"),
        ("0.61", "[below 0.25, above 8]"),
        ("32",),
        ("Depth on street: RMSE",),
    ]
    assert [cell.small for cell in bare.cells] == [(), (), (), ()]
    (beyond,) = score_table([replace(ROW, half_epsilon=8.0, half_low=8.0, half_high=8.0)]).lines
    assert (beyond.cells[1].main, beyond.cells[1].small) == ("above 8", ())
    assert bare.cells[2].main == "6, others failed"


def test_a_doubted_score_says_so_where_it_stands() -> None:
    doubted = replace(ROW, verdict="no_gradient; rising")
    (line,), (short,) = score_table([doubted]).lines, score_lines([doubted]).lines
    assert line.cells[0].small == ("[0.120, 0.180]", "✗ not to be believed: no_gradient, rising")
    assert short.cells[0].main == "✗0.153 [0.120, 0.180]"


def test_scores_come_first_on_the_page_and_last_in_the_terminal(run: FakeRun) -> None:
    scored = replace(run, score_rows=[ROW, BARE])
    (results,) = section(Material(scored))
    assert results.parts[0].tables[0] == score_table([ROW, BARE])
    assert results.intro[0] == MEANING
    console = Console(file=io.StringIO(), width=80)
    console.print(terminal_tables(scored)[-1])
    text = console.file.getvalue()
    assert "0.153 [0.120, 0.180]  0.61 [below 0.25, above 8]" in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_a_run_without_scores_says_nothing_of_them(run: FakeRun) -> None:
    (results,) = section(Material(run))
    assert len(results.parts[0].tables) == 1
    assert MEANING not in results.intro
    assert not [table for table in terminal_tables(run) if "score" in str(table.title).lower()]
