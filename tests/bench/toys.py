"""Every benchmark at a size at which it takes seconds, on a CPU, and means nothing."""

from __future__ import annotations

from typing import Any

from tests.bench.benchmark import Benchmark
from tests.bench.foretold import Foretold
from tests.bench.gpu_evaluate import GPUEvaluate
from tests.bench.gpu_grid import GPUGrid, GPUGridDeep
from tests.bench.gpu_pgd import GPUPGD, GPUPGDDeep
from tests.bench.grid import Grid, GridHalf, GridResNet18
from tests.bench.head import Head
from tests.bench.images import Images
from tests.bench.kernels import KernelChoices
from tests.bench.overhead import Overhead
from tests.bench.ray_engine import RayEngine
from tests.bench.scale import Scale
from tests.bench.scaling import Sizes, Steps
from tests.bench.shares import Shares
from tests.bench.startup import Startup
from tests.bench.subjects import Training

_TRAINING = Training(steps=1, batch=1, frames=1, crop=(64, 64))
_SMALL: dict[str, Any] = {
    "repeats": 1,
    "budget": 600.0,
    "frame": (32, 64),
    "enlarged": (1,),
    "pixels": 32 * 64,
    "variants": ("fp32",),
    "training": _TRAINING,
}
TOYS: dict[str, Benchmark] = {
    toy.name: toy
    for toy in (
        Overhead(repeats=1, steps=2, images=2, models=("street-single",)),
        Grid(images=2, dataset="street", model="street-single"),
        GridHalf(repeats=1, images=2, dataset="street", model="street-single"),
        GridResNet18(repeats=1, images=1, dataset="street", training_steps=1),
        KernelChoices(images=2),
        Images(repeats=1, counts=(2, 3, 4), size="32x64"),
        RayEngine(repeats=1, images=400, images_short=2, size="32x64", engines=("other", "local")),
        Startup(repeats=1),
        Shares(repeats=1, images=2),
        Steps(repeats=1, steps=(1, 2, 3), images=2),
        Sizes(repeats=1, sizes=("64x64", "64x96", "64x128"), images=1),
        Scale(protocols=("quick",), models=2, images=4, gpus=(1, 2, 3)),
        Foretold(repeats=1, images=12, images_short=1, size="32x64", sides=("local 1",)),
        Head(1, "fast-strong", models=1, workers=2, images=20, masks=2, images_with_masks=20, ray_workers=0),
        GPUPGD(**{**_SMALL, "steps": 1, "enlarged": (1, 2), "variants": ("plain fp32", "fp32", "bf16")}),
        GPUGrid(**_SMALL),
        GPUEvaluate(budget=600.0, images=2, frame=(32, 64), enlarged=1, training=_TRAINING),
        GPUPGDDeep(steps=1, **_SMALL),
        GPUGridDeep(**_SMALL),
    )
}
