import pytest

from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.size import Size, measure_size
from robustbench_seg.protocol import AttackPlan, Protocol

MANY = Protocol("many", (AttackPlan("gaussian", tuple(float(e) for e in range(1, 41))), AttackPlan("fgsm", (4.0,))))
"""So many cells that pages which are not full count for little."""


@pytest.mark.parametrize("model", ["toy-single", pytest.param("toy-multi", marks=pytest.mark.slow)])
def test_the_store_is_as_large_as_foretold(request_for, run_in, tmp_path, model):
    foretold = PreparedEvaluation(request_for(model, protocol=MANY)).estimate().megabytes
    run_in(tmp_path, model, protocol=MANY)
    assert (tmp_path / "store.sqlite").stat().st_size / 2**20 == pytest.approx(foretold, rel=0.25)


def test_pictures_are_foretold_of_two_images(request_for, monkeypatch):
    size = Size(results=0.0, pictures=2.0**20)
    monkeypatch.setattr("robustbench_seg.evaluation.prepare.measure_size", lambda context: size)
    # Of the clean images, of the noise, of the attack.
    assert PreparedEvaluation(request_for("toy-single", protocol=MANY)).estimate().megabytes == 2 * 3


def test_what_cannot_be_scored_has_no_size(request_for, monkeypatch):
    prepared = PreparedEvaluation(request_for("toy-single", protocol=MANY))
    context = prepared.workplace.context(prepared.plan.pairs[0])
    assert measure_size(context).pictures > 0
    monkeypatch.setattr("robustbench_seg.evaluation.size.Scorer.score", lambda *_: 1 / 0)
    assert measure_size(context) == Size(0.0, 0.0)
