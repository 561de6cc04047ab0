"""What an evaluation is asked to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.protocol import Protocol
from robustbench_seg.registry import unknown

PRECISIONS = ("fp32", "tf32", "bf16")


@dataclass(frozen=True)
class EvaluationConfig:
    """A whole evaluation, as asked for. `batch_size` 0 chooses one; `workers` 0 is one per core (one on a GPU).

    `limit` is a number of images; `budget`, in minutes, takes as many of them as are estimated to fit into it.
    `precision` is that of gradients: fp32, bf16, or tf32 on a GPU. `eot` is how many draws of a random model's numbers
    a gradient is the mean of (expectation over transformation). `fast` finds out on the first images how gradients are
    taken fastest without making attacks weaker, and chooses precision and compilation itself.
    `quantise` scores every perturbed image a second time, rounded to 8 bits. `timeout` is in seconds per work item (a
    batch of images), 0 for none; `engine` one of engines.base.ENGINES. `in_process` keeps the work in threads of this
    process, for what another one could not see: objects in memory, attacks registered from Python, scripts that must
    not be imported twice.
    """

    models: Sequence[ModelSpec | InMemory]
    datasets: Sequence[DataSpec | InMemory]
    protocol: Protocol
    tasks: Sequence[str] | None = None
    limit: int | None = None
    budget: float | None = None
    seed: int = 0
    batch_size: int = 0
    device: str = "auto"
    precision: str = "fp32"
    compile: bool = False
    plain: bool = False
    fast: bool = False
    eot: int = 1
    engine: str = "local"
    workers: int = 0
    timeout: float = 0
    save_images: bool = False
    quantise: bool = False
    plugins: Sequence[str] = ()
    in_process: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        least = {"limit": 1, "eot": 1, "batch_size": 0, "workers": 0, "timeout": 0}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise UsageError(f"{name} {value} must be >= {bound}")
        if self.precision not in PRECISIONS:
            raise UsageError(unknown("precision", self.precision, PRECISIONS))


def refuse_chosen(config: EvaluationConfig) -> None:
    """UsageError where what `fast` chooses is given too."""
    given = {"precision": config.precision != "fp32", "compile": config.compile, "plain": config.plain}
    if config.fast and any(given.values()):
        listed = ", ".join(name for name, is_given in given.items() if is_given)
        raise UsageError(f"fast chooses how a model is run; leave out {listed}")


def refuse_precision(precision: str, device: str) -> None:
    """UsageError where the device cannot compute in it."""
    if precision == "tf32" and torch.device(device).type != "cuda":
        raise UsageError(f"precision tf32 is for a GPU, not for device '{device}'; give fp32 or bf16")


def refuse_shared_tf32(config: EvaluationConfig, device: str) -> None:
    """UsageError where gradients in TF32 would be taken beside another worker's scores: it is the process's switch."""
    may_switch = torch.device(device).type == "cuda" and (config.fast or config.precision == "tf32")
    if may_switch and config.in_process and config.workers > 1:
        asked = "fast may choose TF32, which" if config.fast else "precision tf32"
        raise UsageError(f"{asked} is for a whole process, and its {config.workers} workers share this one; give 1")


def resolve_device(name: str) -> str:
    """Return the GPU for `auto` where there is one, else the CPU; UsageError for a device that is not here."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"device '{name}' is not available here; give --device cpu or auto") from error
    return name
