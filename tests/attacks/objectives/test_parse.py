"""The names of objectives, with all of UniNet's tasks at hand."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.objectives.base import Description, Role
from robustbench_seg.attacks.objectives.parse import describe, parse_objective
from robustbench_seg.attacks.objectives.raw_loss import RawLosses
from robustbench_seg.attacks.objectives.registry import OBJECTIVES
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.registry import TASKS, ordered_names

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


def test_each_task_and_each_but_one():
    assert names("each task") == list(FIVE)
    assert names("each task but depth") == [name for name in FIVE if name != "depth"]
    assert names("each task but normals") == list(FIVE), "a task that is not at hand"
    with pytest.raises(UsageError, match="unknown task 'dept'"):
        names("each task but dept")
    with pytest.raises(UsageError, match="name a task after 'each task but'"):
        names("each task but")


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


@pytest.mark.parametrize("task", list(TASKS))
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
        ("group:", "unknown group ''; known: all, semantic, geometric"),
        ("losses:cls", "unknown kind 'losses:'; known: group, hide, loss, static, swap, or a task's name"),
        ("hide:person@detection", "it works on semantic, .*depth.*, not 'detection'"),
        ("hide:person@", "it works on semantic, .*depth.*, not ''"),
        ("swap:person,car@instance", "it works on semantic, detection, not 'instance'"),
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


# what is known without a model


@pytest.mark.parametrize(
    ("text", "title", "phrase", "role", "attacks"),
    [
        ("semantic", "semantic segmentation", "", Role.OWN, ("semantic",)),
        ("loss:cls", "box classification loss", "on the box classification loss", Role.RAW, ("detection",)),
        ("loss:depth", "depth loss", "on the depth loss", Role.RAW, ("depth",)),
        ("group:semantic", "semantic tasks together", "on semantic tasks", Role.GROUP, None),
        ("group:all", "all tasks (multi-task loss)", "on all tasks", Role.GROUP, None),
        ("hide:person@depth", "hiding person", "person", Role.TARGETED, ("depth",)),
        ("swap:person,car@detection", "person ↔ car", "person ↔ car", Role.TARGETED, ("detection",)),
        ("mystery:far", "mystery:far", "mystery:far", Role.TARGETED, ()),
        ("mystery:far@edge", "mystery:far", "mystery:far", Role.TARGETED, ("edge",)),
        ("mystery", "mystery", "", Role.OWN, ("mystery",)),
    ],
)
def test_an_objective_has_a_title_and_a_role(text, title, phrase, role, attacks):
    found = describe(text)
    assert (found.title, found.phrase, found.role) == (title, phrase, role)
    expected = (
        attacks
        if attacks is not None
        else tuple(
            name for name in ordered_names() if text == "group:all" or TASKS.get(name).group == text.partition(":")[2]
        )
    )
    assert found.attacks == expected


def test_targeted_objectives_name_their_classes():
    assert describe("hide:person").classes == ("person",)
    assert describe("swap:person, car").classes == ("person", "car")


def test_objectives_have_a_usual_order():
    texts = ["group:semantic", "loss:cls", "depth", "group:all", "loss:seg", "semantic", "hide:person@semantic"]
    order = sorted(texts, key=lambda text: (list(Role).index(describe(text).role), describe(text).order))
    assert order == ["semantic", "depth", "loss:seg", "loss:cls", "group:all", "group:semantic", "hide:person@semantic"]


def test_descriptions_import_no_torch():
    code = """
        import sys
        from robustbench_seg.attacks.objectives.parse import describe
        for text in ("depth", "loss:cls", "group:all", "hide:person@depth", "swap:person,car@detection"):
            print(describe(text).title)
        assert not {"torch", "scipy", "pandas"} & set(sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# a kind of one's own


@pytest.fixture
def far(monkeypatch):
    """A kind that a plugin would register: the pixels of depth beyond some metres."""
    monkeypatch.setattr(OBJECTIVES, "_entries", None)

    @OBJECTIVES.register("far")
    class Far(TaskLoss):
        """Ascend the far pixels of depth alone."""

        @classmethod
        def parse(cls, argument, tasks):
            return [cls(tasks["depth"])] if "depth" in tasks else []

        @classmethod
        def describe(cls, argument):
            return Description("far depth", f"on depth beyond {argument or 20} m", attacks=("depth",))

    return Far


def test_a_kind_of_a_plugin_is_parsed_and_described(far):
    assert [type(objective) for objective in parse_objective("far:30", FIVE)] == [far]
    assert [type(objective) for objective in parse_objective("far", FIVE)] == [far], "without an argument"
    assert parse_objective("far", {}) == []
    assert describe("far:30").phrase == "on depth beyond 30 m"
    assert [objective.name for objective in PGD().objectives(["far"], FIVE)] == ["depth"]
