from robustbench_seg.classes import CAMVID11
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.results.keys import CLEAN


def test_a_context_has_the_pairs_tasks_classes_and_attacks_in_order(request_for):
    prepared = PreparedEvaluation(request_for("toy-multi"))
    (pair,) = prepared.plan.pairs
    context = prepared.workplace.context(pair)
    assert list(context.tasks) == ["semantic", "depth"]
    assert context.classes.names == CAMVID11.names
    assert [attack.configuration for attack in context.attacks] == list(pair.configurations)
    assert [attack.is_clean for attack in context.attacks] == [c.attack == CLEAN for c in pair.configurations]
    assert context.first.ids == ("toy-00",)
    assert not context.folded, "the toy network has no BatchNorm"
