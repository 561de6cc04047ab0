"""What must hold of an attack's tensors, looked at when it is due and not in each step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import fetch


@dataclass(frozen=True, eq=False)
class _Expectation:
    """A 0-dimensional bool tensor, what is raised unless it is true, and what is done before that."""

    holds: Tensor
    error: Exception
    otherwise: Callable[[], object]


class Expectations:
    """Expectations of one attack, in the order in which they came up.

    Those with an equal error are one, so that steps do not pile them up.
    """

    def __init__(self) -> None:
        self._by_error: dict[str, _Expectation] = {}

    def add(self, holds: Tensor, error: Exception, otherwise: Callable[[], object] = lambda: None) -> None:
        """Expect a bool tensor to be true throughout; unless it is, `settle` calls `otherwise` and raises `error`.

        Of equal errors the first `otherwise` is kept: it knows what was there before anything went wrong.
        """
        known = self._by_error.get(repr(error))
        together = holds.all() if known is None else known.holds & holds.all()
        self._by_error[repr(error)] = _Expectation(together, error, otherwise if known is None else known.otherwise)

    def settle(self) -> None:
        """Wait for all of them, raise the error of the first that does not hold, and expect nothing any more."""
        expected = list(self._by_error.values())
        self._by_error.clear()
        if not expected:
            return
        answers = fetch(torch.stack([one.holds for one in expected])).tolist()
        broken = [one for one, holds in zip(expected, answers, strict=True) if not holds]
        for one in broken:
            one.otherwise()
        if broken:
            raise broken[0].error
