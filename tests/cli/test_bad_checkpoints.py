"""Every kind of bad checkpoint: one line, the right exit code, nothing run, no more memory than the file's size."""

import re
from pathlib import Path

import pytest

from tests.cli.bad_checkpoints import AS_MODELS, BAD, CODE, MARKER, NET, Bad

ALLOWED = 256 << 20
CLEAR, STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def memory(which: str) -> int:
    """`VmRSS` or `VmHWM` (the peak since it was last cleared) of this process, in bytes."""
    (kilobytes,) = re.findall(rf"^{which}:\s+(\d+) kB$", STATUS.read_text(), re.MULTILINE)
    return int(kilobytes) << 10


@pytest.fixture
def refused(robustseg, tmp_path, monkeypatch, recwarn):
    """Gives a bad file to the command, as weights or as the model; checks all that must hold of every kind."""

    def run(bad: Bad, as_model: bool = False) -> str:
        monkeypatch.chdir(tmp_path)
        Path("net.py").write_text(NET)
        bad.write(Path("w.pth"))
        recwarn.clear()
        given = f"w.pth{bad.given}"
        model = ("-m", given) if as_model else ("-m", "net.py:net", "--weights", given)
        if CLEAR.exists():
            CLEAR.write_text("5")
            before = memory("VmRSS")
        code, out, err = robustseg("evaluate", *model, "-d", "toy", *bad.options)
        if CLEAR.exists():
            assert memory("VmHWM") - before < ALLOWED
        assert code == bad.code, err
        assert err.count("\n") == 1, err
        assert err.startswith("robustseg: ")
        assert err.strip().isprintable()
        assert "w.pth" in err
        assert bad.named in err
        for raw in ("Traceback", "Weights only load failed", "weights_only=True", "UnpicklingError", "miniz"):
            assert raw not in out + err
        assert not Path(MARKER).exists()
        assert not recwarn.list
        return err

    return run


def test_there_are_many():
    assert len(BAD) + len(AS_MODELS) >= 50


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", BAD)
def test_as_weights(name, refused):
    refused(BAD[name])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", AS_MODELS)
def test_as_the_model(name, refused):
    refused(AS_MODELS[name], as_model=True)


@pytest.mark.parametrize("name", [name for name in CODE if name.startswith(("a call", "eval"))])
def test_nobody_is_told_to_run_an_attack(name, refused):
    assert "weights_only=False" not in refused(CODE[name])


def test_code_as_the_model_has_no_factory(robustseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    code, _, err = robustseg("evaluate", "-m", "net.py", "-d", "toy")
    assert (code, err) == (2, "robustseg: model 'net.py': name what builds the network in it, -m net.py:FACTORY\n")
