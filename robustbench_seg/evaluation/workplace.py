"""What one worker has at hand: every model and data set loaded once, every pair made ready once."""

from __future__ import annotations

import torch

from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.candidates import chosen
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair
from robustbench_seg.evaluation.segmenter import load_segmenter
from robustbench_seg.models.base import LoadedModel


class Workplace:
    """Loads what is asked for when it is asked for and keeps it. Preparation hands its own to a worker beside it."""

    def __init__(self, config: EvaluationConfig, execution: Execution) -> None:
        self._config = config
        self._execution = execution
        self._models: dict[int, LoadedModel] = {}
        self._datasets: dict[int, Dataset] = {}
        self._segmenters: dict[str, LoadedModel] = {}
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

    def segmenter(self, name: str) -> LoadedModel:
        """Return the frozen model of that name, which says what regions are; UsageError where it cannot."""
        if name not in self._segmenters:
            with enough_memory("a model was loaded"):
                self._segmenters[name] = load_segmenter(name)
        return self._segmenters[name]

    def name(self, pair: Pair) -> str:
        """Return what a pair is called."""
        return f"{self.model(pair.model).name} on {self.dataset(pair.dataset).name}"

    def context(self, pair: Pair) -> WorkerContext:
        """Return the context of a pair; InputError where memory runs out."""
        if (pair.model, pair.dataset) not in self._contexts:
            self.keep(self.opened(pair, chosen(self._execution, pair.faster)))
        return self._contexts[pair.model, pair.dataset]

    def opened(self, pair: Pair, execution: Execution) -> WorkerContext:
        """Return a new context of a pair, run in another way; InputError where memory runs out."""
        model, dataset = self.model(pair.model), self.dataset(pair.dataset)
        frozen = {name: self.segmenter(name) for name in pair.segmenters}
        with enough_memory(f"model '{model.name}' was put on {execution.device}"):
            return WorkerContext(pair, model, dataset, execution, self._config.seed, frozen)

    def keep(self, context: WorkerContext) -> None:
        """Take a context as that of its pair."""
        self._contexts[context.pair.model, context.pair.dataset] = context

    def known(self, pair: Pair) -> WorkerContext | None:
        """Return the context of a pair where it has been made."""
        return self._contexts.get((pair.model, pair.dataset))

    def close(self) -> None:
        """Leave undone what the host has not begun."""
        for context in self._contexts.values():
            context.host_work.close()

    def leave(self) -> None:
        """Forget the contexts, for where other processes do the work, and give them the GPU's memory."""
        self._contexts.clear()
        torch.cuda.empty_cache()
