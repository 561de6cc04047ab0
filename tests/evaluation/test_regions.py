"""Depth by the classes that a frozen model sees in the clean images, through whole evaluations."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from robustbench_seg import evaluate
from robustbench_seg.checks.judge import rebuild
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.segmenter import Segmenter
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.pair import pairs_of
from robustbench_seg.results.run import STORE
from robustbench_seg.results.store import Store

ATTACKS = (AttackPlan("gaussian", (16.0,)), AttackPlan("fgsm", (4.0, 16.0), objectives=("semantic",)))
LIMIT = 6


def protocol(**depth):
    return Protocol("few", ATTACKS, tasks={"depth": depth})


FROZEN = protocol(regions="toy-single", class_average=True)


@pytest.fixture(scope="module")
def run(run_in, tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("regions") / "run", "toy-multi", protocol=FROZEN, limit=LIMIT)


def counts(run, place):
    """How many valid pixels each class has in each image of a configuration's first cell."""
    with Store(run.folder / STORE, create=False) as store:
        cell = pairs_of(store)[0].store.cell(0, *place)
    return np.stack([cell.statistics["depth"][i]["sums"][:, -1] for i in range(LIMIT)])


def test_no_attack_moves_the_regions_of_a_frozen_model(run, run_in, tmp_path):
    """Where they are the model's own under attack they move."""
    places = {"clean": (0, 0), "fgsm": (2, 1)}
    clean, attacked = (counts(run, place) for place in places.values())
    assert np.array_equal(clean, attacked)
    assert (clean[:, :-1].sum(1) == clean[:, -1]).all(), "every valid pixel is of a class"
    own = run_in(tmp_path / "own", "toy-multi", protocol=protocol(regions="prediction"), limit=LIMIT)
    before, after = (counts(own, place) for place in places.values())
    assert np.array_equal(before, clean), "the two models are the same network"
    assert not np.array_equal(before, after)


def test_the_class_average_is_that_of_the_classes_with_an_interval(run):
    of_classes = run.classes[(run.classes.task == "depth") & (run.classes.metric == "abs_rel")]
    rows = run.summary[run.summary.metric == "class_abs_rel"]
    assert len(rows) == 4
    for _, row in rows.iterrows():
        same = (of_classes.attack == row.attack) & ((of_classes.epsilon == row.epsilon) | (row.attack == "clean"))
        assert row.value == pytest.approx(of_classes[same].value.mean(), rel=1e-4)
    attacked = rows[rows.attack != "clean"]
    assert (attacked.ratio_low <= attacked.ratio).all()
    assert (attacked.ratio <= attacked.ratio_high).all()
    assert not (run.classes.metric == "class_abs_rel").any()


def test_what_is_measured_otherwise_stands_in_the_run(run, run_in):
    info = json.loads((run.folder / "run.json").read_text())
    assert info["identity"]["tasks"] == {"depth": {"regions": "toy-single", "class_average": True}}
    assert info["identity"]["segmenters"] == [["toy-single", "0" * 64]]
    assert [model["name"] for model in info["segmenters"]] == ["toy-single"]
    assert "class average" not in info["metrics"]["depth"]["rmse"]
    assert info["metrics"]["depth"]["class_rmse"].startswith("mean over classes of")
    assert any("depth: regions = toy-single, class_average = True" in note for note in info["notes"])
    assert ("models", "toy-single") in [(needed["kind"], needed["name"]) for needed in info["plugins"]]
    with pytest.raises(UsageError, match="tasks was"):
        run_in(run.folder, "toy-multi", protocol=protocol(), limit=LIMIT)


def test_tables_made_again_from_the_store_are_the_same(run):
    before = (run.folder / "summary.csv").read_bytes()
    rebuild(run.folder)
    assert (run.folder / "summary.csv").read_bytes() == before


def test_other_numbers_are_as_without_regions(run, run_in, tmp_path):
    plain = run_in(tmp_path / "plain", "toy-multi", protocol=protocol(), limit=LIMIT)
    shared = run.summary[~run.summary.metric.str.startswith("class_")].reset_index(drop=True)
    assert shared.equals(plain.summary)
    assert "tasks" not in json.loads((plain.folder / "run.json").read_text())["identity"]


def test_what_a_frozen_model_sees_is_counted_once_per_image(run, run_in, request_for, tmp_path):
    plain = run_in(tmp_path / "plain", "toy-multi", protocol=protocol(), limit=LIMIT)
    assert run.costs.forwards.sum() == plain.costs.forwards.sum() + LIMIT
    foretold = PreparedEvaluation(request_for("toy-multi", protocol=FROZEN, limit=LIMIT)).estimate()
    assert foretold.forwards == run.costs.forwards.sum()


def test_a_batch_that_does_not_fit_into_the_frozen_model_is_halved(run, run_in, tmp_path, monkeypatch):
    whole = Segmenter.classes

    def classes(self, images):
        if len(images) > 2:
            raise torch.OutOfMemoryError
        return whole(self, images)

    monkeypatch.setattr(Segmenter, "classes", classes)
    halved = run_in(tmp_path / "halved", "toy-multi", protocol=FROZEN, limit=LIMIT, in_process=True)
    assert np.array_equal(counts(halved, (2, 1)), counts(run, (2, 1)))
    assert set(halved.summary.status) == {"ok"}


def test_a_run_that_is_continued_is_the_same(run, run_in, request_for, tmp_path):
    folder = tmp_path / "run"

    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.done:
            raise StoppedError

    with pytest.raises(StoppedError):
        run_evaluation(PreparedEvaluation(request_for("toy-multi", protocol=FROZEN, limit=LIMIT), folder), folder, stop)
    run_in(folder, "toy-multi", protocol=FROZEN, limit=LIMIT)
    for table in ("summary.csv", "classes.csv"):
        assert (folder / table).read_bytes() == (run.folder / table).read_bytes()


def test_batches_and_precision_change_no_region(run, run_in, tmp_path):
    others = {"batch": {"batch_size": 1}, "half": {"precision": "bf16"}}
    for name, changes in others.items():
        other = run_in(tmp_path / name, "toy-multi", protocol=FROZEN, limit=LIMIT, **changes)
        assert np.array_equal(counts(other, (2, 1)), counts(run, (2, 1)))
        values = [each.summary[each.summary.attack == "gaussian"].value for each in (run, other)]
        assert np.allclose(*values, rtol=1e-4)


def test_settings_from_python_are_those_of_the_protocol(run, tmp_path):
    settings = {"depth.regions": "toy-single", "depth.class_average": True}
    again = evaluate(
        "toy-multi", "toy", Protocol("few", ATTACKS), settings=settings, limit=LIMIT, batch_size=5, out=tmp_path / "run"
    )
    assert again.summary.equals(run.summary)


NETWORK = """
import torch

def build():
    network = torch.nn.Conv2d(3, 19, 1)
    torch.nn.init.zeros_(network.weight)
    torch.nn.init.zeros_(network.bias)
    network.bias.data[13] = 1
    return network
"""


def test_regions_of_your_own_code_are_in_its_classes(run_in, tmp_path):
    """It sees a car everywhere, which the data set has as a class too, as the ninth of eleven."""
    (tmp_path / "everywhere.py").write_text(NETWORK)
    own = protocol(regions=f"{tmp_path / 'everywhere.py'}:build", class_average=True)
    run = run_in(tmp_path / "run", "toy-multi", protocol=own, limit=LIMIT)
    assert set(run.classes[run.classes.task == "depth"]["class"]) == {"car"}
    averages, values = (run.summary[run.summary.metric == metric].value for metric in ("class_rmse", "rmse"))
    assert averages.tolist() == pytest.approx(values.tolist())


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ({"depth": {"regions": "toy-singel"}}, "regions 'toy-singel' are neither label, prediction nor a model"),
        ({"depth": {"regions": "street-uninet-d"}}, "that model has no segmentation, only depth"),
        ({"dept": {"crop": "garg"}}, "unknown task 'dept'; did you mean depth"),
        ({"normals": {"crop": "garg"}}, "unknown parameter of Normals 'crop'"),
        ({"semantic": {"crop": "garg"}}, "Semantic has no parameters, so no 'crop'"),
    ],
)
def test_wrong_parameters_are_one_line(request_for, tasks, message):
    with pytest.raises(UsageError, match=message):
        PreparedEvaluation(request_for("toy-multi", protocol=replace(FROZEN, tasks=tasks), limit=2))


def test_parameters_of_what_is_not_measured_are_noted(request_for):
    prepared = PreparedEvaluation(request_for("toy-single", protocol=FROZEN, limit=2))
    assert "no depth is measured here, its parameters change nothing" in prepared.plan.notes
    assert not prepared.segmenters
