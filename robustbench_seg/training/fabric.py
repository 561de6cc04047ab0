"""Several devices through Lightning Fabric: one process per device, each with its part of every batch."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, distributed, nn

from robustbench_seg.errors import UsageError
from robustbench_seg.training.batches import Part

try:
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy
except ImportError as error:
    raise UsageError(f"--devices needs Lightning Fabric ({error}); pip install 'robustbench-seg[fabric]'") from error

# What it tells at the start is for its developers.
logging.getLogger("lightning_fabric").setLevel(logging.WARNING)


class Several:
    """The processes of a training on several devices of this machine; the command is run again for each but the first.

    A batch is split into equal parts; item i's augmentation is what it is on one device. Gradients are averaged over
    devices, so that a loss that is a mean over images has the gradient it has on one. Other than on one device are:
    what BatchNorm normalises by (the statistics of a part; the first process's are kept), losses that are means over
    the pixels, instances or weights of a batch (means of the parts' means), the geometric mean of losses, and dropout.
    """

    def __init__(self, device: str, count: int) -> None:
        kind, _, index = device.partition(":")
        if index:
            raise UsageError(f"--device {device} is a single one; with --devices {count} give --device {kind}")
        if kind == "cuda" and torch.cuda.device_count() < count:
            raise UsageError(f"--devices {count}: this machine has {torch.cuda.device_count()}")
        self._strategy = DDPStrategy(find_unused_parameters=True)
        self._fabric = Fabric(accelerator=kind, devices=count, strategy=self._strategy)
        self.device = self._fabric.device
        self.part = Part(self._fabric.global_rank, self._fabric.world_size)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Start the other processes; at the end all wait for the first, which may have something to write."""
        self._fabric.launch()
        try:
            yield
            self._fabric.barrier()
        except BaseException:
            # They would wait for this one; the first alone has any.
            for process in self._strategy.launcher.procs:
                process.kill()
            raise
        distributed.destroy_process_group()

    def begin(self, seed: int, step: int) -> None:
        """Seed the random numbers of the step (dropout): with nothing kept, a resumed run has the same."""
        entropy = np.random.SeedSequence((seed, step, self.part.index)).generate_state(1, np.uint64)
        torch.manual_seed(int(entropy[0] >> 1))

    def shared(self, loss: nn.Module) -> nn.Module:
        """DDP of the loss."""
        wrapped: nn.Module = self._strategy.setup_module(_Anchored(loss, self.device))
        return wrapped

    def mean(self, loss: Tensor) -> Tensor:
        """The mean of the processes' losses."""
        # Not Fabric's, which waits for all processes first.
        total: Tensor = loss / self.part.count
        distributed.all_reduce(total)
        return total


class _Anchored(nn.Module):
    """A loss and two parameters of no effect, one that it depends on and one that it does not.

    DDP waits for ever for a process whose loss depends on none (a part without a label), and warns of one whose loss
    depends on all.
    """

    def __init__(self, loss: nn.Module, device: torch.device) -> None:
        super().__init__()
        self.loss = loss
        self.used, self.unused = (nn.Parameter(torch.zeros((), device=device)) for _ in range(2))

    def forward(self, batch: object) -> Tensor:
        loss: Tensor = self.loss(batch)
        return loss + 0 * self.used
