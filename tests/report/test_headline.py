from dataclasses import replace

import pytest

from robustbench_seg.report.cells import Line
from robustbench_seg.report.headline import quoted, section
from robustbench_seg.report.section import Material
from robustbench_seg.report.views import View, views
from tests.report.fake_run import FakeRun


@pytest.fixture(scope="module")
def both(run: FakeRun) -> list[View]:
    return views(run.rows)


def only(view: View, keep) -> View:
    return replace(view, rows=tuple(row for row in view.rows if row.attack == "clean" or keep(row)))


def places(view: View) -> list[tuple[str, str, float | None]]:
    return [(row.model, row.attack, row.epsilon) for row in quoted(view)]


def lines(run: FakeRun) -> list[Line]:
    return list(section(Material(run))[0].parts[0].tables[0].lines)


def points(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}".replace("-", "−")


def test_one_row_per_model_and_perturbation_with_a_verdict(run: FakeRun) -> None:
    found = lines(run)
    assert len(found) == 3 * 2
    for line, row in zip(found[:4], quoted(views(run.rows)[0]), strict=True):
        assert line.label == row.model
        cells = [cell.main for cell in line.cells]
        assert cells[0] == "Semantic segmentation on street: mIoU"
        assert cells[2:4] == [f"{row.clean:.3f}", f"{row.value:.3f}"]
        assert cells[4:6] == [points(row.ratio or 0), f"[{points(row.low)}, {points(row.high)}]"]
    assert [line.cells[-1].main for line in found if "PGD" in line.cells[1].main] == ["harmed"] * 3


def test_what_a_targeted_attack_reached_stands_under_it(run: FakeRun) -> None:
    only_dag = replace(run, summary=run.summary[run.summary.attack.isin(["clean", "dag"])])
    text = "97.3 % of its targets changed, 81.2 % reached what was wanted"
    first, *_ = lines(only_dag)
    assert (first.cells[1].main, first.cells[1].small) == ("DAG without an ε", (text,))
    assert not any(line.cells[1].small for line in lines(run))
    assert {cell.small for line in lines(run) for cell in line.cells[-2:-1]} == {("n = 200",)}


def test_an_error_that_grows_is_harm_too(run: FakeRun) -> None:
    (line,) = [line for line in lines(run) if "RMSE" in line.cells[0].main and "PGD" in line.cells[1].main]
    assert float(line.cells[3].main.removesuffix(" m")) > float(line.cells[2].main.removesuffix(" m"))
    assert line.cells[4].main.startswith("−")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 0.9, "harmed"),
        (0.9, 1.1, "statistically indistinguishable from clean"),
        (1.1, 1.2, "improved"),
        (float("nan"), float("nan"), "no interval"),
    ],
)
def test_the_verdict_is_that_of_the_interval(run: FakeRun, low: float, high: float, verdict: str) -> None:
    made = replace(run, summary=run.summary.assign(ratio_low=low, ratio_high=high))
    assert {line.cells[-1].main for line in lines(made)} == {verdict}


def test_the_shared_epsilon_nearest_to_one_is_quoted(both: list[View]) -> None:
    view = only(both[0], lambda row: (row.attack, row.epsilon) in {("gaussian", 4), ("gaussian", 1), ("pgd", 4)})
    assert {epsilon for _, _, epsilon in places(view)} == {4}


def test_without_a_shared_epsilon_each_has_its_own(both: list[View]) -> None:
    view = only(both[0], lambda row: (row.attack, row.epsilon) in {("gaussian", 8), ("pgd", 0.5)})
    assert places(view)[:2] == [("street-mobilenetv2", "gaussian", 8), ("street-mobilenetv2", "pgd", 0.5)]


def test_noise_alone_attack_alone_and_unbounded(both: list[View]) -> None:
    assert {place[1:] for place in places(only(both[0], lambda row: row.attack == "salt_and_pepper"))} == {
        ("salt_and_pepper", 1)
    }
    assert {place[1:] for place in places(only(both[0], lambda row: row.attack == "dag"))} == {("dag", None)}
    assert places(only(both[0], lambda row: False)) == []


def test_a_total_loss_is_quoted_and_a_failed_cell_is_not(both: list[View]) -> None:
    lost = tuple(replace(row, ratio=0.0) if row.attack == "pgd" else row for row in both[0].rows)
    assert 0.0 in {row.ratio for row in quoted(replace(both[0], rows=lost))}
    failed = tuple(replace(row, status="failed") if row.attack == "pgd" else row for row in both[0].rows)
    assert "pgd" not in {row.attack for row in quoted(replace(both[0], rows=failed))}
