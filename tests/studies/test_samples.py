"""What a study keeps of a run, against the run itself."""

import numpy as np
import pytest

from robustbench_seg.results.measurements import Measurements
from robustbench_seg.results.pair import VALUE
from robustbench_seg.studies.strength.samples import SAMPLES, Images, read_samples, write_samples
from tests.results.stored_runs import stored_run

ERRORS = np.array([1.0, 2.0, 4.0, 8.0, 3.0])


@pytest.fixture
def run(tmp_path):
    return stored_run(tmp_path / "run", {"a": {0.0: list(ERRORS), 0.5: list(2 * ERRORS), 4.0: list(3 * ERRORS)}})


def test_kept_numbers_are_those_of_the_store(run):
    write_samples(run.folder)
    kept = read_samples(run.folder / SAMPLES)
    assert (kept.model, kept.n_images, kept.tasks, kept.epsilons("depth", "fgsm")) == ("a", 5, ["depth"], [0.5, 4.0])
    (row,) = [row for row in run.rows if row.metric == "rmse" and row.epsilon == 4.0]
    with Measurements([run]) as measurements:
        sample = measurements.sample(row.key, "depth", "rmse", VALUE)
    again = kept.at("depth", "fgsm", 4.0)
    assert again.value == sample.value
    assert np.array_equal(again.left_out, sample.left_out)


def test_halves_are_over_their_images(run):
    write_samples(run.folder)
    kept = read_samples(run.folder / SAMPLES)
    halves = [kept.at("depth", "fgsm", 0.5, images).value for images in (Images.FIRST_HALF, Images.SECOND_HALF)]
    assert halves == pytest.approx([2 * ERRORS[:2].mean(), 2 * ERRORS[2:].mean()])
