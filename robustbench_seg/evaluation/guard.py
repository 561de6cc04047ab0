"""What all configurations of a work item share, watched: weights, buffers, labels and clean outputs must not change."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.sweep import AttackSweep, version
from robustbench_seg.transfer import fetch


class Guard:
    """The state of a context's module at the start, which every configuration has to leave as it was.

    All that follows a change would be of another model. Some writes leave a tensor's version as it is (through `.data`,
    or a buffer that is replaced), others its sum.
    """

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._module = context.target_model.module
        self._versions, self._sums = _versions(self._module), _sums(self._module)
        self._seen: list[tuple[str, Tensor]] = []

    def look(self, sweeps: Iterable[AttackSweep], what: str = "") -> None:
        """Look at what `what` left; InputError where it shows at once that something changed."""
        name = " under ".join(part for part in (self._context.model.name, what) if part)
        if any(sweep.is_written for sweep in sweeps):
            raise InputError(f"{name}: an objective or loss wrote into labels or clean outputs; let it work on a clone")
        if _versions(self._module) != self._versions:
            raise _changed(name)
        self._seen.append((name, (_sums(self._module) == self._sums).all()))

    def refuse_changes(self) -> None:
        """Wait; InputError for the first configuration after which the module was another one."""
        is_same = fetch(torch.stack([same for _, same in self._seen])).tolist() if self._seen else []
        for (name, _), same in zip(self._seen, is_same, strict=True):
            if not same:
                raise _changed(name)


def _changed(name: str) -> InputError:
    return InputError(f"{name}: weights or buffers of the model changed in evaluation; mend the model or attack")


def _state(module: nn.Module) -> list[Tensor]:
    state = (value.detach() for value in itertools.chain(module.parameters(), module.buffers()))
    return [value for value in state if value.is_floating_point()]


def _versions(module: nn.Module) -> list[int]:
    return [version(value) for value in _state(module)]


def _sums(module: nn.Module) -> Tensor:
    """The sum of each weight and buffer, in float64 on the device."""
    sums = [value.double().sum().nan_to_num() for value in _state(module)]
    return torch.stack(sums) if sums else torch.zeros(0)
