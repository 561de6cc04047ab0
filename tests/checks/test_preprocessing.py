"""Whether a wrong preprocessing is found, and the right one is left alone."""

import math
import os
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from robustbench_seg.checks.preprocessing import PreprocessingFits
from robustbench_seg.classes import CITYSCAPES19, VOID
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.adapters.adapter import InputSpec
from robustbench_seg.models.adapters.factory import make
from robustbench_seg.models.blocks.normalization import Normalize
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.models.registry import card_folders
from robustbench_seg.protocol import AttackPlan, Protocol
from tests.checks.runs import found, row_of, tables

BARE = Path(__file__).parent / "bare.py"
CAMVID = os.environ.get("ROBUSTSEG_CAMVID", "")
NOISE = Protocol("noise", (AttackPlan("gaussian", (1.0,)),))
NUM_CLASSES = len(CITYSCAPES19)
STREET = DataSpec("street")
RIGHT = {"normalize": "imagenet"}
CAFFE = {"normalize": "mean=123.675,116.28,103.53;std=1,1,1", "input_scale": 255, "channel_order": "bgr"}
WRONG = {
    "normalisation": {"normalize": "half"},
    "no normalisation": {"normalize": "none"},
    "normalisation to [-1,1]": {"normalize": "mean=0.5,0.5,0.5;std=0.5,0.5,0.5"},
    "channel order": {"channel_order": "bgr"},
    "scale": {"normalize": "none", "input_scale": 255},
    "everything": CAFFE,
}
SHIFTS = {"up": "each class read from the next channel", "down": "each class read from the channel before"}
NETWORKS = {
    "lraspp_mobilenet_v3_large": RIGHT,
    "deeplabv3_mobilenet_v3_large": CAFFE,
}
"""Of torchvision, with what they are trained with."""

needs_camvid = pytest.mark.skipif(not CAMVID, reason="ROBUSTSEG_CAMVID does not point to CamVid")


@pytest.fixture
def preprocessing(monkeypatch, tmp_path_factory):
    """What the check finds of a model on a data set."""
    monkeypatch.setattr("robustbench_seg.evaluation.probing.MODEL_CHECKS", (PreprocessingFits(),))

    def look(model, data=STREET, limit=8, tasks=None):
        config = EvaluationConfig([model], [data], NOISE, tasks=tasks, limit=limit, workers=1)
        run = run_evaluation(PreparedEvaluation(config), tmp_path_factory.mktemp("run"))
        return {finding.check: finding for finding in run.findings}["preprocessing"]

    return look


def own(factory, **options):
    return ModelSpec(f"{BARE}:{factory}", options)


def record(ratio, confidence=(0.8, 0.9), gains=(0.1, 0.11, 0.12), plausible=True):
    return {
        "alternative": "--normalize half",
        "metrics": {"semantic": [0.4, 0.4 * ratio]},
        "confidence": list(confidence),
        "plausible": plausible,
        "gain": math.log(ratio),
        "gains": list(gains),
    }


@pytest.mark.parametrize(
    ("seen", "level"),
    [
        (record(1.02), "ok"),
        (record(1.04), "warn"),
        (record(1.04, gains=(0.5, -0.4, 0.1, 0.1)), "ok"),
        (record(1.04, gains=(0.5, -0.4, 0.1)), "note"),
        (record(1.04, gains=(0.1,)), "note"),
        (record(1.2, confidence=(0.9, 0.8)), "ok"),
        (record(1.3, confidence=(0.9, 0.8)), "warn"),
        (record(1.05, confidence=()), "ok"),
        (record(1.15, confidence=()), "warn"),
        (record(1.6), "fail"),
        (record(1.6, plausible=False), "ok"),
        ({"gains": []}, "note"),
    ],
)
def test_what_is_said_of_a_record(tmp_path, seen, level):
    made = tables(tmp_path, records={"preprocessing": seen})
    assert found(made)["preprocessing"].level == level
    assert row_of(made, "fgsm", 1.0).verdict == ("preprocessing" if level == "fail" else "ok")


def test_the_words(tmp_path):
    text = found(tables(tmp_path, records={"preprocessing": record(1.5)}))["preprocessing"].text
    assert "m on street: mIoU 0.400 becomes 0.600, mean confidence 0.80 becomes 0.90 with --normalize half." in text


@pytest.mark.parametrize(
    ("wrong", "better"), [("normalisation", "--normalize imagenet"), ("channel order", "--channel-order rgb")]
)
def test_what_is_wrong_with_a_shipped_model_on_a_few_images(preprocessing, wrong, better):
    finding = preprocessing(own("street", **WRONG[wrong]), limit=4)
    assert finding.is_wrong
    assert f"with {better}." in finding.text


def test_what_is_right_with_it(preprocessing):
    assert preprocessing(own("street", **RIGHT), limit=4).level == "ok"


def test_what_a_model_refuses_is_not_better(preprocessing):
    assert preprocessing(own("street_strict"), limit=4).level == "ok"


def test_shifted_classes_on_a_few_images(preprocessing):
    finding = preprocessing(own("street_up"), limit=2)
    assert finding.level == "fail"
    assert SHIFTS["up"] in finding.text


def test_a_model_without_a_dense_task_is_not_judged(preprocessing):
    assert preprocessing(ModelSpec("street-uninet"), limit=2, tasks=["detection"]).level == "note"


@pytest.mark.long
@pytest.mark.parametrize("name", card_folders())
def test_no_shipped_model_is_complained_about_on_its_own_data(preprocessing, name):
    card = read_card(card_folders()[name])
    if card.evaluation.dataset == "camvid" and not CAMVID:
        pytest.skip("ROBUSTSEG_CAMVID does not point to CamVid")
    root = CAMVID if card.evaluation.dataset == "camvid" else None
    assert preprocessing(ModelSpec(name), DataSpec(card.evaluation.dataset, root), 16).level == "ok"


@pytest.mark.long
@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["street", pytest.param("camvid", marks=needs_camvid)])
def test_what_is_wrong_with_a_shipped_model_is_found(preprocessing, name, wrong):
    finding = preprocessing(_shipped(name, **WRONG[wrong]), _data(name))
    assert finding.is_wrong
    assert "imagenet" in finding.text or WRONG[wrong].get("normalize", "imagenet") == "imagenet"


@pytest.mark.long
@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("name", ["street", pytest.param("camvid", marks=needs_camvid)])
def test_shifted_classes_of_a_shipped_model_are_found(preprocessing, name, shift):
    finding = preprocessing(_shipped(f"{name}_{shift}"), _data(name))
    assert finding.level == "fail"
    assert SHIFTS[shift] in finding.text


@pytest.mark.long
@needs_camvid
def test_check_says_it(robustseg):
    model = (f"{BARE}:camvid", "--classes", "camvid11", "-d", f"camvid:{CAMVID}")
    code, out, _ = robustseg("check", *model, "--channel-order", "bgr")
    assert "becomes" in out
    assert "with --channel-order rgb" in out
    code, out, _ = robustseg("check", *model)
    assert code == 0
    assert "✓ No other preprocessing does clearly better: 1 model." in out


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_torchvision_that_were_trained_for_a_minute(preprocessing, tmp_path, name):
    def look(weights, **options):
        return preprocessing(ModelSpec(f"torchvision:{name}", {"weights": str(weights), **options}))

    right = NETWORKS[name]
    state = _trained(name, _spec(right))
    torch.save(state, tmp_path / "trained.pth")
    finding = look(tmp_path / "trained.pth", **right)
    assert finding.level == "ok", finding.text
    for options in (each for each in (RIGHT, *WRONG.values()) if each != right):
        assert look(tmp_path / "trained.pth", **options).is_wrong, options
    for shift, text in SHIFTS.items():
        by = 1 if shift == "up" else -1
        moved = {key: value.roll(by, 0) if value.shape[:1] == (NUM_CLASSES,) else value for key, value in state.items()}
        torch.save(moved, tmp_path / f"{shift}.pth")
        finding = look(tmp_path / f"{shift}.pth", **right)
        assert finding.level == "fail"
        assert text in finding.text


def _spec(options):
    given = InputSpec()
    return InputSpec(
        options.get("normalize", given.normalize),
        options.get("input_scale", given.scale),
        options.get("channel_order", given.order),
    )


def _shipped(factory, **options):
    return own(factory, **({"classes": "camvid11"} if factory.startswith("camvid") else {}), **options)


def _data(name):
    return DataSpec("camvid", CAMVID) if name == "camvid" else STREET


def _trained(name, spec, steps=250, batch=6):
    """The weights of a network of torchvision after a minute or two on street, as `spec` calls it."""
    torch.manual_seed(0)
    net, normalize = make(f"torchvision:{name}", NUM_CLASSES).train(), Normalize(spec.normalization())
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 0.1  # running statistics that follow within so few steps
    dataset = DataSpec("street", split="train").load()
    samples = [dataset[index] for index in range(240)]
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for step in range(steps):
        chosen = [samples[(step * batch + i) % len(samples)] for i in range(batch)]
        images = torch.stack([torch.from_numpy(sample.image).permute(2, 0, 1) for sample in chosen]) / 255
        labels = torch.stack([torch.from_numpy(sample.labels["semantic"]).long() for sample in chosen])
        x = normalize(images)
        loss = F.cross_entropy(net(x.flip(1) if spec.order == "bgr" else x)["out"], labels, ignore_index=VOID)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return net.state_dict()
