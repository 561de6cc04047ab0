"""What a source of attacks is: a library, what is known of each of its attacks, and attacks with its parameters."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import inspect
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from robustbench_seg.attacks.sources.adapter import LibraryAttack, Works
from robustbench_seg.attacks.step_size import Share, read_step_size
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import Entry, described, unknown

README = "see attacks/README.md"


@dataclass(frozen=True)
class Refused:
    """Why an attack does not work on dense labels ("it …"), and what does instead."""

    reason: str
    instead: str = ""

    def __str__(self) -> str:
        return f"{self.reason}; {self.instead}" if self.instead else self.reason


class AttackSource(ABC):
    """The attacks of a library. Errors are one line; what is listed is known without the library.

    `name` is what `-a NAME:ATTACK` begins with, `distribution` what packages call the library, `adapter` runs attacks.
    """

    name: ClassVar[str]
    distribution: ClassVar[str]
    adapter: ClassVar[type[LibraryAttack]]
    attacks: ClassVar[Mapping[str, Works | Refused]]

    @abstractmethod
    def require(self) -> None:
        """UsageError saying how to install the library where it is not there."""

    @abstractmethod
    def target(self, name: str) -> Callable[..., Any]:
        """The class or function of that name; raises what importing it raises."""

    def entry(self, name: str) -> Entry:
        """The attack of that name; UsageError where there is none, where it is refused and without the library."""
        how = self.attacks.get(name)
        if how is None:
            raise UsageError(unknown(f"attack of {self.distribution}", name, self.attacks))
        full = f"{self.name}:{name}"
        if isinstance(how, Refused):
            raise UsageError(self.said(name))
        self.require()
        try:
            made = adapted(self.adapter, full, self.target(name), how)
        except Exception as error:
            raise UsageError(f"attack '{full}' of this version cannot be used: {described(error)}") from error
        origin = f"{self.distribution} {importlib.metadata.version(self.distribution)}"
        return Entry(full, origin, (made.__doc__ or "").partition("\n")[0], lambda: made)

    def said(self, name: str) -> str:
        """What is to be said of one of the attacks to who asks for it: how it is given, or why it is refused."""
        full, how = f"{self.name}:{name}", self.attacks[name]
        is_refused = isinstance(how, Refused)
        return f"{full} does not work on dense labels: it {how}; {README}" if is_refused else f"it is {full}; {README}"


def adapted(base: type[LibraryAttack], name: str, target: Callable[..., Any], how: Works) -> type[LibraryAttack]:
    """An attack whose fields are the parameters of a class or function that have a number, flag or text as default.

    Its module is the target's, so that a run is continued with the same code of the library alone.
    """
    parameters = inspect.signature(target).parameters
    hidden = {how.epsilon, *how.held, *base.hidden}
    span = parameters[how.epsilon].default if how.epsilon else 0.0
    offered = [each for key, each in parameters.items() if key not in hidden]
    declared = [_field(each, span) for each in offered if isinstance(each.default, bool | int | float | str)]
    source, _, short = name.partition(":")
    made = dataclasses.make_dataclass(
        short,
        declared,
        bases=(base,),
        frozen=True,
        namespace={
            "name": name,
            "title": f"{short} ({source})",
            "norms": (how.norm,),
            "target": staticmethod(target),
            "how": how,
            "not_set": {
                how.epsilon: "it is the epsilon of -e or the protocol",
                **{key: f"dense labels leave it at {value!r}" for key, value in how.held.items()},
            },
        },
    )
    made.__name__ = made.__qualname__ = name
    made.__module__ = target.__module__
    told = (_described(target) or name, inspect.cleandoc(base.__doc__ or ""), how.caveat and f"Note: {how.caveat}.")
    made.__doc__ = "\n\n".join(filter(None, told))
    return made


def _field(parameter: inspect.Parameter, span: float) -> tuple[str, type, Any]:
    """A parameter as a field; a step size is as large a share of epsilon as in the library's defaults."""
    metadata: dict[str, Any] = {"parameter": parameter.name}
    # `gamma: float = 2`
    default = float(parameter.default) if parameter.annotation is float else parameter.default
    if parameter.name == "alpha" and span:
        default, metadata["read"] = Share(round(default / span, 6)), read_step_size
    return latin(parameter.name), type(default), field(default=default, metadata=metadata)


def latin(name: str) -> str:
    """A parameter's name with Greek letters spelt out, as in `gamma` and `scale_gamma`."""
    return "".join(
        letter if letter.isascii() else unicodedata.name(letter).rpartition("LETTER ")[2].lower() for letter in name
    )


def _described(target: Callable[..., Any]) -> str:
    """What the library says of it in its first paragraph, in one line."""
    return " ".join(inspect.cleandoc(target.__doc__ or "").partition("\n\n")[0].split())
