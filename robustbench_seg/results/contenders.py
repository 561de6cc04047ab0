"""Two models to compare, each given as RUN or RUN:MODEL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.results.groups import Group
from robustbench_seg.results.merge import model_names
from robustbench_seg.results.rows import unique
from robustbench_seg.results.run import Run

_SAME = ("split", "n_images", "fingerprint")
"""What must be the same of a data set for numbers to be compared."""


@dataclass(frozen=True)
class Contender:
    """A model of a run, by the name that it has in that run."""

    run: Run
    model: str

    @property
    def datasets(self) -> list[str]:
        """The data sets that the model was measured on."""
        return unique([row.dataset for row in self.run.rows if row.model == self.model])


def contender(text: str) -> Contender:
    """The model that RUN or RUN:MODEL names.

    UsageError where the run has several models and none is named, or lacks the one that is; InputError where there is
    no such run.
    """
    folder, model = split(text)
    run = Run(folder)
    known = unique([row.model for row in run.rows])
    if not known:
        raise InputError(f"run '{folder}' has no result yet; give the command that made it again")
    if not model and len(known) > 1:
        raise UsageError(f"run '{folder}' has several models; name one: {', '.join(f'{folder}:{m}' for m in known)}")
    if model and model not in known:
        raise UsageError(f"run '{folder}': {unknown('model', model, known)}")
    return Contender(run, model or known[0])


def split(text: str) -> tuple[Path, str]:
    """The folder of RUN or RUN:MODEL, and the model or nothing; a folder may have a colon in its name."""
    folder, colon, model = text.rpartition(":")
    return (Path(folder), model) if colon and folder and not Path(text).is_dir() else (Path(text), "")


def side_by_side(a: Contender, b: Contender) -> tuple[list[Run], tuple[Group, Group]]:
    """The runs of two models, and each model as a group, as `differences.compare` takes them.

    UsageError where both are one model, InputError where they share no data set or its images differ.
    """
    is_one = a.run.folder.resolve() == b.run.folder.resolve()
    if is_one and a.model == b.model:
        raise UsageError(f"A and B are both {a.model} of '{a.run.folder}'; give two runs or two models of one")
    _refuse_other_data(a, b)
    runs = [a.run] if is_one else [a.run, b.run]
    names = model_names(runs)
    shown = names[0][a.model], names[-1][b.model]
    return runs, (Group(shown[0], shown[:1]), Group(shown[1], shown[1:]))


def _refuse_other_data(a: Contender, b: Contender) -> None:
    shared = [name for name in a.datasets if name in b.datasets]
    if not shared:
        sides = " and ".join(f"{', '.join(each.datasets)} ({each.model})" for each in (a, b))
        raise InputError(f"A and B have no data set in common: {sides}; evaluate both on one")
    for name in shared:
        facts = [_facts(each.run, name) for each in (a, b)]
        for what, first in facts[0].items():
            if facts[1].get(what, first) != first:
                values = f"{first} and {facts[1][what]}"
                raise InputError(f"A and B differ in the {what} of data set {name}: {values}; evaluate both on one")


def _facts(run: Run, dataset: str) -> dict[str, object]:
    listed: Sequence[dict[str, object]] = run.info.get("datasets", [])
    of_dataset = next((each for each in listed if each.get("name") == dataset), {})
    return {what: of_dataset[what] for what in _SAME if what in of_dataset}
