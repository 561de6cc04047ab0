"""How much memory a gradient takes, so that a batch fits, and what is said where memory runs out all the same."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
from torch import Tensor

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.registry import one_line

_SHARE = 0.5
"""Of the memory there is: backward, the attack's own tensors and everything else take the rest."""


def images_that_fit(context: WorkerContext, workers: int) -> int:
    """How many images a worker can take a gradient of at once, at least 1; `workers` share the device.

    On a GPU by the peak of what gradients of one and of two images allocate; elsewhere by what that of the first image
    keeps for its backward, which does not depend on what else is allocated. A model that fails is left to be reported
    where it is run.
    """
    device = context.execution.device
    try:
        fixed, each = _gpu_bytes(context, device) if _is_gpu(device) else (0, _kept_bytes(context))
    except Exception:
        return 1
    return max(1, int((_SHARE * _memory(device) / workers - fixed) / max(each, 1)))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, on a GPU or here."""
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "can't allocate memory" in str(error)


@contextlib.contextmanager
def enough_memory(what: str) -> Iterator[None]:
    """InputError where memory runs out in a block that cannot do with less by itself; `what` it was doing."""
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(
            f"memory ran out while {what} ({one_line(error)[:200]}); free some or give fewer --workers and the command "
            "again, or a smaller --batch-size in another folder"
        ) from error


def _kept_bytes(context: WorkerContext) -> int:
    storages: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with context.execution.uncompiled(), torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        context.gradient(context.first)
    parameters = {tensor.untyped_storage().data_ptr() for tensor in context.target_model.module.parameters()}
    return sum(size for pointer, size in storages.items() if pointer not in parameters)


def _gpu_bytes(context: WorkerContext, device: str) -> tuple[int, int]:
    """What a gradient allocates whatever the number of images, and for each of them."""
    # Also the first gradient on the device, which allocates what stays.
    kept = _kept_bytes(context)
    one, two = (_gpu_peak(context, device, count) for count in (1, 2))
    # Not less than it keeps: cuDNN's workspace may be smaller for two images than for one.
    each = max(two - one, kept)
    return max(one - each, 0), each


def _gpu_peak(context: WorkerContext, device: str, count: int) -> int:
    batch = context.first_images(count)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    with context.execution.uncompiled():
        context.gradient(batch)
    return torch.cuda.max_memory_allocated(device) - before


def _is_gpu(device: str) -> bool:
    return torch.device(device).type == "cuda"


def _memory(device: str) -> int:
    """Bytes of the device: all of a machine's, what is free of a GPU's."""
    if _is_gpu(device):
        # What this process holds for later is free too.
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
