"""From the text of an objective (`depth`, `loss:cls`, `hide:person@semantic`) to the objects it stands for."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.attacks.objectives.base import Description, Objective, Role, Tasks
from robustbench_seg.attacks.objectives.registry import OBJECTIVES, TASK_LOSS
from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.registry import is_task


def parse_objective(text: str, tasks: Tasks) -> Sequence[Objective]:
    """The objectives a text stands for, given the tasks at hand; one per task where it names none (`hide:person`).

    A task that is not among `tasks` gives none (the caller notes it); a text that means nothing raises UsageError.
    """
    kind, argument = _split(text)
    try:
        return OBJECTIVES.get(kind).parse(argument, tasks)
    except UsageError as error:
        raise UsageError(f"objective '{text}': {error}") from None


def describe(text: str) -> Description:
    """What an objective is called and attacks; read from its text where its kind or task is of a missing plugin."""
    try:
        kind, argument = _split(text)
        return OBJECTIVES.get(kind).describe(argument)
    except UsageError:
        if ":" not in text:
            return Description(text, "", Role.OWN, (text,))
        what, _, task = text.partition("@")
        return Description(what, what, attacks=(task,) if task else ())


def kind_of(text: str) -> str:
    """The kind of an objective by its name in the registry; UsageError for one that is not there."""
    return _split(text)[0]


def _split(text: str) -> tuple[str, str]:
    """The kind and the argument of a text; a text of one word is a task before it is a kind."""
    kind, colon, argument = text.partition(":")
    if not colon:
        return (TASK_LOSS, text) if is_task(text) or text not in OBJECTIVES else (text, "")
    if kind not in OBJECTIVES:
        known = ", ".join(name for name in OBJECTIVES if name != TASK_LOSS)
        raise UsageError(f"objective '{text}': unknown kind '{kind}:'; known: {known}, or a task's name")
    return kind, argument
