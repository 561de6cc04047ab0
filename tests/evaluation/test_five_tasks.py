"""UniNet's five tasks all the way: trained, exported, attacked, stored, tabulated, related."""

from __future__ import annotations

import dataclasses
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustbench_seg import evaluate
from robustbench_seg.checks.judge import rebuild
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.models.base import LoadedModel, for_inference
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.catalogue.card import load_folder
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.results.run import Run
from robustbench_seg.results.store import Store
from robustbench_seg.street.dataset import Street
from robustbench_seg.tasks.instances.rle import from_store
from robustbench_seg.tasks.instances.truth import from_sample
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.batches import Source
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import STATE, train
from robustbench_seg.training.mask_basis import fit_masks
from robustbench_seg.training.recipe import ArchitectureRecipe, DataRecipe, Recipe
from robustbench_seg.training.state import read_state

pytestmark = pytest.mark.slow

FIVE = ("semantic", "depth", "detection", "instance", "instance_depth")
INSTANCES = ("detection", "instance", "instance_depth")
SIZE, COUNT = (32, 64), 3
NANO = {
    "encoder": "resnet18",
    "encoder_args": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8},
    "decoder": {"width": 16, "bottleneck": 8, "head": 8, "extra": 1, "extra_width": 16, "skip_finest": 0},
    "instances": {"width": 16, "convs": 1, "codes": 8, "limits": [12.0, 24.0]},
}
PROTOCOL = Protocol(
    "five",
    (
        AttackPlan("gaussian", (1.0,)),
        AttackPlan("pgd", (1.0,), objectives=("each task", "group:all", "loss:cls")),
        AttackPlan("dag", (), objectives=("swap:person,car@detection",), params={"steps": 3}),
        AttackPlan("hide", (2.0,), params={"steps": 2}),
    ),
)
SMALL = Protocol("small", (AttackPlan("pgd", (2.0,), objectives=("detection", "loss:cls", "instance")),))


@pytest.fixture(scope="module")
def street(tmp_path_factory) -> Street:
    """A few tiny frames, rendered once."""
    return Street("street", "val", SIZE, COUNT, tmp_path_factory.mktemp("frames"))


def untrained(tasks=FIVE, source=None) -> nn.Module:
    """A network that finds something: its classes differ from place to place, and are sure enough to be detected."""
    torch.manual_seed(8)
    net = build("uninet", NANO, NetworkRequest(tasks, 19, PRESETS["imagenet"]), "test")
    if source is not None:
        fit_masks(net, source)
    with torch.no_grad():
        for last in [net.instances.classes, *([net.heads["semantic"].last] if "semantic" in tasks else [])]:
            last.weight.mul_(40)
            last.bias.fill_(-1.0)
    return net


def loaded(net: nn.Module, tasks=FIVE, name="nano") -> LoadedModel:
    return LoadedModel(name, for_inference(net), tasks, CITYSCAPES19, "none", "0" * 64, "test")


@pytest.fixture(scope="module")
def model(street) -> LoadedModel:
    return loaded(untrained(source=Source(street, FIVE)))


@pytest.fixture(scope="module")
def run(model, street, tmp_path_factory) -> Run:
    """All attacks in batches of two."""
    out = tmp_path_factory.mktemp("runs") / "two"
    return evaluate(model, street, PROTOCOL, out=out, batch_size=2, workers=1, device="cpu")


def of(table, **where):
    for key, value in where.items():
        table = table[table[key] == value]
    return table


# the tables


def test_every_cell_measures_every_task_with_every_metric(run):
    table = run.summary
    cells = table.groupby(["attack", "objective", "epsilon"], dropna=False)
    expected = {(name, metric.name) for name in FIVE for metric in TASKS.get(name)().metrics}
    for (attack, objective, _), rows in cells:
        target = objective.partition("@")[2]
        outcomes = {(target, "targets_changed"), (target, "targets_reached")} if attack in ("dag", "hide") else set()
        found = set(zip(rows.task, rows.metric, strict=True))
        assert found == expected | outcomes
        assert len(rows) == len(found)
    assert set(table.status) == {"ok"}
    assert run.info["notes"] == []


def test_what_a_model_has_no_output_for_is_noted(street, tmp_path):
    two = loaded(untrained(("semantic", "detection")), ("semantic", "detection"))
    plans = (AttackPlan("fgsm", (1.0,), objectives=("semantic", "depth", "loss:mask", "group:geometric")),)
    (note,) = evaluate(two, street, Protocol("p", plans), out=tmp_path / "run", workers=1, device="cpu").info["notes"]
    assert note.endswith("no task measured here has it: depth (fgsm), loss:mask (fgsm), group:geometric (fgsm)")


def test_every_objective_was_run(run):
    table = run.summary
    assert list(of(table, attack="pgd").objective.unique()) == [*FIVE, "group:all", "loss:cls"]
    assert list(of(table, attack="dag").objective.unique()) == ["swap:person,car@detection"]
    assert list(of(table, attack="hide").objective.unique()) == ["hide:person@semantic", "hide:person@depth"]


def test_there_is_something_to_attack(run):
    """Else the rest of this file would hold for a net that finds nothing."""
    clean = of(run.summary, attack="clean").set_index(["task", "metric"]).value
    assert clean["detection", "aspect_ratio"] > 0
    assert clean["detection", "cls_loss"] > 0
    assert clean["instance_depth", "l1"] > 0
    assert set(of(run.summary, attack="hide").n_images) == {COUNT}, "a person is predicted in every image"
    assert of(run.summary, attack="dag", metric="targets_changed").value.item() > 0


@pytest.mark.parametrize(
    ("objective", "task", "metric"),
    [
        ("depth", "depth", "rmse"),
        ("instance_depth", "instance_depth", "l1"),
        ("loss:cls", "detection", "cls_loss"),
    ],
)
def test_an_attack_harms_what_it_pursues(run, objective, task, metric):
    (row,) = of(run.summary, attack="pgd", objective=objective, task=task, metric=metric).itertuples()
    (noise,) = of(run.summary, attack="gaussian", task=task, metric=metric).itertuples()
    assert row.ratio < min(1, noise.ratio)
    assert row.ratio_low <= row.ratio_high


def test_every_attack_moves_every_image_that_has_a_target(run, street):
    table = run.summary
    with_instance = [bool((~truth.ignored).any()) for truth in _truths(street)]
    for objective, moved in (("detection", COUNT), ("group:all", COUNT), ("instance", sum(with_instance))):
        rows = of(table, attack="pgd", objective=objective)
        assert set(rows.n_unchanged) == {COUNT - moved}
        assert rows.linf.max() <= 1 + 1e-4
    assert of(table, attack="dag").linf.max() == pytest.approx(1.5, rel=1e-4), "three steps of 0.5 / 255"


def _truths(street):
    return [from_sample(street[i].labels["instances"]) for i in range(COUNT)]


def test_what_has_no_direction_has_no_ratio(run):
    shape = of(run.summary, metric="aspect_ratio")
    assert shape.value.notna().all()
    assert shape[["ratio", "ratio_low", "ratio_high"]].isna().all(axis=None)
    assert set(shape.direction) == {""}
    lines = (run.folder / "summary.csv").read_text().splitlines()
    columns = lines[0].split(",")
    (line,) = [line for line in lines[1:] if line.startswith("nano,street,clean") and ",aspect_ratio," in line]
    cells = dict(zip(columns, line.split(","), strict=True))
    assert [cells[key] for key in ("direction", "ratio", "ratio_low", "ratio_high")] == [""] * 4
    assert float(cells["value"]) == float(cells["clean"])
    assert "nan" not in "".join(lines).replace("nano", "")


def test_classes_have_rows_of_instances_too(run, street):
    known = {int(label) for truth in _truths(street) for label in truth.labels[~truth.ignored]}
    names = {CITYSCAPES19.names[label] for label in known}
    for task in INSTANCES:
        rows = of(run.classes, task=task)
        assert set(rows["class"]) == names
        assert set(rows.metric) == {metric.name for metric in TASKS.get(task)().metrics}
        assert len(rows) == len(names) * rows.metric.nunique() * rows.groupby(["attack", "objective"]).ngroups


def test_batch_sizes_agree(run, model, street, tmp_path):
    """As design promises of them: what was not attacked within 1e-4, attacked within .2 point of mIoU."""
    chosen = (
        AttackPlan("gaussian", (1.0,)),
        AttackPlan("pgd", (1.0,), objectives=("detection", "group:all")),
        *PROTOCOL.attacks[2:],
    )
    protocol = Protocol("some", chosen)
    one = evaluate(model, street, protocol, out=tmp_path / "one", batch_size=1, workers=1, device="cpu").summary
    keys = ["attack", "objective", "norm", "epsilon", "task", "metric"]
    two = run.summary[~((run.summary.attack == "pgd") & ~run.summary.objective.isin(["detection", "group:all"]))]
    two = two.reset_index(drop=True)
    assert one[keys].equals(two[keys])
    assert one.value.isna().equals(two.value.isna())
    away = (one.value - two.value).abs() / two.value.abs().clip(lower=1e-9)
    noise = two.attack.isin(["clean", "gaussian"])
    assert away[noise].max() <= 1e-4
    gradient = ~noise & (two.metric == "miou")
    assert (one.value - two.value)[gradient].abs().max() <= 2e-3
    assert one[["n_images", "n_unchanged", "status"]].equals(two[["n_images", "n_unchanged", "status"]])


def test_tables_come_from_the_store_alone(run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy)
    names = ("summary.csv", "classes.csv", "costs.csv")
    for name in names:
        (copy / name).unlink()
    rebuild(copy)
    for name in names:
        assert (copy / name).read_bytes() == (run.folder / name).read_bytes()


def test_detections_are_kept_for_the_tables(run):
    with Store(run.folder / "store.sqlite") as store:
        stored = store.cell(0, 0, 0).statistics
    assert set(stored) == set(FIVE)
    for image in range(COUNT):
        boxes, masks = stored["detection"][image], stored["instance"][image]
        assert boxes["boxes"].shape == (len(boxes["scores"]), 4)
        assert from_store(masks).shape == (len(boxes["scores"]), *SIZE)
        assert len(boxes["scores"]) > 0


def test_pictures_of_instances_are_kept(run):
    panels = run.panels()
    clean = [panel for panel in panels if not panel.attack]
    assert len(clean) == 2
    for panel in clean:
        assert {"label:instances", "prediction:instances"} <= set(panel.pngs)
    assert all("prediction:instances" in panel.pngs for panel in panels)


def test_the_page_of_relationships_is_written(run, tmp_path):
    page = write_relationships([run], tmp_path)
    assert page.stat().st_size > 0
    assert "swap:person,car@detection" in (tmp_path / "relationships.csv").read_text(encoding="utf-8")
    assert list((tmp_path / "figures").glob("relationships_*.png"))


# models with fewer tasks


def test_a_model_without_a_task_has_no_rows_and_no_attack_of_it(street, tmp_path):
    tasks = ("semantic", "detection")
    net = loaded(untrained(tasks), tasks)
    run = evaluate(net, street, SMALL, out=tmp_path / "run", batch_size=2, workers=1, device="cpu")
    assert set(run.summary.task) == set(tasks)
    assert set(run.classes.task) == set(tasks)
    assert set(run.summary.objective.dropna()) - {""} == {"detection", "loss:cls"}


def test_a_detector_alone_is_attacked_and_measured(street, tmp_path):
    tasks = ("detection",)
    net = loaded(untrained(tasks), tasks)
    run = evaluate(net, street, SMALL, out=tmp_path / "run", batch_size=2, workers=1, device="cpu", limit=2)
    assert set(run.summary.task) == {"detection"}
    assert set(run.summary.status) == {"ok"}


# images that fail


class NotFinite(nn.Module):
    """NaN in one part of the dense predictions of one image."""

    def __init__(self, net: nn.Module, image: Tensor, part: str) -> None:
        super().__init__()
        self.net, self.part = net, part
        self.register_buffer("image", image)

    def forward(self, x: Tensor) -> dict[str, object]:
        outputs = self.net(x)
        dense = outputs["instances"]
        hit = (x - self.image).abs().flatten(1).amax(1) < 0.1
        values = getattr(dense, self.part).clone()
        values[hit] = torch.nan
        return {**outputs, "instances": dataclasses.replace(dense, **{self.part: values})}


@pytest.mark.parametrize("part", ["classes", "boxes", "depth"])
def test_predictions_that_are_not_finite_fail_their_image_alone(model, street, tmp_path, part):
    image = torch.from_numpy(street[1].image).permute(2, 0, 1).float() / 255
    broken = loaded(NotFinite(model.module, image, part))
    protocol = Protocol("small", (AttackPlan("fgsm", (1.0,), objectives=("semantic",)),))
    run = evaluate(broken, street, protocol, out=tmp_path, batch_size=2, workers=1, device="cpu", limit=2)
    assert set(run.summary.status) == {"failed"}
    assert set(run.summary.n_images) == {1}
    with Store(run.folder / "store.sqlite") as store:
        failed = {result.image: result.error for result in store.cell(0, 0, 0).results if result.error}
    assert list(failed) == [1]
    assert "not finite" in failed[1]


# training


def recipe(**changes) -> Recipe:
    made = Recipe(
        name="nano",
        summary="five tasks of tiny frames",
        licence="Apache-2.0",
        architecture=ArchitectureRecipe("uninet", NANO),
        data=DataRecipe("street", size=SIZE, cache=False),
        tasks=dict.fromkeys(FIVE, 1.0),
        steps=2,
        batch=2,
        validate_every=1,
        balance="geometric",
        depth_loss="log_rmse",
        ema=0.5,
    )
    return replace(made, **changes)


class StopHereError(Exception):
    pass


def _stop(done, steps, loss):
    assert np.isfinite(loss)
    raise StopHereError


def _equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_training_resumes_bit_for_bit_and_its_export_loads(tmp_path, street):
    frames = Street("street", "train", SIZE, 8, tmp_path / "frames")
    whole = train(recipe(), frames, street, tmp_path / "whole")
    with pytest.raises(StopHereError):
        train(recipe(), frames, street, tmp_path / "cut", progress=_stop)
    resumed = train(recipe(), frames, street, tmp_path / "cut")
    states = [read_state(tmp_path / name / STATE) for name in ("whole", "cut")]
    assert _equal(states[0]["module"], states[1]["module"])
    assert _equal(whole.module.state_dict(), resumed.module.state_dict())
    assert whole.module.instances.components.count_nonzero() > 0
    card = export(recipe(), street, tmp_path / "whole", tmp_path / "nano")
    assert tuple(card.tasks) == FIVE
    model = load_folder(tmp_path / "nano")
    assert model.tasks == FIVE
    image = torch.from_numpy(street[0].image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        outputs, exact = model.module(image), whole.module(image)
    torch.testing.assert_close(outputs["depth"], exact["depth"], rtol=0.02, atol=0.02)
    for part in ("classes", "centerness", "codes", "depth"):
        one, other = getattr(outputs["instances"], part), getattr(exact["instances"], part)
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
    difference = outputs["instances"].basis.components - exact["instances"].basis.components
    assert difference.abs().max() < 1e-3
