import sys
from pathlib import Path

import pytest

from robustbench_seg.cli import main
from robustbench_seg.registry import load_plugin

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


@pytest.fixture(autouse=True, scope="session")
def _toy():
    load_plugin(TOY)


@pytest.fixture
def robustseg(monkeypatch, capsys):
    """Run the command in this process; gives (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["robustseg", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capsys.readouterr()
        return stop.value.code or 0, out, err

    return run
