"""Resampled ratios from a real store, against the intervals of summary.csv."""

from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import load_plugin
from robustbench_seg.report.relationships.contrast import key
from robustbench_seg.report.relationships.paired import draws
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.results.bootstrap import interval
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


def test_their_intervals_are_those_of_the_tables(run: Run) -> None:
    table = [row for row in (*run.rows, *run.class_rows) if row.attack != CLEAN and row.direction]
    wanted = {key(row): row for row in table if row.ratio_low is not None}
    found = draws([run], wanted)
    assert found.keys() == wanted.keys()
    assert len(found) > 20
    for one, row in wanted.items():
        assert interval(found[one]) == pytest.approx((row.ratio_low, row.ratio_high), rel=1e-5)


def test_only_what_is_wanted_is_computed(run: Run, tmp_path: Path) -> None:
    row = next(row for row in run.rows if row.attack == "fgsm")
    assert list(draws([run], [key(row)])) == [key(row)]
    assert draws([run], []) == {}
    (tmp_path / "summary.csv").write_bytes((run.folder / "summary.csv").read_bytes())
    assert draws([Run(tmp_path)], [key(row)]) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["summary.csv"]
    assert draws([run], [key(row)._replace(model="another")]) == {}


def test_resamples_of_different_cells_are_paired(run: Run) -> None:
    pair = [row for row in run.rows if row.attack == "fgsm" and row.epsilon == 8 and row.metric == "miou"]
    first, second = (draws([run], [key(row)])[key(row)] for row in pair)
    again = draws([run], [key(row) for row in pair])
    assert np.array_equal(first, again[key(pair[0])])
    assert np.array_equal(second, again[key(pair[1])])


def test_the_page_says_that_it_is_paired(run: Run, tmp_path: Path) -> None:
    text = parse(write_relationships([run], tmp_path).read_text(encoding="utf-8")).text
    assert "paired bootstrap, 1000 resamples" in text
