"""Ratios from a real store, against the intervals of summary.csv."""

from pathlib import Path

import pytest

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import load_plugin
from robustbench_seg.report.relationships.study import opened_study
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.run import Run
from tests.report.html_text import parse

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
PROTOCOL = Protocol("toy", (AttackPlan("fgsm", (1 / 3, 8.0)), AttackPlan("hide", (8.0,), objectives=("hide:car",))))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    load_plugin(TOY)
    folder = tmp_path_factory.mktemp("toy")
    request = EvaluationConfig(
        models=[ModelSpec("toy-multi")],
        datasets=[DataSpec("toy")],
        protocol=PROTOCOL,
        batch_size=5,
        workers=1,
        plugins=(str(TOY),),
    )
    return run_evaluation(PreparedEvaluation(request, folder), folder)


def test_their_intervals_are_those_of_the_tables(run: Run, tmp_path: Path) -> None:
    wanted = [row for row in (*run.rows, *run.class_rows) if row.attack != CLEAN and row.ratio_low is not None]
    assert len(wanted) > 20
    with opened_study([run], tmp_path) as study:
        for row in wanted:
            found = study.samples(row)
            assert found is not None
            assert found.interval == pytest.approx((row.ratio_low, row.ratio_high), rel=1e-5)
    assert not list(tmp_path.iterdir())


def test_differences_leave_out_the_same_images(run: Run, tmp_path: Path) -> None:
    paths = write_relationships([run], tmp_path)
    page = parse(paths.read_text(encoding="utf-8"))
    own = page.tables["Does a task drop most under its own loss, among the tasks' own losses?"]
    assert len(own) == 3
    assert all("paired [" in line[3] and "unpaired" not in line[3] for line in own[1:])


def test_nothing_is_sampled_without_a_store(run: Run, tmp_path: Path) -> None:
    for name in ("run.json", "summary.csv", "classes.csv"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    with opened_study([Run(tmp_path)], tmp_path) as study:
        assert study.samples(study.effects[0]) is None
