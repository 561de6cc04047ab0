"""Which images attacks are fitted on, and data sets that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec, InMemory
from robustbench_seg.evaluation.training_images import training_images
from robustbench_seg.registry import Entry

TOY = DataSpec("toy")


@pytest.fixture
def toy():
    return DATASETS.get("toy")


def test_they_are_the_first_of_the_train_split_in_order(toy):
    images, train = training_images(TOY, toy(), 5), toy("train")
    assert [index for index, _ in images.samples] == [0, 1, 2, 3, 4]
    assert all(np.array_equal(sample.image, train[index].image) for index, sample in images.samples)
    assert len(training_images(TOY, toy(), 100)) == len(train)


def test_their_digest_is_that_of_images_labels_and_number(toy, monkeypatch):
    digests = {training_images(TOY, toy(), count).digest for count in (4, 4, 5)}
    assert len(digests) == 2
    read = toy.__getitem__

    def relabelled(self, index):
        sample = read(self, index)
        return replace(sample, labels={**sample.labels, "semantic": sample.labels["semantic"] + 1})

    monkeypatch.setattr(toy, "__getitem__", relabelled)
    assert training_images(TOY, toy(), 4).digest not in digests


def one_line(raises, *arguments):
    with pytest.raises(raises) as caught:
        training_images(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_data_set_in_memory_has_no_known_train_split(toy):
    assert "'toy' is in memory" in one_line(UsageError, InMemory("toy", toy()), toy(), 4)


def test_a_data_set_without_splits_is_refused(toy, monkeypatch):
    monkeypatch.setitem(DATASETS._all(), "bare", Entry("bare", "python", "", lambda: lambda: toy()))
    said = one_line(UsageError, DataSpec("bare"), toy(), 4)
    assert said.startswith("the protocol has attacks that are fitted on the train split of bare: ")
    assert "takes no split" in said


def test_a_train_split_that_is_evaluated_is_refused(toy):
    assert "are its train split" in one_line(UsageError, TOY, toy("train"), 4)


def test_a_folder_whose_images_are_in_no_split_is_refused(tmp_path):
    (tmp_path / "dataset.toml").write_text('classes = ["a", "b"]\n')
    for part, mode in (("images", "RGB"), ("labels", "L")):
        (tmp_path / part).mkdir()
        Image.new(mode, (8, 8)).save(tmp_path / part / "one.png")
    spec = DataSpec("folder", str(tmp_path))
    assert "has no splits, 'train' was asked for" in one_line(UsageError, spec, spec.load(), 4)


def test_training_images_of_two_sizes_are_refused(toy, monkeypatch):
    read = toy.__getitem__
    monkeypatch.setattr(
        toy, "__getitem__", lambda self, i: replace(read(self, i), image=read(self, i).image[: 24 - 8 * (i == 2)])
    )
    assert "'toy-02' is 16 x 32, 'toy-00' is 24 x 32" in one_line(InputError, TOY, toy(), 4)


def test_a_training_image_that_cannot_be_read_is_named(toy, monkeypatch):
    monkeypatch.setattr(toy, "__getitem__", lambda self, i: 1 / (2 - i))
    assert "train, image 2 cannot be read: ZeroDivisionError" in one_line(InputError, TOY, toy(), 4)
