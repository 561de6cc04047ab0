"""Attacks are fitted on the train split before the work; what comes out is kept in the run and known by its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.registry import MODELS
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.registry import Entry
from robustbench_seg.results.store import Store

FEW = {"images": 4, "steps": 3}
PROTOCOL = Protocol(
    "universal",
    (
        AttackPlan("universal", (0.0, 4.0, 8.0), params=FEW),
        AttackPlan("universal", (8.0,), objectives=("static:semantic",), params=FEW, variant="static"),
        AttackPlan("universal", (8.0,), norm="rms", objectives=("hide:car",), params=FEW),
        AttackPlan("pgd", (8.0,), objectives=("static:semantic",), params={"steps": 2}),
    ),
)
ONE = Protocol("one", (AttackPlan("universal", (4.0, 8.0), params=FEW),))


class StopError(Exception):
    pass


@pytest.fixture
def fit_in(run_in):
    """Evaluate `toy-single` into a folder; by default under the shortest protocol."""

    def run(folder, **changes):
        return run_in(folder, "toy-single", **{"protocol": ONE, "limit": 4, **changes})

    return run


def artefacts(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "fitted").iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of every kind of fit."""
    from robustbench_seg.evaluation.config import EvaluationConfig
    from robustbench_seg.evaluation.spec import ModelSpec

    folder = tmp_path_factory.mktemp("whole")
    config = EvaluationConfig([ModelSpec("toy-single")], [DataSpec("toy")], PROTOCOL, limit=6, batch_size=5, workers=1)
    return run_evaluation(PreparedEvaluation(config, folder), folder)


def test_every_fit_is_a_file_whose_digest_the_run_knows(whole):
    assert set(whole.summary.status) == {"ok"}
    found = artefacts(whole.folder)
    assert list(found) == [
        "0-1_universal_semantic_linf_4.0.safetensors",
        "0-1_universal_semantic_linf_8.0.safetensors",
        "0-2_universal-static-_static-semantic_linf_8.0.safetensors",
        "0-3_universal_hide-car-semantic_rms_8.0.safetensors",
        "0-4_pgd_static-semantic_linf_8.0.safetensors",
    ]
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}
    assert json.loads((whole.folder / "run.json").read_text())["fitted"] == digests
    assert whole.info["identity"]["fitted_on"][0][:2] == ["toy", 4]


def test_the_static_target_is_the_prediction_of_the_first_training_image(whole):
    held = [load_file(whole.folder / "fitted" / name) for name in artefacts(whole.folder) if "static" in name]
    image = torch.from_numpy(DATASETS.get("toy")("train")[0].image).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        expected = MODELS.get("toy-single")().module(image)["semantic"].argmax(1)
    assert len(held) == 2
    for arrays in held:
        assert torch.equal(arrays["objective.target"], expected)


def test_targeted_fits_count_what_they_reached(whole):
    table = whole.summary[whole.summary.objective == "static:semantic"]
    for attack in ("universal[static]", "pgd"):
        values = table[table.attack == attack].set_index("metric").value
        assert 0 < values["targets_reached"] <= values["targets_changed"] <= 1
    reached = table[table.metric == "targets_reached"].set_index("attack").value
    assert reached["pgd"] > reached["universal[static]"], "it is free to choose for each image"


def test_a_larger_universal_perturbation_harms_more(whole):
    table = whole.summary[(whole.summary.metric == "miou") & (whole.summary.objective == "semantic")]
    miou = table[table.attack == "universal"].set_index("epsilon").value
    clean = whole.summary[(whole.summary.attack == "clean") & (whole.summary.metric == "miou")].value.item()
    assert miou[0.0] == clean > miou[4.0] > miou[8.0]


def metzen(epsilon: float, steps: int) -> torch.Tensor:
    """The paper's loop, written out for the toy model: whole batch, cross-entropy as it is."""
    dataset, module = DATASETS.get("toy")("train"), MODELS.get("toy-single")().module
    samples = [dataset[i] for i in range(4)]
    images = torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2).float() / 255
    labels = torch.from_numpy(np.stack([s.labels["semantic"] for s in samples])).long()
    xi = torch.zeros(3, *images.shape[2:])
    for _ in range(steps):
        x = (images + xi).clamp(0, 1).requires_grad_(True)
        pixels = F.cross_entropy(module(x)["semantic"], labels, ignore_index=255, reduction="none")
        loss = sum(p[y != 255].mean() for p, y in zip(pixels, labels, strict=True) if (y != 255).any())
        (gradient,) = torch.autograd.grad(loss, x)
        xi = (xi + 1 / 255 * gradient.mean(0).sign()).clamp(-epsilon / 255, epsilon / 255)
    return xi


def test_the_fit_is_that_of_the_paper(fit_in, tmp_path):
    params = {**FEW, "steps": 5, "alpha": 1.0, "scale_free": False}
    fit_in(tmp_path, protocol=Protocol("paper", (AttackPlan("universal", (3.0,), params=params),)))
    (name,) = artefacts(tmp_path)
    found = load_file(tmp_path / "fitted" / name)["attack.perturbation"][0]
    # Where the mean gradient is 0 but for rounding its sign may differ.
    assert ((found - metzen(3.0, 5)).abs() > 1e-6).float().mean() < 0.005
    assert found.abs().max() * 255 == pytest.approx(3.0)


def fits_told(prepared, folder, stop_at=None):
    """What a run says it fits; it is interrupted when it says so the `stop_at`th time."""
    told = []

    def listen(progress):
        if progress.text.startswith("fitting"):
            told.append(progress.text)
            if len(told) == stop_at:
                raise StopError

    try:
        run_evaluation(prepared, folder, listen)
    except StopError:
        assert stop_at
    return told


def test_a_killed_run_goes_on_with_the_next_fit(fit_in, request_for, tmp_path):
    request = request_for("toy-single", protocol=ONE, limit=4)
    folder = tmp_path / "run"
    first, second = fits_told(PreparedEvaluation(request, folder), folder, stop_at=2)
    assert first == "fitting universal semantic (linf, epsilon 4) on toy-single, 4 training images of toy"
    assert len(artefacts(folder)) == 1
    assert fits_told(PreparedEvaluation(request, folder), folder) == [second]
    run = fit_in(tmp_path / "whole")
    assert artefacts(folder) == artefacts(run.folder)
    assert (folder / "summary.csv").read_bytes() == (run.folder / "summary.csv").read_bytes()


def test_a_file_whose_digest_was_not_stored_is_made_again(fit_in, request_for, tmp_path):
    """As where a run is killed between the two."""
    request = request_for("toy-single", protocol=ONE, limit=4)
    fits_told(PreparedEvaluation(request, tmp_path), tmp_path, stop_at=2)
    second = tmp_path / "fitted" / "0-1_universal_semantic_linf_8.0.safetensors"
    second.write_bytes(b"whatever")
    half = second.with_name(".half.partial")
    half.write_bytes(b"")
    fit_in(tmp_path)
    assert load_file(second)["attack.perturbation"].shape == (1, 3, 24, 32)
    assert not half.exists()


def test_a_changed_artefact_is_refused_even_where_nothing_is_left_to_do(fit_in, tmp_path):
    fit_in(tmp_path)
    path = tmp_path / "fitted" / "0-1_universal_semantic_linf_4.0.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))
    for limit in (4, 6):
        with pytest.raises(InputError, match=r"linf_4.0.safetensors' is changed or damaged .*delete it") as caught:
            fit_in(tmp_path, limit=limit)
        assert "\n" not in str(caught.value)


def test_a_missing_artefact_is_fitted_again_where_there_is_work_and_must_be_the_same(fit_in, tmp_path):
    run = fit_in(tmp_path)
    before = artefacts(tmp_path)
    path = tmp_path / "fitted" / "0-1_universal_semantic_linf_4.0.safetensors"
    path.unlink()
    fit_in(tmp_path)
    assert not path.exists(), "nothing was left to do"
    fit_in(tmp_path, limit=6)
    assert artefacts(tmp_path) == before
    path.unlink()
    with Store(run.folder / "store.sqlite") as store:
        store.write_meta("fitted", {**store.read_meta("fitted"), path.name: "0" * 64})
    with pytest.raises(InputError, match=r"was fitted again and is not what it was .*another folder") as caught:
        fit_in(tmp_path, limit=8)
    assert "\n" not in str(caught.value)
    assert not path.exists()


def test_other_training_images_are_another_run(fit_in, tmp_path, monkeypatch):
    fit_in(tmp_path)
    toy = DATASETS.get("toy")
    monkeypatch.setattr(toy, "__getitem__", lambda self, index, read=toy.__getitem__: read(self, 11 - index))
    with pytest.raises(UsageError, match="fitted_on was"):
        fit_in(tmp_path)


def test_a_run_without_fits_says_nothing_of_them(run_in, tmp_path):
    plans = (AttackPlan("gaussian", (4.0,)),)
    run = run_in(tmp_path, "toy-single", protocol=Protocol("noise", plans), limit=1)
    assert not (tmp_path / "fitted").exists()
    assert run.info["fitted"] == {}
    assert "fitted_on" not in run.info["identity"]


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"workers": 2}, {"workers": 2, "in_process": True}], ids=["processes", "threads"])
def test_workers_are_given_what_was_fitted(whole, run_in, tmp_path, changes):
    run = run_in(tmp_path, "toy-single", protocol=PROTOCOL, limit=6, **changes)
    assert artefacts(tmp_path) == artefacts(whole.folder)
    assert (run.folder / "summary.csv").read_bytes() == (whole.folder / "summary.csv").read_bytes()


@pytest.mark.long
def test_actors_of_ray_are_given_what_was_fitted(whole, run_in, tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    run = run_in(tmp_path, "toy-single", protocol=PROTOCOL, limit=6, workers=2, engine="ray")
    assert artefacts(tmp_path) == artefacts(whole.folder)
    assert (run.folder / "summary.csv").read_bytes() == (whole.folder / "summary.csv").read_bytes()


def test_the_estimate_counts_fits(request_for):
    noise = Protocol("noise", (AttackPlan("gaussian", (4.0,)),))
    fitted = replace(noise, attacks=(*noise.attacks, *ONE.attacks))
    without, together = (
        PreparedEvaluation(request_for("toy-single", protocol=protocol, limit=2)).estimate()
        for protocol in (noise, fitted)
    )
    assert together.gradients - without.gradients == 2 * FEW["images"] * FEW["steps"]
    # One clean forward per training image, and what two epsilons are scored by.
    assert together.forwards - without.forwards == 2 * FEW["images"] * FEW["steps"] + FEW["images"] + 2 * 2
    assert together.seconds > together.fit_seconds > without.fit_seconds


@pytest.mark.usefixtures("without_checks")
def test_what_is_fitted_already_costs_nothing_more(run_in, request_for, tmp_path):
    run_in(tmp_path, "toy-single", protocol=ONE, limit=2)
    left = PreparedEvaluation(request_for("toy-single", protocol=ONE, limit=3), tmp_path).estimate_left(tmp_path)
    assert left.resumes
    assert (left.gradients, left.fit_seconds) == (0, 0)


@dataclass(frozen=True)
class TowardsMean(Fitted):
    """Moves every image towards the mean of the training images."""

    default_objectives = ()

    def fit(self, batches):
        return {"mean": torch.cat([context.images for context, _ in batches]).mean(0, keepdim=True)}

    def apply(self, context, budget, fitted):
        return context.images + budget.step(fitted["mean"] - context.images, budget.epsilon)


def test_an_attack_of_ones_own_is_fitted_too(fit_in, tmp_path, monkeypatch):
    monkeypatch.setitem(ATTACKS._all(), "towards_mean", Entry("towards_mean", "python", "", lambda: TowardsMean))
    plans = (AttackPlan("towards_mean", (4.0,), params={"images": 12}),)
    run = fit_in(tmp_path, protocol=Protocol("mean", plans))
    (name,) = artefacts(tmp_path)
    mean = load_file(tmp_path / "fitted" / name)["attack.mean"]
    toy = DATASETS.get("toy")("train")
    expected = np.mean([toy[i].image / 255 for i in range(12)], 0).transpose(2, 0, 1)
    np.testing.assert_allclose(mean[0].numpy(), expected, atol=1e-6)
    assert run.summary[run.summary.attack == "towards_mean"].linf.max() == pytest.approx(4, rel=1e-4)


def test_a_fit_that_fails_is_one_line(fit_in, tmp_path, monkeypatch):
    @dataclass(frozen=True)
    class Failing(TowardsMean):
        def fit(self, batches):
            raise ValueError("no\nmean")

    monkeypatch.setitem(ATTACKS._all(), "failing", Entry("failing", "python", "", lambda: Failing))
    with pytest.raises(InputError, match=r"failing .*epsilon 4.* cannot be fitted: ValueError: no mean") as caught:
        fit_in(tmp_path, protocol=Protocol("failing", (AttackPlan("failing", (4.0,)),)))
    assert "\n" not in str(caught.value)


def test_images_of_another_size_fail_and_others_do_not(fit_in, tmp_path, monkeypatch):
    toy = DATASETS.get("toy")

    def cropped(self, index, read=toy.__getitem__):
        sample = read(self, index)
        if self.split == "train" or index != 1:
            return sample
        return replace(sample, image=sample.image[:16], labels={k: v[:16] for k, v in sample.labels.items()})

    monkeypatch.setattr(toy, "__getitem__", cropped)
    plans = (*PROTOCOL.attacks[1:2], AttackPlan("universal", (4.0,), params=FEW), AttackPlan("gaussian", (4.0,)))
    run = fit_in(tmp_path, protocol=Protocol("sizes", plans))
    status = run.summary.groupby("attack").status.unique().map(list).to_dict()
    assert status == {"clean": ["ok"], "gaussian": ["ok"], "universal": ["failed"], "universal[static]": ["failed"]}
    assert list(run.info["failures"].values()) == [1, 1]
    assert all("24 x 32, this" in error for error in run.info["failures"])
