"""The command `robustseg`. Modules here are thin: each parses options and calls the library."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import warnings
from collections.abc import Iterator

import click

from robustbench_seg.cli.signals import STOPPED, Stopped, stoppable
from robustbench_seg.errors import RobustsegError

_COMMANDS = {
    "evaluate": ("evaluate", "Evaluate models under attacks and leave a report."),
    "report": ("report", "Rebuild a run's figures and page."),
    "plot": ("plot", "Compare several runs or models."),
    "compare": ("compare", "Say which of two models retains more."),
    "relationships": ("relationships", "What attacking one task does to the others."),
    "list": ("listing", "List models, attacks, objectives, data sets, protocols or tasks."),
    "show": ("listing", "Show one of them in full."),
    "train": ("train", "Train a model from a recipe."),
    "check": ("check", "Check that a model can be evaluated."),
    "data": ("data", "Look at data before a model sees them: `data check ROOT`."),
    "card": ("card", "Keep a library's network as a folder with a card and weights."),
}


class _Commands(click.Group):
    """Commands are imported when they run; the help text needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"robustbench_seg.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, from the index alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


_HELP = """Robustness of segmentation and multi-task models at equal signal-to-noise ratio.

\b
robustseg evaluate                       the shipped pair on the embedded data, minutes on two cores
robustseg evaluate -m MODEL -d DATASET   your choice; see `robustseg list models`
"""


@click.command(
    cls=_Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="robustbench-seg", prog_name="robustseg")
def group() -> None:
    """All commands."""


def main() -> None:
    """Run the command; errors are one line.

    Exit codes: 0 done, 1 some cells failed, 2 usage, 3 input, 4 done but not to be believed, 130 stopped by Ctrl-C
    (143 by SIGTERM).
    """
    try:
        with stoppable(), _quiet():
            code = _run()
    except Stopped as stopped:
        code = _fail(STOPPED, stopped.exit_code)
    sys.exit(code)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Libraries' warnings are for developers: here and in workers they are shown only where Python is asked to (-W)."""
    if sys.warnoptions:
        yield
        return
    os.environ["PYTHONWARNINGS"] = "ignore"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            del os.environ["PYTHONWARNINGS"]


def _run() -> int:
    code = 0
    try:
        result = group.main(standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except RobustsegError as error:
        code = _fail(str(error), error.exit_code)
    except click.exceptions.Exit as error:
        code = error.exit_code
    except click.ClickException as error:
        code = _fail(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        code = _fail(STOPPED, 130)
    except SystemExit as error:
        # Commands return: this is a plugin's, a model's or a data set's, and says nothing about the work.
        code = _fail(f"something that was loaded ended the command (exit {error.code}); take the exit out of it", 3)
    except BrokenPipeError:
        code = 0
    except OSError as error:
        code = _fail(f"'{error.filename or 'file'}': {error.strerror or error}; check the disk and -o", 3)
    return code


def _fail(text: str, code: int) -> int:
    click.echo(f"robustseg: {' '.join(text.split())}", err=True)
    return code
