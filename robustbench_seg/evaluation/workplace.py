"""What one worker has at hand: every model and data set loaded once, every pair made ready once."""

from __future__ import annotations

import torch

from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair
from robustbench_seg.models.base import LoadedModel


class Workplace:
    """Loads what is asked for when it is asked for and keeps it. Preparation hands its own to a worker beside it."""

    def __init__(self, config: EvaluationConfig, execution: Execution) -> None:
        self._config = config
        self._execution = execution
        self._models: dict[int, LoadedModel] = {}
        self._datasets: dict[int, Dataset] = {}
        self._contexts: dict[tuple[int, int], WorkerContext] = {}

    def model(self, index: int) -> LoadedModel:
        """Return a model by its place in the request; InputError where memory runs out."""
        if index not in self._models:
            with enough_memory("a model was loaded"):
                self._models[index] = self._config.models[index].load()
        return self._models[index]

    def dataset(self, index: int) -> Dataset:
        """Return a data set by its place in the request."""
        if index not in self._datasets:
            self._datasets[index] = self._config.datasets[index].load()
        return self._datasets[index]

    def context(self, pair: Pair) -> WorkerContext:
        """Return the context of a pair; InputError where memory runs out."""
        key = pair.model, pair.dataset
        if key not in self._contexts:
            model, dataset = self.model(pair.model), self.dataset(pair.dataset)
            with enough_memory(f"model '{model.name}' was put on {self._execution.device}"):
                self._contexts[key] = WorkerContext(pair, model, dataset, self._execution, self._config.seed)
        return self._contexts[key]

    def known(self, pair: Pair) -> WorkerContext | None:
        """Return the context of a pair where it has been made."""
        return self._contexts.get((pair.model, pair.dataset))

    def leave(self) -> None:
        """Forget the contexts, for where other processes do the work, and give them the GPU's memory."""
        self._contexts.clear()
        torch.cuda.empty_cache()
