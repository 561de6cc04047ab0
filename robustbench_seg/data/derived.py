"""Labels that are computed where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WithDerived(Mapping[str, object]):
    """Labels, and one more, `key`, which `derive` makes of them where it is asked for.

    It serves what takes long and few tasks look at: normals of an image of Cityscapes take half a second.
    """

    labels: Mapping[str, object]
    key: str
    derive: Callable[[Mapping[str, object]], object]

    def __getitem__(self, key: str) -> object:
        return self.derive(self.labels) if key == self.key else self.labels[key]

    def __contains__(self, key: object) -> bool:
        return key == self.key or key in self.labels

    def __iter__(self) -> Iterator[str]:
        yield from (*self.labels, self.key)

    def __len__(self) -> int:
        return len(self.labels) + 1
