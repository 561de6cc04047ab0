import numpy as np
import pytest

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.batch import collate, first_sample
from robustbench_seg.tasks.registry import load_tasks

TASKS = load_tasks(["semantic", "depth"])


@pytest.fixture
def samples():
    """Four images, the third of another size."""
    data = DATASETS.get("toy")()
    found = [(i, data[i]) for i in range(4)]
    wide = found[2][1]
    labels = {key: np.repeat(value, 2, 1) for key, value in wide.labels.items()}
    found[2] = 2, type(wide)(wide.id, np.repeat(wide.image, 2, 1), labels)
    return found


def test_images_of_one_size_make_a_batch(samples):
    batches = collate(DATASETS.get("toy")(), samples, TASKS, None, "cpu")
    assert [batch.indices for batch in batches] == [(0, 1, 3), (2,)]
    assert [batch.clips for batch in batches] == [("toy-00", "toy-01", "toy-03"), ("toy-02",)]
    assert [tuple(batch.images.shape) for batch in batches] == [(3, 3, 24, 32), (1, 3, 24, 64)]
    assert batches[0].images.max() <= 1
    assert batches[0].labels["depth"].shape == (3, 24, 32)


def test_halves_hold_every_image_once(samples):
    batch, _ = collate(DATASETS.get("toy")(), samples, TASKS, None, "cpu")
    first, second = batch.halves()
    assert first.ids + second.ids == batch.ids
    assert first.clips + second.clips == batch.clips
    assert len(first) + len(second) == len(batch) == 3
    assert (second.labels["semantic"] == batch.labels["semantic"][1:]).all()


def test_a_sample_without_the_label_of_a_task_is_one_line(samples):
    normals = load_tasks(["normals"])
    with pytest.raises(InputError) as caught:
        collate(DATASETS.get("toy")(), samples, normals, None, "cpu")
    assert str(caught.value) == (
        "data set toy lists task 'normals' but sample 'toy-00' has no label 'normals'; "
        "put labels['normals'] into its Sample, or take the task out of Toy.tasks"
    )


def test_the_first_image_that_can_be_read():
    class Broken(DATASETS.get("toy")):
        least = 2

        def __getitem__(self, index):
            if index < self.least:
                raise OSError("cannot be read")
            return super().__getitem__(index)

    assert first_sample(Broken())[0] == 2
    Broken.least = 99
    with pytest.raises(InputError, match="data set 'toy' has no image that can be read: OSError: cannot be read"):
        first_sample(Broken())
    Broken.__len__ = lambda self: 0
    with pytest.raises(InputError, match="no image that can be read: it is empty"):
        first_sample(Broken())
