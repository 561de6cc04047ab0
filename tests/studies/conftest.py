import pytest

from robustbench_seg.studies.grouped import Grouped
from robustbench_seg.studies.klingner2020 import MULTI, SINGLE
from tests.studies.made_up import grouped_run


@pytest.fixture(scope="session")
def better(tmp_path_factory: pytest.TempPathFactory) -> Grouped:
    """λ = 0.1 is better, clean and under attack."""
    folder = tmp_path_factory.mktemp("better") / "run"
    return grouped_run(folder, (SINGLE, MULTI), {SINGLE: 0.8, MULTI: 0.9}, {SINGLE: 0.9, MULTI: 0.95})


@pytest.fixture(scope="session")
def same(tmp_path_factory: pytest.TempPathFactory) -> Grouped:
    """Both groups are alike."""
    folder = tmp_path_factory.mktemp("same") / "run"
    return grouped_run(folder, (SINGLE, MULTI), {SINGLE: 0.8, MULTI: 0.8}, {SINGLE: 0.9, MULTI: 0.9})
