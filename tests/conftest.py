"""The command, for tests of every part."""

import contextlib
import io
import sys

import pytest

from robustbench_seg.cli import main


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


@pytest.fixture(scope="session")
def quietly():
    """The command in this process, for fixtures of wider scope; (exit code, standard error)."""

    def run(*arguments):
        before, err = sys.argv, io.StringIO()
        sys.argv = ["robustseg", *map(str, arguments)]
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as e,
            ):
                main()
        finally:
            sys.argv = before
        return e.value.code or 0, err.getvalue()

    return run
