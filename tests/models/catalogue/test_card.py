from __future__ import annotations

import resource

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.card import CARD, WEIGHTS, load_folder, read_card, write_card
from robustbench_seg.models.registry import MODELS, card_folders
from robustbench_seg.tasks.registry import TASKS


def _edit(folder, old: str, new: str) -> None:
    path = folder / CARD
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_round_trip(entry):
    card = read_card(entry)
    before = (entry / CARD).read_text()
    write_card(card, entry)
    assert (entry / CARD).read_text() == before
    assert card.summary == 'tiny "two-task" net'
    assert card.metrics["depth"]["delta1"] == 1.0


def test_load(entry):
    model = load_folder(entry)
    assert model.tasks == ("semantic", "depth")
    assert model.classes.name == "camvid11"
    assert not model.module.training
    assert not any(p.requires_grad for p in model.module.parameters())
    assert all(p.dtype == torch.float32 for p in model.module.parameters())
    assert model.terms == "CC BY-NC 4.0"
    outputs = model.module(torch.rand(1, 3, 33, 65))
    assert outputs["semantic"].shape == (1, 11, 33, 65)


BAD = [
    ("schema = 1", "schema = 2", "schema: 2 is not supported"),
    ("schema = 1", "schema = true", "schema: must be"),
    ("schema = 1", "", "missing key 'schema'"),
    ("schema = 1", "schema = 1\nshema = 1", "did you mean schema"),
    ("schema = 1", "schema = ", "not valid TOML"),
    ('name = "tiny"', 'name = "other"', "not the folder's"),
    ('name = "tiny"', "name = 3", "name: must be"),
    ('tasks = ["semantic", "depth"]', "tasks = []", "at least one task"),
    ('tasks = ["semantic", "depth"]', 'tasks = ["semantic", "flow"]', "metrics: 'depth' is not"),
    ('tasks = ["semantic", "depth"]', 'tasks = ["semantic", "depth", "depth"]', "'depth' is named twice; remove one"),
    ('tasks = ["semantic", "depth"]', 'tasks = "semantic"', "tasks: must be"),
    ('tasks = ["semantic", "depth"]', 'tasks = ["semantic", 1]', r"tasks\[1\]: must be"),
    ("parameter_count = ", "parameter_count = 1", "but the network has"),
    ('sha256 = "', 'sha256 = "x', "64 lower-case"),
    ("[architecture]", "[architektur]", "did you mean architecture"),
    ('name = "klingner"', 'name = "klingnr"', "did you mean klingner"),
    ('normalization = "half"', 'normalization = "halve"', "normalisation 'halve'"),
    ("widths = [16, 16, 8, 8]", "widths = [16, 16, 8, 8.5]", "widths"),
    ("widths = [16, 16, 8, 8]", "widths = [5000, 5000, 8, 8]", "more than its weights"),
    ("widths = [16, 16, 8, 8]", "widths = [10000000000, 16, 8, 8]", r"widths\[0\]: must be from 1 to 65536"),
    ("widths = [16, 16, 8, 8]", "widths = [16, 16, 8, 8]\nhead_kernel = 2", "head_kernel: must be one of 1, 3, 5, 7"),
    ("layers = [1, 1, 1, 1]", "layers = [1, 1, 1, 4000]", r"layers\[3\]: must be from 1 to 256"),
    ('stem_type = "deep"', 'stem_type = "deep"\ndrop_rate = 7.0', "unknown key 'drop_rate'"),
    ('stem_type = "deep"', 'stem_type = "deep"\ndrop_path_rate = 7.0', "drop_path_rate: must be from 0 to 0.99"),
    ('stem_type = "deep"', 'stem_type = "deep"\noutput_stride = 7', "output_stride: must be one of 8, 16, 32"),
    ('stem_type = "deep"', 'stem_type = "deep"\noutput_stride = 8', "leave output_stride out"),
    ("widths = [16, 16, 8, 8]", "width = [16, 16, 8, 8]", "did you mean widths"),
    ('stem_type = "deep"', 'checkpoint_path = "evil.pth"', "checkpoint_path"),
    ('encoder = "resnet18"', 'encoder = "hf-hub:a/b"', "unknown encoder"),
    ('classes = "camvid11"', 'classes = "camvid12"', "did you mean camvid11"),
    ('classes = "camvid11"', 'classes = ["road", "road"]', "twice"),
    ("size = [360, 480]", "size = [360]", "must have 2 entries"),
    ("miou = 0.5", 'miou = "0.5"', "miou: must be"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_bad_card(entry, old, new, message):
    _edit(entry, old, new)
    with pytest.raises(InputError, match=message) as caught:
        load_folder(entry)
    assert "\n" not in str(caught.value)
    assert CARD in str(caught.value)


def test_wide_cards_take_no_memory(entry):
    _edit(entry, "widths = [16, 16, 8, 8]", "widths = [8000, 8000, 8000, 8000]")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="more than its weights"):
        load_folder(entry)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000, "in kB"


def test_card_that_is_no_text(entry):
    (entry / CARD).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        load_folder(entry)


def test_weights_of_another_network(entry):
    _edit(entry, 'classes = "camvid11"', 'classes = "cityscapes19"')
    with pytest.raises(InputError, match="parameter_count"):
        load_folder(entry)


def test_changed_weights(entry):
    data = bytearray((entry / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (entry / WEIGHTS).write_bytes(data)
    with pytest.raises(InputError, match="sha256"):
        load_folder(entry)


@pytest.mark.parametrize("name", card_folders())
def test_shipped_model(name):
    model = MODELS.get(name)()
    card = read_card(card_folders()[name])
    outputs = model.module(torch.full((1, 3, 64, 96), 0.5))
    assert set(card.tasks) == set(card.metrics)
    assert set(outputs) == {TASKS.get(task).key for task in card.tasks}
    for key, shape in {"semantic": (1, len(model.classes), 64, 96), "depth": (1, 64, 96)}.items():
        assert key not in outputs or outputs[key].shape == shape
    assert model.terms
    assert card.summary
