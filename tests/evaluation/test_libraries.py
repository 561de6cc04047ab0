"""Attacks of other libraries in a whole run."""

from __future__ import annotations

import pytest

from robustbench_seg.attacks import advlib
from robustbench_seg.protocol import read_protocol

PROTOCOL = """
[[attack]]
name = "torchattacks:FFGSM"
epsilons = [1, 4]

[[attack]]
name = "torchattacks:FFGSM"
epsilons = [4]
params = { alpha = 1 }

[[attack]]
name = "torchattacks:PGDL2"
epsilons = [4]
params = { steps = 2 }
"""
ADVLIB = """
[[attack]]
name = "advlib:pdgd"
params = { num_steps = 3 }
"""


@pytest.fixture
def protocol(tmp_path):
    """Attacks of the libraries that are installed, out of a file."""
    path = tmp_path / "others.toml"
    path.write_text(PROTOCOL + (ADVLIB if advlib.is_installed() else ""))
    return read_protocol(path)


@pytest.mark.slow
def test_a_protocol_of_others_attacks(run_in, tmp_path, protocol):
    run = run_in(tmp_path / "one", "toy-single", protocol=protocol, limit=3, batch_size=3)
    rows = run.summary.set_index(["attack", "epsilon"])
    labels = {"clean", "torchattacks:FFGSM", "torchattacks:FFGSM[alpha=1]", "torchattacks:PGDL2"}
    assert set(run.summary.attack) == labels | ({"advlib:pdgd"} if advlib.is_installed() else set())
    assert set(run.summary.status) == {"ok"}
    assert rows.loc[("torchattacks:PGDL2", 4.0)].rms.to_numpy() == pytest.approx(4, rel=1e-5)
    assert rows.loc[("torchattacks:FFGSM", 4.0)].linf.max() == pytest.approx(4, abs=1e-4)
    origins = {plugin["name"]: plugin["origin"] for plugin in run.info["plugins"] if plugin["kind"] == "attacks"}
    assert origins["torchattacks:FFGSM"].startswith("torchattacks 3.")
    assert origins.get("advlib:pdgd", "adv-lib").startswith("adv-lib")
    again = run_in(tmp_path / "two", "toy-single", protocol=protocol, limit=3, batch_size=2, workers=2)
    assert again.summary.value.to_numpy() == pytest.approx(run.summary.value.to_numpy(), abs=1e-6)
