"""An evaluation made concrete: models and data loaded and checked, the plan made, a run folder compared."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.evaluation.batch import first_sample
from robustbench_seg.evaluation.budget import images_within, refuse_budget
from robustbench_seg.evaluation.candidates import chosen
from robustbench_seg.evaluation.config import (
    EvaluationConfig,
    refuse_chosen,
    refuse_precision,
    refuse_shared_tf32,
    resolve_device,
)
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.earlier import refuse_other, stored_identity, stored_images, stored_meta
from robustbench_seg.evaluation.engines.base import engine_of
from robustbench_seg.evaluation.estimate import Estimate, PairCost, estimate
from robustbench_seg.evaluation.fitting import FitStage, fit_work, images_to_fit_on
from robustbench_seg.evaluation.job import Artefacts, Job, Pictures
from robustbench_seg.evaluation.memory import images_that_fit, is_out_of_memory
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair, Plan, WorkItem, identity, plan_pair
from robustbench_seg.evaluation.probing import CheckStage, check_work, checked_pairs
from robustbench_seg.evaluation.provenance import code
from robustbench_seg.evaluation.size import measure_size
from robustbench_seg.evaluation.timing import Timing, measure_timing
from robustbench_seg.evaluation.training_images import training_images
from robustbench_seg.evaluation.trials import FAST, FastStage, Records, notes_of, with_choices
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.float32 import tf32
from robustbench_seg.models.adapters.sizes import advice
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.registry import described
from robustbench_seg.results.manifest import PairManifest, RunManifest
from robustbench_seg.results.store import Store
from robustbench_seg.tasks.names import kind_of
from robustbench_seg.tasks.registry import load_tasks

_PIXELS_A_BATCH = 8 * 96 * 192
_PIXELS_ON_A_GPU = 16 * 1024 * 2048
"""More at once are not faster, and an interruption loses less with fewer."""
_MOST_IMAGES = 64


class PreparedEvaluation:
    """An evaluation with everything loaded and checked, and the plan made.

    `budget_note` says how many images a budget has left of each data set; empty without one. `fast` is what was found
    of every pair where it was asked how to run it fastest.
    """

    def __init__(self, config: EvaluationConfig, folder: Path | None = None) -> None:
        if config.budget is not None:
            refuse_budget(config.budget)
        self.config = config
        self.engine = engine_of(config)
        self.device = resolve_device(config.device)
        refuse_precision(config.precision, self.device)
        refuse_shared_tf32(config, self.device)
        refuse_chosen(config)
        self.execution = Execution(self.device, config.precision, config.compile, config.plain, config.eot)
        self.workplace = Workplace(config, self.execution)
        self.models: list[LoadedModel] = [self.workplace.model(i) for i in range(len(config.models))]
        self.datasets: list[Dataset] = [self.workplace.dataset(i) for i in range(len(config.datasets))]
        _refuse_twice("model", [model.name for model in self.models])
        _refuse_twice("data set", [dataset.name for dataset in self.datasets])
        self._threads = 1 if self.device == "cpu" else torch.get_num_threads()
        self.plan = self._plan(stored_identity(folder))
        self.training = {
            d: training_images(config.datasets[d], self.datasets[d], count)
            for d, count in images_to_fit_on(self.plan.pairs).items()
        }
        self.fast = self._found(folder) if config.fast else {}
        self.plan = with_choices(self.plan, self.workplace, self.fast)
        self.budget_note = ""
        if config.budget is not None:
            self._keep_to(config.budget, folder)
        self.identity = identity(self.plan, self.models, self.datasets, config.protocol) | {
            "plain": config.plain,
            "compile": config.compile,
            "device": torch.device(self.device).type,
            "code": code(config.plugins, {ATTACKS.get(plan.name) for plan in config.protocol.attacks}),
        }
        if config.quantise:
            self.identity["quantise"] = True
        if config.fast:
            self.identity[FAST] = {name: record["kept"] for name, record in self.fast.items()}
        if config.eot > 1:
            self.identity["eot"] = config.eot
        if segmenters := self.segmenters:
            self.identity["segmenters"] = [[name, model.sha256] for name, model in segmenters.items()]
        if self.training:
            self.identity["fitted_on"] = [
                [self.datasets[d].name, len(images), images.digest] for d, images in self.training.items()
            ]
        if folder is not None:
            self.refuse_other(folder)

    def refuse_other(self, folder: Path) -> None:
        """UsageError where the folder holds another run, or more images of this one."""
        refuse_other(folder, self.identity, self.manifest)

    @property
    def segmenters(self) -> dict[str, LoadedModel]:
        """The frozen models that tasks have regions of, by name."""
        return {name: self.workplace.segmenter(name) for pair in self.plan.pairs for name in pair.segmenters}

    @property
    def workers(self) -> int:
        """Workers to use: as asked, or one per core on a CPU and one on a GPU."""
        return self.config.workers or (1 if self.device != "cpu" else len(os.sched_getaffinity(0)))

    @cached_property
    def costs(self) -> list[PairCost]:
        """What an image of each pair takes, from a few runs of its model on the first image.

        Raises InputError where a model does not give what its tasks need, before any work is done.
        """
        return [self._cost(pair) for pair in self.plan.pairs]

    def estimate(self, store: Store | None = None) -> Estimate:
        """Return what the work costs that a store does not hold yet."""
        done = frozenset() if store is None else store.done()
        checked = frozenset() if store is None else checked_pairs(self.plan, store)
        costs = self.costs if any(self.plan.work_items(done)) else []
        return estimate(self.plan, costs, done, self.workers, checked)

    def estimate_left(self, folder: Path) -> Estimate:
        """Return what the run in a folder would cost from here on."""
        if stored_identity(folder) is None:
            return self.estimate()
        with Store(folder / "store.sqlite", create=False) as store:
            return self.estimate(store)

    @property
    def measured_notes(self) -> list[str]:
        """What was chosen by measuring, in lines."""
        return [*([self.budget_note] if self.budget_note else []), *notes_of(self.fast)]

    def how(self, pair: Pair) -> Execution:
        """Return how the model of a pair is run."""
        return chosen(self.execution, pair.faster)

    @property
    def folded(self) -> dict[str, bool]:
        """By model, whether BatchNorm is folded on every data set."""
        folded: dict[str, bool] = {}
        for pair in self.plan.pairs:
            name = self.models[pair.model].name
            folded[name] = self.workplace.context(pair).folded and folded.get(name, True)
        return folded

    def check(self, store: Store, report: Callable[[str], None]) -> None:
        """Look at the models before the work; see `CheckStage`."""
        with self._as_worker():
            CheckStage(self.plan, self.workplace, store).run(report)

    def fit(
        self, folder: Path, store: Store, work_items: Sequence[WorkItem], report: Callable[[str], None]
    ) -> Artefacts:
        """Return what the fitted attacks of the work items are run with; see `FitStage`."""
        stage = FitStage(self.plan, self.workplace, self.training, folder, store)
        with self._as_worker():
            return stage.run(work_items, report)

    def job(self, folder: Path, artefacts: Artefacts | None = None) -> Job:
        """Return what the engine needs; `artefacts` are those that `fit` gave."""
        pictures = Pictures(self.plan.drawn, folder / "images" if self.config.save_images else None)
        return Job(self.config, self.plan, self.execution, pictures, artefacts or {})

    @property
    def manifest(self) -> RunManifest:
        """What the tables need, for the store."""
        return RunManifest(
            tuple(self._pair_manifest(pair) for pair in self.plan.pairs),
            self._by_dataset("groups"),
            self._by_dataset("ids"),
            self.config.seed,
        )

    def _plan(self, stored: Mapping[str, Any] | None) -> Plan:
        config = self.config
        load_tasks(config.protocol.tasks, config.protocol.tasks)  # what is set must be known, whatever is measured
        pairs: list[Pair] = []
        measured: set[str] = set()
        notes = [note for model in self.models for note in model.notes]
        for m, model in enumerate(self.models):
            for d, dataset in enumerate(self.datasets):
                pair, left_out = plan_pair(
                    (m, d), model, dataset, config.protocol, config.tasks, config.limit, self.workplace.segmenter
                )
                notes += left_out
                measured |= {kind for name in (pair.tasks if pair else ()) for kind in (name, kind_of(name))}
                pairs += [] if pair is None else [pair.quantised() if config.quantise else pair]
        notes += [
            f"no {name} is measured here, its parameters change nothing"
            for name in config.protocol.tasks
            if name not in measured
        ]
        if all(len(pair.configurations) == 1 for pair in pairs):
            raise UsageError("nothing to evaluate: " + ("; ".join(notes) or "no task measured here is attacked"))
        batch = config.batch_size or (int(stored["batch_size"]) if stored else self._batch_size(pairs))
        return Plan(tuple(pairs), batch, config.seed, self._threads, config.precision, tuple(dict.fromkeys(notes)))

    def _batch_size(self, pairs: Sequence[Pair]) -> int:
        """As many images as a batch's share of pixels and every model's memory hold, from the first images."""
        pixels = max(int(np.prod(first_sample(dataset)[1].image.shape[:2])) for dataset in self.datasets)
        budget = _PIXELS_A_BATCH if self.device == "cpu" else _PIXELS_ON_A_GPU
        wanted: int = max(1, min(_MOST_IMAGES, budget // pixels))
        if wanted == 1:
            # One image always has to fit, so nothing needs to be measured.
            return 1
        with self._as_worker():
            return min(wanted, *(images_that_fit(self.workplace.context(pair), self._sharing) for pair in pairs))

    @property
    def _sharing(self) -> int:
        """How many workers share the memory of a device: remote ones use every GPU that is here."""
        devices = torch.cuda.device_count() if self.device != "cpu" and self.engine.remote else 1
        return -(-self.workers // max(1, devices))

    def _found(self, folder: Path | None) -> Records:
        """How every pair is run fastest, from the run in the folder or tried now."""
        if folder is not None and stored_identity(folder) is not None:
            known = stored_meta(folder, FAST)
            # Of a run that was made otherwise there is nothing, and it is refused.
            return {name: known.get(name, {"kept": []}) for name in map(self.workplace.name, self.plan.pairs)}
        seconds = math.inf if self.config.budget is None else 60 * self.config.budget
        with self._as_worker():
            return FastStage(self.plan, self.workplace, self.execution, self.workers, seconds).run()

    def _keep_to(self, minutes: float, folder: Path | None) -> None:
        """Cut the plan to the images that fit, or to those that the run in the folder has: they are chosen once."""
        count = stored_images(folder) or images_within(minutes, self.plan, self._seconds)
        self.plan = self.plan.first(count)
        taken = {pair.dataset: pair.n_images for pair in self.plan.pairs}
        listed = ", ".join(_first_of(self.datasets[index], n_images) for index, n_images in taken.items())
        self.budget_note = f"budget of {minutes:g} min: {listed}"
        self.plan = replace(self.plan, notes=(self.budget_note, *self.plan.notes))

    def _seconds(self, plan: Plan) -> float:
        return estimate(plan, self.costs, frozenset(), self.workers, frozenset()).seconds

    def _cost(self, pair: Pair) -> PairCost:
        try:
            with self._as_worker():
                context = self.workplace.context(pair)
                fits = fit_work(pair, len(self.training.get(pair.dataset, ())))
                how = context.execution
                shares_forward = how.precision == "fp32" and how.eot == 1 and not how.graphs
                checks = partial(check_work, pair, self.plan.batch_size)
                timing, size = self._timing(context), measure_size(context)
                return PairCost(context.attacks, timing, size, shares_forward, fits, checks, len(pair.segmenters))
        except RobustsegError:
            raise
        except (Exception, SystemExit) as error:
            model, dataset = self.models[pair.model], self.datasets[pair.dataset]
            what = f"model '{model.name}' fails on the first image of {dataset.name}: {described(error)[:300]}"
            height, width = first_sample(dataset)[1].image.shape[:2]
            proposed = "" if is_out_of_memory(error) else advice(model.module, (height, width))
            raise InputError(what + proposed) from error

    def _timing(self, context: WorkerContext) -> Timing:
        count = min(self.plan.batch_size, context.pair.n_images)
        # Compiled code is for the sizes it has seen: the first it sees must be those of the work.
        batch = context.first_images(count if context.execution.is_for_one_size else 1)
        with context.target_model.frozen():
            context.target_model.outputs(batch.images)
            context.gradient(batch)
        return measure_timing(context, count)

    @contextlib.contextmanager
    def _as_worker(self) -> Iterator[None]:
        """Compute within the block as a worker does: with as many threads, and float32 products in float32."""
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with tf32(False):
                yield
        finally:
            torch.set_num_threads(before)

    def _by_dataset(self, what: str) -> dict[str, list[str]]:
        used = [(self.datasets[pair.dataset], pair.n_images) for pair in self.plan.pairs]
        return {dataset.name: list(getattr(dataset, what)[:count]) for dataset, count in used}

    def _pair_manifest(self, pair: Pair) -> PairManifest:
        dataset = self.datasets[pair.dataset]
        classes = pair.alignment.classes if pair.alignment else dataset.classes
        own = {name: own.alignment.classes.names for name, own in pair.own.items() if own.alignment}
        name = self.models[pair.model].name
        return PairManifest(name, dataset.name, pair.tasks, classes.names, pair.configurations, own, pair.parameters)


def _first_of(dataset: Dataset, count: int) -> str:
    share = f"the first {count} of {len(dataset)}" if count < len(dataset) else f"all {count}"
    return f"{share} images of {dataset.name}"


def _refuse_twice(kind: str, names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{kind} '{name}' is given twice; give it once")
