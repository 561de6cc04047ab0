from __future__ import annotations

import subprocess
import sys
from dataclasses import is_dataclass
from pathlib import Path

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.models.networks.base import NetworkParameters
from robustbench_seg.models.registry import NETWORKS

LISTING = """
import sys
from robustbench_seg.models.registry import MODELS, NETWORKS
print(len(NETWORKS.entries()), len(MODELS.entries()), sorted({"torch", "timm"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_network_is_a_dataclass_of_parameters(name):
    found = NETWORKS.get(name)
    assert issubclass(found, NetworkParameters)
    assert is_dataclass(found)
    assert found() == found(), "every parameter has a default"
    assert Path(sys.modules[found.__module__].__file__).stem == name


def test_every_network_file_is_listed():
    folder = Path(sys.modules[NetworkParameters.__module__].__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__", "base", "build"}
    assert files == set(NETWORKS)


def test_a_second_network_of_a_name_raises():
    with pytest.raises(UsageError, match="already registered by built-in"):
        NETWORKS.register("klingner")(NetworkParameters)


def test_listing_imports_no_torch():
    out = subprocess.run([sys.executable, "-c", LISTING], capture_output=True, text=True, check=True).stdout
    networks, models, heavy = out.split(maxsplit=2)
    assert int(networks) >= 8
    assert int(models) >= 10
    assert heavy.strip() == "[]"
