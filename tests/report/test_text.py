import io
from dataclasses import replace

from rich.console import Console

from robustbench_seg.report.text import terminal_tables
from robustbench_seg.results.rows import unique
from tests.report.fake_run import FakeRun


def shown(run: FakeRun, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    for table in terminal_tables(run):
        console.print(table)
    return console.file.getvalue()


def test_a_table_a_model_and_task_in_eighty_columns(run: FakeRun) -> None:
    text = shown(run)
    assert len(terminal_tables(run)) == 3 + 2
    assert "street-multitask on street, depth: clean RMSE 3.412 m" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    (line,) = [line for line in text.splitlines() if line.strip().startswith("PGD on depth")]
    ratios = run.summary.query("attack == 'pgd' and objective == 'depth' and metric == 'miou'")["ratio"]
    assert line.split()[3:] == [f"{ratio:.2f}" for ratio in ratios]


def test_failed_unbounded_and_missing_cells(run: FakeRun) -> None:
    text = shown(run)
    assert "failed" in text
    assert "no ε" in text
    assert "nan" not in text


def test_targets_that_changed_stand_beside_those_that_reached(run: FakeRun) -> None:
    *_, last = terminal_tables(run)
    assert "changed/reached" in str(last.title)
    text = shown(run)
    titles = [line.rstrip() for line in text.splitlines() if "targets in %" in line]
    assert titles == [f"{name} on street, targets in %: changed/reached" for name in unique(run.summary.model)]
    (line, *_) = [line for line in text.splitlines() if "97/81" in line]
    assert line.split()[:3] == ["DAG", "on", "semantic"]


def test_names_are_not_markup(run: FakeRun) -> None:
    named = replace(run, summary=run.summary.assign(model="[red]m[/red]"))
    assert "[red]m[/red] on street" in shown(named)


def test_a_run_without_cells_has_no_table(run: FakeRun) -> None:
    assert terminal_tables(replace(run, summary=run.summary[:0])) == []
