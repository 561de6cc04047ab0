"""What became of pixels that are pushed towards a target which is itself a prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from robustbench_seg.attacks.objectives.base import target_counts
from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.base import Outputs
from robustbench_seg.tasks.dense import DenseTask


def pixel_outcome(
    task: DenseTask, pushed: Tensor, clean: Tensor, target: Tensor
) -> Callable[[Outputs], Mapping[str, Tensor]] | None:
    """What counts the pushed pixels (N,H,W) that are no longer as on the clean image, and those that are as the target.

    `clean` and `target` are predictions (N,...,H,W). A pixel that was like its target before is none. None where the
    task does not say what is alike.
    """
    alike = task.alike()
    if alike is None:
        return None
    targets = pushed & ~alike(clean, target)

    def outcome(outputs: Outputs) -> Mapping[str, Tensor]:
        now = task.prediction(outputs[task.key])
        return target_counts(targets, ~alike(now, clean), alike(now, target))

    return outcome
