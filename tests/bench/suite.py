"""All benchmarks by name, in the order they are run and published."""

from __future__ import annotations

from tests.bench.benchmark import Benchmark
from tests.bench.gpu import GPU
from tests.bench.grid import Grid, GridResNet18
from tests.bench.images import Images
from tests.bench.overhead import Overhead
from tests.bench.ray_engine import RayEngine
from tests.bench.scaling import Sizes, Steps
from tests.bench.shares import Shares
from tests.bench.startup import Startup

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Overhead(),
        Grid(),
        GridResNet18(),
        Images(),
        RayEngine(),
        Startup(),
        Shares(),
        Steps(),
        Sizes(),
        GPU(),
    )
}
