"""Evaluating a plain module with options, on pairs of images and labels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import robustbench_seg
from robustbench_seg.api.pairs import Pairs
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.protocol import AttackPlan, Protocol

SCENE = ClassSet("scene", ("dark", "bright"), ((0, 0, 0), (1, 1, 1)))
NOISE = Protocol("noise", (AttackPlan("gaussian", (4.0,)),))


class Brightness(nn.Module):
    """Bright where the mean of the channels is above `border`; logits in an object, as transformers returns them."""

    def __init__(self, border=0.5):
        super().__init__()
        self.border = nn.Parameter(torch.tensor(border))

    def forward(self, x):
        above = x.mean(1, keepdim=True) - self.border
        return SimpleNamespace(logits=torch.cat([-above, above], 1))


@pytest.fixture
def images():
    return torch.randint(0, 256, (9, 3, 8, 10), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


@pytest.fixture
def labels(images):
    return (images.float().mean(1) > 127.5).long()


def miou(run):
    clean = run.summary.query("attack == 'clean' and metric == 'miou'")
    return clean["value"].item()


def evaluated(model, data, **options):
    return robustbench_seg.evaluate(model, data, NOISE, classes=SCENE, device="cpu", workers=1, **options)


FORMS = {
    "floats": lambda image: image.float() / 255,
    "bytes": lambda image: image.permute(1, 2, 0).numpy(),
    "PIL": lambda image: Image.fromarray(image.permute(1, 2, 0).numpy()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_image_is_the_same(images, labels, form):
    data = [(FORMS[form](image), label) for image, label in zip(images, labels, strict=True)]
    pairs = Pairs(data, ("semantic",), SCENE)
    assert all(np.array_equal(pairs[i].image, images[i].permute(1, 2, 0)) for i in range(len(images)))
    assert pairs.fingerprint() == Pairs(TensorDataset(images, labels), ("semantic",), SCENE).fingerprint()


@pytest.mark.parametrize("wrapped", [lambda data: data, lambda data: DataLoader(data, batch_size=4, shuffle=True)])
def test_a_module_on_a_torch_data_set_or_its_loader(images, labels, wrapped):
    assert miou(evaluated(Brightness(), wrapped(TensorDataset(images.float() / 255, labels)))) == 1


def test_normalisation_and_weights_are_options(images, labels, tmp_path):
    """Bright is above 0 once half is taken away; the file says 0, the module 9."""
    data = TensorDataset(images.float() / 255, labels)
    torch.save(Brightness(0.0).state_dict(), tmp_path / "w.pth")
    model = Brightness(9.0)
    how = {"normalize": "mean=0.5,0.5,0.5;std=1,1,1", "weights": tmp_path / "w.pth"}
    assert miou(evaluated(model, data, **how)) == 1
    assert model.border == 9, "the caller's module is as it was"
    assert miou(evaluated(model, data, normalize=how["normalize"])) < 0.5


def test_void_is_negative_or_255(images, labels):
    wrong = labels.clone()
    wrong[:, :4], wrong[:, 4] = -1, 255
    wrong[:, 5:] = labels[:, 5:]
    assert miou(evaluated(Brightness(), TensorDataset(images.float() / 255, wrong))) == 1


class Stream(IterableDataset):
    def __iter__(self):
        return iter(())


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (Stream(), UsageError, "of type Stream has no length and items by number"),
        (3, UsageError, "of type int has no length"),
        ([torch.zeros(3, 4, 4)], InputError, "item 0 is a Tensor, not a pair"),
        ([(torch.zeros(4, 4), torch.zeros(4, 4))], InputError, r"the image is a Tensor of shape \(4, 4\)"),
        ([("x.png", torch.zeros(4, 4))], InputError, "the image is a str; give PIL"),
        ([(torch.full((3, 4, 4), -2.0), torch.zeros(4, 4))], InputError, "from -2 to -2; give it in .* normalize="),
        ([(torch.zeros(3, 4, 4), {"depth": 1})], InputError, "no labels of semantic; its keys: depth"),
        ([(torch.zeros(3, 4, 4), torch.full((4, 4), 2))], InputError, "have the id 2; scene has 0 to 1, void is 255"),
        ([(torch.zeros(3, 4, 4), torch.zeros(4, 4))], InputError, "are float32; give whole numbers"),
        ([(torch.zeros(3, 4, 4), None)], InputError, "labels of semantic are a NoneType"),
        ([(torch.full((3, 4, 4), torch.nan), torch.zeros(4, 4))], InputError, "from nan to nan"),
    ],
)
def test_what_is_no_pair_is_one_line(data, kind, message):
    with pytest.raises(kind, match=message) as raised:
        evaluated(Brightness(), data)
    assert "\n" not in str(raised.value)


class Sides(Brightness):
    """Which pixels are bright, as one logit and as two."""

    def forward(self, x):
        two = super().forward(x).logits
        return {"one": two[:, 1:] - two[:, :1], "two": two}


@pytest.mark.parametrize("outputs", [{}, {"outputs": ["first=semantic:one", "second=semantic:two"]}])
def test_several_segmentations_with_labels_by_name(images, labels, outputs):
    """With outputs named, or a module that names them itself."""
    net = Sides()
    if not outputs:
        net.forward = lambda x, forward=net.forward: dict(zip(("first", "second"), forward(x).values(), strict=True))
    pairs = [(x, {"first": y, "second": 1 - y}) for x, y in zip(images / 255, labels, strict=True)]
    tasks = ["semantic[first]", "semantic[second]"]
    classes = {"first": SCENE, "second": SCENE}
    run = robustbench_seg.evaluate(net, pairs, NOISE, tasks=tasks, classes=classes, limit=4, **outputs)
    clean = run.summary.query("attack == 'clean' and metric == 'pixel_accuracy'").set_index("task")["value"]
    assert clean.to_dict() == {"semantic[first]": 1.0, "semantic[second]": 0.0}
    with pytest.raises(UsageError, match="unknown task in classes 'firts'; did you mean first"):
        robustbench_seg.evaluate(net, pairs, NOISE, tasks=tasks, classes={"firts": SCENE}, **outputs)


WRONG = {
    "tasks": (5, "give a text or a sequence of texts"),
    "pad_to": ("32", "pad_to='32' is a str; give int or None"),
    "input_size": ((64, 64), "is a tuple; give str or None"),
    "normalize": (None, "is a NoneType; give str"),
    "weights": ({}, "is a dict; give str or Path or None"),
    "limit": ("3", "is a str; give int or None"),
    "workers": ("a", "is a str; give int"),
    "quantise": ("no", "is a str; give bool"),
    "seed": (True, "seed=True is a bool; give int"),
    "models": ((), "unknown option of evaluate 'models'"),
    "out": (5, "give a folder"),
    "protocol": (5, "give a name or a Protocol"),
    "classes": (19, "give a ClassSet, a set's name, or sets by task"),
}


@pytest.mark.parametrize(
    ("name", "value"), [("limit", 0), ("limit", -1), ("workers", -1), ("eot", 0), ("precision", "fp8")]
)
def test_an_argument_out_of_range_is_one_line(images, labels, name, value):
    with pytest.raises(UsageError, match=rf"{name} .*{value}"):
        robustbench_seg.evaluate(Brightness(), TensorDataset(images, labels), NOISE, classes=SCENE, **{name: value})


def test_one_output_may_be_a_text(images, labels):
    assert miou(evaluated(Brightness(), TensorDataset(images, labels), outputs="semantic=logits")) == 1


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_argument_is_one_line(images, labels, name):
    value, message = WRONG[name]
    given = {"classes": SCENE, "protocol": NOISE, name: value}
    with pytest.raises(UsageError, match=message) as raised:
        robustbench_seg.evaluate(Brightness(), TensorDataset(images, labels), **given)
    assert "\n" not in str(raised.value)


def test_a_state_dict_is_no_model(images, labels):
    with pytest.raises(UsageError, match="the model is a dict, neither a name"):
        evaluated(dict(Brightness().state_dict()), TensorDataset(images, labels))


def test_depth_is_a_number():
    data = [(torch.zeros(3, 4, 4), {"depth": torch.full((4, 4), 3000, dtype=torch.int32)})]
    label = Pairs(data, ("depth",), SCENE)[0].labels["depth"]
    assert label.dtype == np.float32
    assert (label == 3000).all()


def test_a_wrong_option_is_one_line(images, labels):
    data = TensorDataset(images, labels)
    with pytest.raises(UsageError, match="unknown option of evaluate 'normalise'; did you mean normalize"):
        evaluated(Brightness(), data, normalise="half")
    with pytest.raises(UsageError, match="normalize: the model is loaded already"):
        evaluated(robustbench_seg.load_model("street-single"), data, normalize="half")


def test_a_run_shows_its_table_its_curves_and_its_page(images, labels, tmp_path):
    run = evaluated(Brightness(), TensorDataset(images, labels), out=tmp_path / "run")
    html = run._repr_html_()
    assert "<table" in html
    assert "data:image/png" in html
    assert (tmp_path / "run" / "report.html").as_uri() in html
    assert run.report().is_file()
