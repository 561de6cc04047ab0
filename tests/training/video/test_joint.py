"""Joint training: which gradient reaches what, bit-exact resuming, and what is exported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import BEST, LOG, STATE, _initial_state, _prepare, train
from robustbench_seg.training.place import HERE
from robustbench_seg.training.state import read_state


def _run(recipe, toy, sets, scale=0.1):
    video = replace(recipe.video, gradient_scale=scale)
    run = _prepare(replace(recipe, video=video), toy, toy, sets, Path("unused"), HERE)
    return run, _initial_state(run)


def _losses(module, method):
    """The two losses of the first step."""
    seen = {}
    hook = module.register_forward_hook(lambda _, __, output: seen.update(predicted=output))
    batch = method.batch(0)
    whole = method.loss(module, batch)
    hook.remove()
    labelled = method.labelled.compared(seen["predicted"].outputs, batch.labelled.labels)
    return {"both": whole, "labels": labelled, "depth": whole - labelled}


def _gradients(recipe, toy, sets, scale, part="both"):
    """Gradients by name of one step's loss, or of one of its two."""
    run, state = _run(recipe, toy, sets, scale)
    _losses(state.module, run.method)[part].backward()
    return {name: p.grad for name, p in state.module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("scale", "part"), [(0.0, "labels"), (1.0, "depth")])
def test_the_scale_stops_a_tasks_gradient_at_the_encoder(joint_recipe, toy, sets, scale, part):
    stopped = _gradients(joint_recipe, toy, sets, scale, part)
    encoder = [g for name, g in stopped.items() if name.startswith("network.encoder.")]
    assert encoder
    assert all(g.abs().max() == 0 for g in encoder)
    decoder = [g for name, g in stopped.items() if name.startswith("network.decoders.")]
    assert any(g.abs().max() > 0 for g in decoder)


def test_encoder_gradients_add_up_and_decoders_are_not_scaled(joint_recipe, toy, sets):
    mixed, labels, depth = (_gradients(joint_recipe, toy, sets, scale) for scale in (0.3, 1.0, 0.0))
    for name, gradient in mixed.items():
        if name.startswith("network.encoder."):
            expected = 0.3 * labels[name] + 0.7 * depth[name]
            torch.testing.assert_close(gradient, expected, atol=1e-6, rtol=1e-3)
        else:
            torch.testing.assert_close(gradient, labels[name], atol=1e-6, rtol=1e-3)


def test_every_part_learns(joint_recipe, toy, sets):
    gradients = _gradients(joint_recipe, toy, sets, 0.5)
    _, state = _run(joint_recipe, toy, sets)
    silent = [name for name, _ in state.module.named_parameters() if name not in gradients]
    assert not silent
    assert gradients["pose.head.6.weight"].abs().max() > 0


def test_scale_one_is_not_single_task_training(joint_recipe, toy, sets):
    """The frames share the encoder's batch: without a gradient they still move its BatchNorm statistics."""
    run, state = _run(joint_recipe, toy, sets, 1.0)
    with torch.no_grad():
        run.method.loss(state.module.train(), run.method.batch(0))
    single, alone = _run(joint_recipe, toy, sets, 1.0)
    images = single.method.labelled.batch(0).images
    with torch.no_grad():
        alone.module.network.train()(images)
    key = "encoder.body.bn1.running_mean"
    joint, only = (s.module.network.state_dict()[key] for s in (state, alone))
    assert not torch.allclose(joint, only)


@pytest.mark.slow
def test_interrupted_equals_uninterrupted(tmp_path, joint_recipe, toy, sets):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(joint_recipe, toy, toy, whole, unlabelled=sets)

    class StopError(Exception):
        pass

    def interrupt(step, steps, loss):
        if step == 3:
            raise StopError

    with pytest.raises(StopError):
        train(joint_recipe, toy, toy, parts, unlabelled=sets, progress=interrupt)
    train(joint_recipe, toy, toy, parts, unlabelled=sets)
    first, second = (read_state(folder / STATE)["module"] for folder in (whole, parts))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert (whole / LOG).read_bytes() == (parts / LOG).read_bytes()
    assert "depth_abs_rel" in (whole / LOG).read_text().splitlines()[0]


def test_the_exported_network_is_a_plain_one(tmp_path, joint_recipe, toy, sets):
    train(joint_recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    assert not [key for key in read_state(tmp_path / "work" / BEST)["module"] if "pose" in key or "coarse" in key]
    export(joint_recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    card = read_card(tmp_path / "tiny")
    assert card.tasks == ("semantic", "depth")
    assert card.depth_align == "median"
    assert (card.video.dataset, card.video.batch, card.video.gradient_scale) == ("film", 2, 0.1)
    assert card.video.terms == "made up too"
    assert load_folder(tmp_path / "tiny").terms == "made up; made up too"
    # One constant depth, scaled by its median, has no error where the prediction is as flat.
    assert 0 <= card.video.metrics["abs_rel"] < 5
    loaded = load_folder(tmp_path / "tiny")
    assert loaded.depth_align == "median"
    outputs = loaded.module(torch.rand(1, 3, 64, 96))
    assert outputs["semantic"].shape == (1, 3, 64, 96)
    assert np.isfinite(outputs["depth"].detach().numpy()).all()


def test_labelled_data_need_no_depth(tmp_path, joint_recipe, toy, sets, monkeypatch):
    """As CamVid, which has classes alone."""
    monkeypatch.setattr(toy, "tasks", ("semantic",))
    read = type(toy).__getitem__

    def without_depth(self, index):
        sample = read(self, index)
        return replace(sample, labels={"semantic": sample.labels["semantic"]})

    monkeypatch.setattr(type(toy), "__getitem__", without_depth)
    train(joint_recipe, toy, toy, tmp_path / "work", unlabelled=sets)
    card = export(joint_recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=sets)
    assert list(card.metrics) == ["semantic"]
    assert card.depth_align == "median"
    assert 0 <= card.video.metrics["abs_rel"] < 5


def test_frames_of_another_size(tmp_path, joint_recipe, toy, sets):
    wider = replace(joint_recipe, video=replace(joint_recipe.video, size=(64, 96)))
    with pytest.raises(InputError, match="labelled images are 64x64 and frames 96x64"):
        train(wider, toy, toy, tmp_path, unlabelled=sets)


def test_video_without_its_data(tmp_path, joint_recipe, toy):
    with pytest.raises(InputError, match=r"\[video\] needs its data sets"):
        train(joint_recipe, toy, toy, tmp_path)


def test_an_architecture_without_scales(tmp_path, joint_recipe, toy, sets):
    architecture = replace(joint_recipe.architecture, name="fpn", parameters={"encoder": "resnet18"})
    with pytest.raises(InputError, match=r"gradient_scale: .*, such as klingner; leave it out"):
        train(replace(joint_recipe, architecture=architecture), toy, toy, tmp_path, unlabelled=sets)
