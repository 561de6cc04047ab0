"""Every registry, for `list` and `show`; each is defined beside what it holds."""

from __future__ import annotations

from typing import Any

from robustbench_seg.attacks.objectives.registry import OBJECTIVES
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.models.registry import MODELS, NETWORKS, POSE_NETWORKS
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.registry import Registry
from robustbench_seg.tasks.registry import TASKS

REGISTRIES: dict[str, Registry[Any]] = {
    registry.plural: registry
    for registry in (MODELS, NETWORKS, POSE_NETWORKS, ATTACKS, OBJECTIVES, DATASETS, PROTOCOLS, TASKS)
}
