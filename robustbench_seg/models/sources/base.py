"""What a source of networks is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn


class Source(ABC):
    """Networks by name: `-m SOURCE:NAME`. Errors are one line.

    `is_random` says that they come without weights.
    """

    is_random: ClassVar[bool] = False

    def options(self, name: str) -> Mapping[str, Any]:
        """What is known of the network's inputs, outputs and classes, as `load_checkpoint` takes it."""
        return {}

    def note(self, name: str, options: Mapping[str, Any]) -> str:
        """What a user of the network must know, opened with these options; empty where that is nothing."""
        return "its weights are random; give --weights FILE" if self.is_random and not options.get("weights") else ""

    @abstractmethod
    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network; one whose file says its classes takes no notice of their number."""

    def kept(self, name: str) -> str:
        """What builds the network again, without weights, from a card alone; UsageError where nothing does."""
        return name

    def rebuilt(self, kept: str, num_classes: int) -> nn.Module:
        """The network that `kept` stands for, with fresh weights."""
        return self.network(kept, num_classes)
