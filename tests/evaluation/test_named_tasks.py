"""A model with several tasks of one kind: each has the numbers that it has when it is evaluated alone."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.classes import CAMVID11, ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import run_file
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.results.store import Store
from robustbench_seg.tasks.registry import load_tasks

PLUGIN = Path(__file__).parents[1] / "plugins" / "toy.py"
GROUND, TRAFFIC = "semantic[ground]", "semantic[traffic]"


def toy():
    """The plugin, which the fixtures have loaded."""
    return run_file(PLUGIN, "plugin")


def classes(name, *own, **maps):
    """Classes of which the first takes all of CamVid's that `maps` does not name."""
    rest = {there: own[0] for there in CAMVID11.names if there not in maps}
    return ClassSet(name, own, ((0, 0, 0),) * len(own), {"camvid11": {**rest, **maps}})


HEADS = {
    GROUND: classes("ground", "other", "ground", road="ground", pavement="ground"),
    TRAFFIC: classes("traffic", "other", "vehicle", "person", car="vehicle", pedestrian="person", bicyclist="person"),
}


class Heads(nn.Module):
    """The colour network, whose logits are merged into the classes of every head."""

    def __init__(self, heads):
        super().__init__()
        self.net, self.heads = toy().ColourNet(()), heads

    def forward(self, x):
        logits = self.net(x)["semantic"]
        return {key: torch.stack([logits[:, of].amax(1) for of in members(HEADS[head])], 1) for key, head in self.heads}


def members(own):
    """Which of CamVid's classes each class has."""
    to = own.maps["camvid11"]
    return [[i for i, there in enumerate(CAMVID11.names) if to[there] == here] for here in own.names]


def loaded(name, heads, classes, own_classes):
    module = Heads(heads).eval()
    tasks = tuple(key for key, _ in heads)
    return InMemory(name, LoadedModel(name, module, tasks, classes, "none", "0" * 64, "test", own_classes=own_classes))


PROTOCOL = Protocol("few", (AttackPlan("pgd", (4.0,)), AttackPlan("dag", (4.0,), params={"steps": 3})))


@pytest.fixture(scope="module")
def together(run_in, tmp_path_factory):
    """A run of both heads in one model."""
    both = loaded("both", [(GROUND, GROUND), (TRAFFIC, TRAFFIC)], CAMVID11, HEADS)
    folder = tmp_path_factory.mktemp("together") / "run"
    return run_in(folder, models=[both], protocol=PROTOCOL, limit=4, in_process=True)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_has_the_numbers_that_it_has_alone(together, run_in, tmp_path, head):
    alone = loaded("alone", [("semantic", head)], HEADS[head], {})
    run = run_in(tmp_path / "run", models=[alone], protocol=PROTOCOL, limit=4, in_process=True)

    def numbers(rows, task):
        own = [row for row in rows if row.task == task and row.objective in ("", task)]
        return {(row.attack, row.epsilon, row.metric, row.label): (row.value, row.ratio) for row in own}

    for rows, expected in ((together.rows, run.rows), (together.class_rows, run.class_rows)):
        found, wanted = numbers(rows, head), numbers(expected, "semantic")
        assert found.keys() == wanted.keys()
        assert {key[0] for key in found} == {"clean", "pgd", "dag"}
        for key, values in wanted.items():
            assert found[key] == pytest.approx(values, nan_ok=True), key


def test_every_head_is_attacked_and_measured_under_the_other(together):
    cells = {(row.attack, row.objective, row.task) for row in together.rows}
    assert {(a, o, t) for a in ("pgd", "dag") for o in HEADS for t in HEADS} <= cells
    assert {row.label for row in together.class_rows if row.task == TRAFFIC} <= set(HEADS[TRAFFIC].names)


def test_it_is_said_which_labels_a_head_is_measured_against(together):
    assert "both on toy: no labels called ground; it is measured against those of semantic" in together.info["notes"]


def test_pages_call_heads_by_their_names(together, tmp_path):
    page = write_relationships([together], out=tmp_path).read_text(encoding="utf-8")
    table = page[page.index("Attacked losses against measured tasks") :]
    assert re.search(r">ground, mIoU<.*>traffic, mIoU<", table)
    assert "semantic[" not in table[: table.index("</table>")]


def labelled():
    """The toy data with labels of one head by its name, all of one class."""

    class Labelled(toy().Toy):
        tasks = ("semantic", "depth", GROUND)

        def __init__(self):
            super().__init__()
            self.own_classes = {GROUND: ClassSet("own", ("other", "ground"), ((0, 0, 0),) * 2)}

        def __getitem__(self, index):
            sample = super().__getitem__(index)
            ground = np.full(sample.image.shape[:2], index % 2, np.uint8)
            return type(sample)(sample.id, sample.image, {**sample.labels, GROUND: ground})

    return Labelled()


def test_labels_of_a_head_are_taken_by_its_name(run_in, tmp_path):
    both = loaded("both", [(GROUND, GROUND), (TRAFFIC, TRAFFIC)], CAMVID11, HEADS)
    clean = Protocol("noise", (AttackPlan("gaussian", (1.0,)),))
    data = InMemory("labelled", labelled())
    run = run_in(tmp_path / "run", models=[both], datasets=[data], protocol=clean, limit=2, in_process=True)
    assert [note for note in run.info["notes"] if "no labels called" in note] == [
        "both on toy: no labels called traffic; it is measured against those of semantic"
    ]
    with Store(run.folder / "store.sqlite") as store:
        counts = [store.cell(0, 0, 0).statistics[GROUND][i]["confusion"].sum(1) for i in range(2)]
    assert [list(count) for count in counts] == [[24 * 32, 0], [0, 24 * 32]]


def test_a_kind_stands_for_all_its_tasks():
    tasks = load_tasks([GROUND, TRAFFIC, "depth"])

    def parsed(text):
        return [objective.name for objective in parse_objective(text, tasks)]

    assert parsed("semantic") == [GROUND, TRAFFIC]
    assert parsed(TRAFFIC) == [TRAFFIC]
    assert parsed("each task but semantic") == ["depth"]
    assert parsed("each task but semantic[ground]") == [TRAFFIC, "depth"]
    assert parsed("hide:person@semantic") == [f"hide:person@{GROUND}", f"hide:person@{TRAFFIC}"]
    assert parsed("loss:seg") == ["loss:seg"]


def test_only_tasks_with_a_value_at_every_pixel_come_several_times():
    with pytest.raises(UsageError, match=r"task 'detection\[far\]': a model has one output of detection alone"):
        load_tasks(["detection[far]"])


def test_a_single_class_is_refused(run_in, tmp_path):
    one = classes("one", "ground")
    single = loaded("single", [(GROUND, GROUND)], CAMVID11, {GROUND: one})
    with pytest.raises(UsageError, match=r"its only class is ground.*classes = \[\"background\", \"ground\"\]"):
        run_in(tmp_path / "run", models=[single], protocol=PROTOCOL, in_process=True)
