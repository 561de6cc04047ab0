from pathlib import Path

import pytest

from robustbench_seg.registry import load_plugin
from tests.cli.runs import evaluate_into

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


@pytest.fixture(autouse=True, scope="session")
def _toy():
    load_plugin(TOY)


@pytest.fixture(scope="session")
def sound(quietly, tmp_path_factory):
    """A finished run without any fault."""
    folder = tmp_path_factory.mktemp("sound") / "run"
    assert quietly(*evaluate_into(folder)) == (0, "")
    return folder
