"""Every test here runs on the CPU, at a size at which that is quick, and with -m gpu on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.float32 import tf32
from robustbench_seg.registry import load_plugin
from tests.bench.inside import first_batch
from tests.gpu.devices import CUDA, PAIRS

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


@pytest.fixture(autouse=True, scope="session")
def _toy():
    load_plugin(TOY)


@pytest.fixture(autouse=True)
def _strict():
    """As in an evaluation, and not as torch is by itself."""
    with tf32(False):
        yield


@pytest.fixture(params=["cpu", CUDA])
def device(request):
    return request.param


@pytest.fixture
def names(device):
    """The model and data set that a test on this device takes."""
    return PAIRS[device]


@pytest.fixture
def evaluated(names, tmp_path):
    """Evaluate under a protocol on a device, without the look at the model; the run."""

    def run(protocol, where, folder="run", **changes):
        model, data = names
        fields = {"limit": 4, "batch_size": 2, "workers": 1, "plugins": (str(TOY),), "device": where, **changes}
        config = EvaluationConfig([ModelSpec(model)], [DataSpec(data)], protocol, **fields)
        return run_evaluation(PreparedEvaluation(config, tmp_path / folder), tmp_path / folder)

    return run


@pytest.fixture
def inside(names):
    """The first images of the pair as a worker has them on a device."""

    def opened(where, images=2, **options):
        model, data = names
        fields = {"device": where, "batch_size": images, "tasks": ["semantic"], **options}
        return first_batch(ModelSpec(model), DataSpec(data), images, **fields)

    return opened
