"""The names of objectives, with all of UniNet's tasks at hand."""

from __future__ import annotations

import pytest

from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.objectives.base import RawLosses
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.registry import TASKS

FIVE = {name: TASKS.get(name)() for name in ("semantic", "depth", "detection", "instance", "instance_depth")}


def names(text, tasks=FIVE):
    return [objective.name for objective in parse_objective(text, tasks)]


def raw(text, tasks=FIVE):
    """The raw losses of the one objective of this name."""
    (objective,) = parse_objective(text, tasks)
    assert isinstance(objective, RawLosses)
    return [name for _, name in objective.parts]


@pytest.mark.parametrize(
    ("text", "expected", "needs"),
    [
        ("semantic", ["semantic"], ("semantic",)),
        ("depth", ["depth"], ("depth",)),
        ("detection", ["detection"], ("detection",)),
        ("instance", ["instance"], ("instance",)),
        ("instance_depth", ["instance_depth"], ("instance_depth",)),
        ("loss:cls", ["loss:cls"], ("detection",)),
        ("loss:mask", ["loss:mask"], ("instance",)),
        ("group:semantic", ["group:semantic"], ("semantic", "detection", "instance")),
        ("group:geometric", ["group:geometric"], ("depth", "instance_depth")),
        ("group:all", ["group:all"], tuple(FIVE)),
        ("hide:person@depth", ["hide:person@depth"], ("semantic", "depth")),
        ("swap:person,car@detection", ["swap:person,car@detection"], ("detection",)),
    ],
)
def test_a_name_and_what_it_needs(text, expected, needs):
    (objective,) = parse_objective(text, FIVE)
    assert [objective.name] == expected
    assert set(objective.needs) == set(needs)
    assert names(objective.name) == expected, "a name is what its objective is found by again"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hide:person", ["hide:person@semantic", "hide:person@depth"]),
        ("swap:person,car", ["swap:person,car@semantic", "swap:person,car@detection"]),
    ],
)
def test_without_a_task_it_is_one_objective_a_task_that_fits(text, expected):
    assert names(text) == expected
    for name in expected:
        alone = {key: task for key, task in FIVE.items() if key == name.partition("@")[2]}
        assert names(text, alone) == [name]


def test_each_task_is_every_task_of_the_model():
    for attack in (PGD(), FGSM()):
        assert [objective.name for objective in attack.objectives(None, FIVE)] == list(FIVE)


@pytest.mark.parametrize("task", TASKS.names())
def test_the_raw_losses_of_every_task_are_reachable_by_name(task):
    """Of every registered task, one added tomorrow too."""
    found = TASKS.get(task)()
    for loss in found.raw_losses:
        assert raw(f"loss:{loss.name}", {task: found}) == [loss.name]


def test_groups_are_the_papers():
    assert sorted(raw("group:semantic")) == ["cls", "mask", "reg", "seg"]
    assert sorted(raw("group:geometric")) == ["depth", "instance_depth"]
    assert sorted(raw("group:all")) == ["centerness", "cls", "depth", "instance_depth", "mask", "reg", "seg"]


@pytest.mark.parametrize("group", ["semantic", "geometric"])
def test_a_group_is_of_the_tasks_at_hand(group):
    for name, task in FIVE.items():
        expected = [loss.name for loss in task.raw_losses if loss.group == group]
        assert (raw(f"group:{group}", {name: task}) if expected else names(f"group:{group}", {name: task})) == expected


@pytest.mark.parametrize(
    "text",
    [
        "detection",
        "instance",
        "instance_depth",
        "loss:cls",
        "loss:reg",
        "loss:centerness",
        "loss:mask",
        "loss:instance_depth",
        "group:semantic",
        "swap:person,car",
        "swap:person,car@detection",
        "hide:person@semantic",
    ],
)
def test_what_a_model_has_no_output_for_is_nothing(text):
    assert parse_objective(text, {"depth": FIVE["depth"]}) == []
    assert parse_objective(text, {}) == []


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("detectoin", "did you mean detection"),
        ("instance_dpeth", "did you mean instance_depth"),
        ("loss:clss", "unknown raw loss 'clss'; did you mean cls"),
        ("loss:centernes", "did you mean centerness"),
        ("loss:", "unknown raw loss ''"),
        ("group:semantics", "unknown group 'semantics'; did you mean semantic"),
        ("group:geometry", "did you mean geometric"),
        ("group:", "unknown group ''; known: semantic, geometric, all"),
        ("losses:cls", "unknown kind 'losses:'; known: .*loss, group"),
        ("hide:person@detection", "'hide:' works on semantic, depth, not 'detection'"),
        ("hide:person@", "'hide:' works on semantic, depth, not ''"),
        ("swap:person,car@instance", "'swap:' works on semantic, detection, not 'instance'"),
    ],
)
@pytest.mark.parametrize("tasks", [FIVE, {}], ids=["five tasks", "no task"])
def test_a_near_miss_is_one_line_that_names_the_fix(text, suggestion, tasks):
    """Whether or not the model has the task that was meant."""
    with pytest.raises(UsageError, match=suggestion) as caught:
        parse_objective(text, tasks)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["swap:person,pedestrian@detection", "swap:person@detection", "swap:,car"])
def test_a_swap_is_of_two_classes_whatever_the_task(text):
    with pytest.raises(UsageError, match=r"two classes|one class twice"):
        parse_objective(text, FIVE)
    with pytest.raises(UsageError, match=r"two classes|one class twice"):
        parse_objective(text, {"detection": FIVE["detection"]})


@pytest.mark.parametrize("text", ["depth", "instance", "instance_depth", "loss:cls", "group:semantic", "hide:person"])
def test_dag_takes_nothing_but_classes_to_change(text):
    with pytest.raises(UsageError, match="needs classes to change, as in semantic, detection"):
        DAG().objectives([text], FIVE)


def test_dag_takes_swaps_and_classes():
    found = DAG().objectives(["swap:person,car", "detection", "semantic"], FIVE)
    assert [objective.name for objective in found] == [
        "swap:person,car@semantic",
        "swap:person,car@detection",
        "detection",
        "semantic",
    ]


@pytest.mark.parametrize("text", ["hide:", "swap:person@detection", "swap:person,pedestrian@detection", "swap:,car"])
def test_a_malformed_name_is_refused_also_where_no_task_fits(text):
    with pytest.raises(UsageError):
        parse_objective(text, {})
