"""All benchmarks by name, in the order they are run and published."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown
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

BENCHMARKS: dict[str, Benchmark] = {
    benchmark.name: benchmark
    for benchmark in (
        Overhead(),
        Grid(),
        GridHalf(),
        GridResNet18(),
        KernelChoices(),
        Images(),
        RayEngine(),
        Startup(),
        Shares(),
        Steps(),
        Sizes(),
        Scale(),
        Foretold(),
        Head(),
        GPUPGD(),
        GPUGrid(),
        GPUEvaluate(),
        GPUPGDDeep(),
        GPUGridDeep(),
    )
}


GROUPS = {"gpu": tuple(name for name in BENCHMARKS if name.startswith("gpu-"))}
"""Several benchmarks under one name."""


def varied(settings: Iterable[tuple[str, str, Any]], repeats: int | None = None) -> dict[str, Benchmark]:
    """All benchmarks with other sizes: (benchmark, field, value). UsageError for what is not there."""
    chosen = {name: one if repeats is None else replace(one, repeats=repeats) for name, one in BENCHMARKS.items()}
    for name, key, value in settings:
        if name not in chosen:
            raise UsageError(unknown("benchmark", name, chosen))
        fields = chosen[name].__dataclass_fields__
        if key not in fields:
            raise UsageError(unknown(f"field of {name}", key, fields))
        given = tuple(value) if isinstance(value, list) else value
        wanted = type(getattr(chosen[name], key))
        if type(given) is not wanted:
            raise UsageError(f"{name}.{key} = {value!r} must be of type {wanted.__name__}")
        changed: dict[str, Any] = {key: given}
        chosen[name] = replace(chosen[name], **changed)
    return chosen
