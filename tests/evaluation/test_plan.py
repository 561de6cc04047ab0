import pytest

from robustbench_seg.attacks.pgd import KURAKIN
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.plan import WorkItem, share
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.protocol import AttackPlan, Protocol

WORK_ITEMS = [WorkItem(0, shard, range(shard, shard + 1), (0, 2, 5)) for shard in range(5)]


@pytest.mark.parametrize(("workers", "whole"), [(1, 5), (2, 4), (4, 4), (5, 5), (8, 0)])
def test_what_does_not_divide_evenly_is_cut_by_configuration(workers, whole):
    pieces = share(WORK_ITEMS, workers)
    assert pieces[:whole] == WORK_ITEMS[:whole]
    assert all(len(piece.configurations) == 1 for piece in pieces[whole:])
    cells = [(piece.shard, configuration) for piece in pieces for configuration in piece.configurations]
    assert cells == [
        (work_item.shard, configuration) for work_item in WORK_ITEMS for configuration in work_item.configurations
    ]


def test_what_is_stored_is_not_planned_again(request_for):
    plan = PreparedEvaluation(request_for("toy-single", limit=7)).plan
    count = len(plan.pairs[0].configurations)
    first, second = plan.work_items(set())
    assert (first.images, second.images) == (range(5), range(5, 7))
    assert first.configurations == tuple(range(count))
    done = {(0, configuration, 0, 5) for configuration in range(count)} | {(0, 1, 1, 2), (0, 2, 1, 1)}
    (left,) = plan.work_items(done)
    assert (left.shard, left.configurations) == (1, tuple(f for f in range(count) if f != 1))


def test_what_cannot_be_attacked_is_noted(request_for):
    plans = (AttackPlan("fgsm", (1.0,), objectives=("semantic", "depth")),)
    plan = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans))).plan
    assert plan.notes == ("toy-single on toy: left out, no task measured here has it: depth (fgsm)",)


def test_what_stands_for_the_tasks_at_hand_lacks_none(request_for):
    plans = (AttackPlan("fgsm", (1.0,)), AttackPlan("pgd", (1.0,), objectives=("each task but semantic",)))
    plan = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans))).plan
    assert plan.notes == ()
    assert [each.attack for each in plan.pairs[0].configurations] == ["clean", "fgsm"]


def test_where_nothing_is_attacked_it_says_so(request_for):
    plans = (AttackPlan("pgd", (1.0,), objectives=("each task but semantic",)),)
    with pytest.raises(UsageError, match="nothing to evaluate: no task measured here is attacked"):
        _ = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans))).plan


def test_what_cannot_be_attacked_is_one_line_for_all_attacks(request_for):
    many = ("semantic", "depth", "loss:cls")
    plans = (
        *(AttackPlan(name, (1.0,), objectives=many) for name in ("fgsm", "pgd", "cospgd")),
        AttackPlan("pgd", (1.0,), norm="rms", objectives=many),
        AttackPlan("hide", (1.0,), objectives=("hide:zebra",)),
    )
    plan = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans))).plan
    assert plan.notes == (
        "toy-single on toy: left out, no task measured here has it: "
        "depth (fgsm, pgd, cospgd), loss:cls (fgsm, pgd, cospgd)",
        "toy-single on toy: left out, no class zebra: hide:zebra@semantic (hide)",
    )


def test_attacks_as_in_a_paper_are_noted_once(request_for):
    kurakin = {"steps": 0, "alpha": 1.0}
    plans = tuple(AttackPlan(name, (1.0,), params=kurakin) for name in ("pgd", "cospgd"))
    notes = PreparedEvaluation(request_for(protocol=Protocol("p", plans))).plan.notes
    assert [note for note in notes if "Kurakin" in note] == [f"PGD, CosPGD: {KURAKIN}"]


def test_a_task_without_labels_is_noted_with_those_there_are(request_for):
    class Flat(DATASETS.get("toy")):
        name = "flat"
        tasks = ("semantic",)

    config = request_for("toy-multi", datasets=[InMemory("flat", Flat())], in_process=True)
    notes = PreparedEvaluation(config).plan.notes
    assert (
        "toy-multi on flat: no labels for depth, left out; flat has labels for semantic: "
        "choose another -d, or a data set whose `tasks` include it"
    ) in notes


def labels(request_for, *plans):
    (pair,) = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans))).plan.pairs
    return [configuration.label for configuration in pair.configurations[1:]]


def test_one_attack_with_other_parameters_is_a_variant(request_for):
    few, many = AttackPlan("pgd", (4.0,), params={"steps": 2}), AttackPlan("pgd", (4.0,), params={"steps": 9})
    named = AttackPlan("pgd", (4.0,), params={"steps": 40}, variant="40 steps")
    assert labels(request_for, few, many, named) == ["pgd[steps=2]", "pgd[steps=9]", "pgd[40 steps]"]
    assert labels(request_for, AttackPlan("pgd", (4.0,)), many) == ["pgd", "pgd[steps=9]"]
    assert labels(request_for, few, AttackPlan("pgd", (8.0,), params={"steps": 9})) == ["pgd[steps=2]", "pgd[steps=9]"]
    with pytest.raises(UsageError, match="asks twice for pgd semantic at epsilon 4"):
        labels(request_for, few, few)


def test_variants_have_rows_of_their_own(run_in, tmp_path):
    plans = tuple(AttackPlan("pgd", (4.0,), params={"steps": steps, "alpha": 0.4}) for steps in (1, 9))
    run = run_in(tmp_path / "run", "toy-single", protocol=Protocol("p", plans), limit=3)
    table = run.summary[run.summary["metric"] == "miou"].set_index("attack")
    assert list(table.index) == ["clean", "pgd[steps=1]", "pgd[steps=9]"]
    assert table.linf["pgd[steps=1]"] < table.linf["pgd[steps=9]"]


def test_a_worst_case_is_left_out_where_it_has_no_candidates(request_for):
    plans = (AttackPlan("worst", (2.0, 4.0), norm="rms"), AttackPlan("pgd", (4.0,), norm="rms"))
    prepared = PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans)))
    planned = [(each.attack, each.epsilons) for each in prepared.plan.pairs[0].configurations]
    assert planned == [("clean", (0.0,)), ("pgd", (4.0,)), ("worst", (4.0,))]
    note = "worst semantic (rms) left out, no other attack to choose from at epsilon 2"
    assert any(each.endswith(note) for each in prepared.plan.notes)


def test_a_loss_that_a_task_lacks_is_noted(request_for):
    plans = (AttackPlan("pgd", (4.0,), params={"loss": "berhu"}), AttackPlan("cospgd", (4.0,)))
    notes = PreparedEvaluation(request_for("toy-multi", protocol=Protocol("p", plans))).plan.notes
    assert notes == ("toy-multi on toy: no loss 'berhu' of semantic: attacked by the task's own",)


def test_a_worst_case_over_an_attack_that_is_not_there_is_refused(request_for):
    plans = (AttackPlan("pgd", (4.0,)), AttackPlan("worst", (4.0,), params={"over": "pgd; pdg"}))
    with pytest.raises(UsageError, match=r"unknown attack of the protocol in worst\.over 'pdg'.*pgd"):
        PreparedEvaluation(request_for("toy-single", protocol=Protocol("p", plans)))


def test_a_worst_case_is_chosen_and_not_run(run_in, request_for, tmp_path):
    plans = (AttackPlan("fgsm", (2.0, 4.0)), AttackPlan("pgd", (4.0,)), AttackPlan("worst", (2.0, 4.0)))
    protocol = Protocol("p", plans)
    prepared = PreparedEvaluation(request_for("toy-single", protocol=protocol, limit=3))
    assert prepared.plan.pairs[0].to_run == (0, 1, 2)
    run = run_in(tmp_path / "run", "toy-single", protocol=protocol, limit=3)
    table = run.summary[run.summary["metric"] == "miou"].set_index(["attack", "epsilon"]).value
    assert table["worst", 2.0] == table["fgsm", 2.0]
    assert table["worst", 4.0] <= min(table["fgsm", 2.0], table["fgsm", 4.0], table["pgd", 4.0])
    assert run.costs.set_index("attack").loc["worst", "forwards"].sum() == 0
