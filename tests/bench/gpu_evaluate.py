"""A whole `robustseg evaluate` on a GPU: images a second, and how busy the GPU is."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from robustbench_seg.data.base import Dataset
from robustbench_seg.street.dataset import Street
from tests.bench.benchmark import Benchmark
from tests.bench.gpu import TRAINING, Held, subject
from tests.bench.process import ROBUSTSEG, run
from tests.bench.record import Figure, figure
from tests.bench.subjects import Training
from tests.bench.timing import Deadline
from tests.bench.utilisation import Utilisation

BUSY = 90.0
_OPTIONS = {"strict fp32": (), "--fast": ("--fast",)}


@dataclass(frozen=True)
class GPUEvaluate(Benchmark):
    """The command, from start to report, on files; the fraction of the time that a start takes falls with `images`."""

    name: ClassVar[str] = "gpu-evaluate"
    what: ClassVar[str] = "GPU utilisation over `robustseg evaluate -p klingner2020` of a ResNet-18 U-net, from files"
    devices: ClassVar[tuple[str, ...]] = ("cuda",)

    budget: float = 55.0
    images: int = 32
    frame: tuple[int, int] = (256, 512)
    enlarged: int = 4
    training: Training = TRAINING

    def figures(self, device: str) -> Iterator[Figure]:
        """Seconds and utilisation, in strict fp32 and as `--fast` chooses."""
        deadline = Deadline(self.budget)
        given = subject("resnet18", self.frame, self.training, device).arguments
        with tempfile.TemporaryDirectory() as folder:
            frames = Held(Street(size=self.frame), min(4, self.images), self.enlarged)
            data = _files(frames, self.images, Path(folder) / "data")
            for name, options in _OPTIONS.items():
                if deadline.left > 0:
                    out = Path(folder) / name
                    work = ("-d", data, "-p", "klingner2020", "--device", device, "--workers", "1", "-o", out)
                    yield from self._run(name, [*ROBUSTSEG, "evaluate", *given, *work, *options], out)
        yield figure("budget", "median", {"spent": [deadline.spent]}, at_most=self.budget)

    def _run(self, name: str, command: list[str | Path], out: Path) -> Iterator[Figure]:
        with Utilisation() as seen:
            seconds = run(command).seconds
        info = json.loads((out / "run.json").read_text(encoding="utf-8"))
        if info["failures"]:
            raise RuntimeError(f"cells failed: {info['failures']}")
        notes = {"how": "; ".join(note for note in info["notes"] if note.startswith("fast"))} if "fast" in name else {}
        numbers = {"images/s": self.images / seconds, "batch": float(info["batch_size"])}
        if not seen.samples:
            notes["utilisation"] = "not measured, there is no nvidia-smi"
        yield figure(f"seconds, {name}", "median", {name: [seconds]}, numbers=numbers, notes=notes)
        if seen.samples:
            numbers = {"from the first busy moment to the last": seen.working}
            yield figure(f"utilisation, {name}", "median", {name: [seen.whole]}, "%", at_least=BUSY, numbers=numbers)


def _files(frames: Dataset, count: int, folder: Path) -> str:
    """`folder:FOLDER` with so many images, the frames again and again."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for index in range(count):
        sample = frames[index % len(frames)]
        pictures = {"images": sample.image, "labels": np.asarray(sample.labels["semantic"], np.uint8)}
        for part, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / part / f"{index:03d}.png", compress_level=1)
    toml = f'name = "{frames.name}"\nclasses = "{frames.classes.name}"\n'
    (folder / "dataset.toml").write_text(toml, encoding="utf-8")
    return f"folder:{folder}"
