"""The engines there are, imported when they are used."""

from __future__ import annotations

from collections.abc import Callable

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.engines.base import Engine
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.registry import lazy, unknown

ENGINES: dict[str, Callable[[], object]] = {
    "local": lazy("robustbench_seg.evaluation.engines.local:LOCAL"),
    "ray": lazy("robustbench_seg.evaluation.engines.ray_actors:RAY"),
}


def engine_of(config: EvaluationConfig) -> Engine:
    """Return the engine a request names; UsageError where there is none or where it cannot do what is asked."""
    name = config.engine
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    engine = ENGINES[name]()
    assert isinstance(engine, Engine)
    in_memory = [spec.name for spec in (*config.models, *config.datasets) if isinstance(spec, InMemory)]
    if engine.remote and (config.in_process or in_memory):
        what = " and ".join(in_memory) or "what is registered from Python"
        raise UsageError(f"engine '{name}' cannot send {what} to other processes; use engine 'local'")
    if config.timeout and config.in_process:
        raise UsageError(f"timeout {config.timeout:g}: work inside this process cannot be stopped; leave it out")
    return engine
