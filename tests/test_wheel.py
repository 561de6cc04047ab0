"""What the wheel holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_holds_what_ships_and_nothing_else(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path)]
    subprocess.run([*build, str(ROOT)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.removeprefix("robustbench_seg/") for name in names}
    assert "_shipped/attacks/klingner2020.toml" in inside
    assert "_shipped/models/street-multi/weights.safetensors" in inside
    assert not [name for name in inside if name.startswith("_shipped/reports")]
    assert "report/templates/report.html.j2" in inside
    assert "py.typed" in inside
    assert all(name.startswith(("robustbench_seg/", "robustbench_seg-")) for name in names)
    assert not [name for name in names if name.endswith((".sqlite", ".pyc", ".pt"))]
    assert wheel.stat().st_size < 40 * 2**20
