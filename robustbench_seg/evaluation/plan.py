"""The plan: every cell (model x data set x attack x objective x epsilon) and every work item."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.objectives.base import Objective, Role
from robustbench_seg.attacks.objectives.parse import describe
from robustbench_seg.attacks.objectives.task_loss import EACH_TASK
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.classes import Alignment, ClassSet, align
from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.segmenter import load_segmenter
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.parameters import changed
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.protocol_options import caveats, with_variants
from robustbench_seg.registry import unknown
from robustbench_seg.results.keys import CLEAN, FLOAT, ROUNDED, WORST, AttackConfiguration
from robustbench_seg.results.worst import candidates, chosen_attacks
from robustbench_seg.tasks.base import OwnLabels, Task
from robustbench_seg.tasks.names import label_of
from robustbench_seg.tasks.registry import load_task, load_tasks
from robustbench_seg.tasks.semantic import Semantic


@dataclass(frozen=True)
class Pair:
    """A model on a data set: what is measured (`tasks`), in which classes, and the attack configurations.

    `faster` are the candidates that make its gradients faster, by name, where `--fast` has looked for some. `own` is
    what tasks with labels or classes of their own are measured against, `parameters` what is set of tasks, by name.
    """

    model: int
    dataset: int
    tasks: tuple[str, ...]
    alignment: Alignment | None
    configurations: tuple[AttackConfiguration, ...]
    n_images: int
    faster: tuple[str, ...] = ()
    own: Mapping[str, OwnLabels] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def load_tasks(self) -> dict[str, Task]:
        """The tasks measured, each with its parameters, and the labels and classes that are its own."""
        tasks = load_tasks(self.tasks, self.parameters)
        return {name: task.against(self.own[name]) if name in self.own else task for name, task in tasks.items()}

    @cached_property
    def segmenters(self) -> tuple[str, ...]:
        """The frozen models that tasks have regions of, by the name that `-m` would give them."""
        named = (task.segmenter for task in self.load_tasks().values())
        return tuple(dict.fromkeys(name for name in named if name))

    @cached_property
    def to_run(self) -> tuple[int, ...]:
        """The configurations that are run; the others are derived from their results."""
        return tuple(i for i, configuration in enumerate(self.configurations) if configuration.attack != WORST)

    def quantised(self) -> Pair:
        """The pair with every perturbation scored twice: as it is, and rounded to 8 bits."""
        # The clean images are those of a data set, which has 8 bits.
        clean, *perturbed = self.configurations
        return replace(self, configurations=(clean, *(replace(each, scored=(FLOAT, ROUNDED)) for each in perturbed)))


@dataclass(frozen=True)
class WorkItem:
    """A shard of consecutive images of one pair, and the configurations still to do for it."""

    pair: int
    shard: int
    images: range
    configurations: tuple[int, ...]

    def by_configuration(self) -> list[WorkItem]:
        """Return pieces of one configuration each: with the same results, but what they share is done in each."""
        return [replace(self, configurations=(configuration,)) for configuration in self.configurations]


@dataclass(frozen=True)
class Plan:
    """All pairs of a run, how images are cut into shards, and what was left out and why."""

    pairs: tuple[Pair, ...]
    batch_size: int
    seed: int
    threads: int
    precision: str
    notes: tuple[str, ...] = ()

    def work_items(self, done: Set[tuple[int, int, int, int]] = frozenset()) -> Iterator[WorkItem]:
        """The work items left to do; `done` holds (pair, configuration, shard, number of images) of what is stored."""
        for p, pair in enumerate(self.pairs):
            for shard, first in enumerate(range(0, pair.n_images, self.batch_size)):
                images = range(first, min(first + self.batch_size, pair.n_images))
                left = tuple(f for f in pair.to_run if (p, f, shard, len(images)) not in done)
                if left:
                    yield WorkItem(p, shard, images, left)

    @property
    def drawn(self) -> tuple[int, ...]:
        """The images of every pair whose pictures are kept, by index: the first, and one in the middle."""
        return tuple(sorted({0, min(pair.n_images for pair in self.pairs) // 2}))

    def first(self, count: int) -> Plan:
        """The same plan for the first `count` images of every pair."""
        return replace(self, pairs=tuple(replace(pair, n_images=min(count, pair.n_images)) for pair in self.pairs))


def share(work_items: Sequence[WorkItem], workers: int) -> list[WorkItem]:
    """Return the work items cut so that `workers` can share them: those beyond an even share, by configuration."""
    whole = len(work_items) - len(work_items) % workers
    return [*work_items[:whole], *(piece for work_item in work_items[whole:] for piece in work_item.by_configuration())]


def plan_pair(
    index: tuple[int, int],
    model: LoadedModel,
    dataset: Dataset,
    protocol: Protocol,
    wanted: Sequence[str] | None,
    limit: int | None,
    segmenter: Callable[[str], LoadedModel] = load_segmenter,
) -> tuple[Pair | None, list[str]]:
    """One pair's attack configurations, and notes on what is left out; no pair where nothing can be measured.

    `segmenter` gives the frozen model of that name.
    """
    where = f"{model.name} on {dataset.name}"
    labels = {task: dataset.labels_for(task) for task in model.tasks}
    names = [t for t, label in labels.items() if label and (wanted is None or t in wanted)]
    notes = [
        f"{where}: no labels for {t}, left out; {dataset.name} has labels for {', '.join(dataset.tasks)}: "
        "choose another -d, or a data set whose `tasks` include it"
        for t, label in labels.items()
        if label is None
    ]
    if not names:
        return None, [*notes, f"{where}: no task in common, left out"]
    made = load_tasks(names, protocol.tasks)
    parameters = {name: given for name, task in made.items() if (given := changed(task))}
    notes += [f"{where}, {name}: {_as_text(given)}" for name, given in parameters.items()]
    alignment, own = _joined(made, model, dataset, segmenter)
    pair = Pair(*index, tuple(names), alignment, (), len(dataset), own=own, parameters=parameters)
    tasks = pair.load_tasks()
    notes += dict.fromkeys(_on_all_classes(where, model, tasks, alignment))
    notes += [
        f"{where}: no labels called {label_of(name)}; it is measured against those of {labels[name]}"
        for name in own
        if labels[name] != name
    ]
    configurations = [AttackConfiguration(CLEAN, "", "", (0.0,))]
    lacking = LeftOut()
    plans = with_variants(protocol).attacks
    _refuse_unknown_candidates(plans)
    for attack_plan in plans:
        configurations += _configurations(attack_plan, tasks, alignment, lacking)
    notes += [*caveats(protocol), *(f"{where}: {note}" for note in lacking.notes())]
    configurations, left_out = _with_candidates(where, configurations)
    notes += [*left_out, *(f"{where}: {note}" for note in _other_losses(configurations, tasks))]
    if set(names) != set(model.tasks) and any(
        describe(configuration.objective).role is Role.GROUP for configuration in configurations
    ):
        notes.append(f"{where}: groups of losses are those of {', '.join(names)} alone")
    _refuse_duplicates(protocol, configurations)
    n_images = len(dataset) if limit is None else min(limit, len(dataset))
    return replace(pair, configurations=tuple(configurations), n_images=n_images), notes


def _joined(
    tasks: Mapping[str, Task], model: LoadedModel, dataset: Dataset, segmenter: Callable[[str], LoadedModel]
) -> tuple[Alignment | None, dict[str, OwnLabels]]:
    """How classes meet: of all tasks that share them (None without one), and of each that has its own.

    That is one of several of a kind, and one measured in the classes that a frozen model sees.
    """
    shared: Alignment | None = None
    own = {}
    for name, task in tasks.items():
        label = dataset.labels_for(name)
        assert label is not None
        if task.segmenter:
            seen = segmenter(task.segmenter).class_set(Semantic.name)
            own[name] = OwnLabels(load_task(label).key, align(seen, seen))
        elif not label_of(name):
            shared = shared or (align(model.classes, dataset.classes) if task.has_classes else None)
        else:
            joined = align(model.class_set(name), dataset.class_set(label)) if task.has_classes else None
            own[name] = OwnLabels(load_task(label).key, joined)
    return shared, own


def _on_all_classes(
    where: str, model: LoadedModel, tasks: Mapping[str, Task], shared: Alignment | None
) -> Iterator[str]:
    """Notes on the classes of every task; UsageError where it cannot be measured in them."""
    for name, task in tasks.items():
        joined = task.aligned(shared)
        if task.has_classes and joined is not None:
            if fault := task.class_fault(joined.classes):
                raise UsageError(f"{where}, {name}: {fault}")
            yield from _on_classes(f"{where}, {label_of(name)}".rstrip(", "), model.class_set(name), joined)


def _on_classes(where: str, classes: ClassSet, alignment: Alignment) -> Iterator[str]:
    """Notes on the classes that only the data set or only the model has."""
    if alignment.missing:
        yield f"{where}: the model has no class for {', '.join(alignment.missing)}; those pixels are void"
    used = {channel for members in alignment.logit_members for channel in members}
    unused = [name for channel, name in enumerate(classes.names) if channel not in used]
    if unused:
        yield f"{where}: the data set has no class for the model's {', '.join(unused)}; they are not predicted"


class LeftOut:
    """Objectives that a pair cannot pursue, by the reason and with the attacks that ask for them."""

    def __init__(self) -> None:
        self._reasons: dict[str, dict[str, list[str]]] = {}

    def add(self, reason: str, objective: str, attack: str) -> None:
        """Note one."""
        attacks = self._reasons.setdefault(reason, {}).setdefault(objective, [])
        if attack not in attacks:
            attacks.append(attack)

    def notes(self) -> list[str]:
        """One line per reason: `left out, no task measured here has it: depth (fgsm, pgd), loss:cls (pgd)`."""
        lines = []
        for reason, objectives in self._reasons.items():
            listed = (f"{name} ({', '.join(attacks)})" for name, attacks in objectives.items())
            lines.append(f"left out, {reason}: {', '.join(listed)}")
        return lines


def _configurations(
    plan: AttackPlan, tasks: Mapping[str, Task], alignment: Alignment | None, left_out: LeftOut
) -> list[AttackConfiguration]:
    attack = make_attack(plan.name, plan.params)
    norm = plan.norm or attack.default_norm(bounded=bool(plan.epsilons))
    if norm not in attack.norms:
        raise UsageError(f"{plan.name}: norm '{norm}' is not one of {', '.join(attack.norms)}")
    if (norm == "none") != (not plan.epsilons):
        fix = "takes no epsilon" if norm == "none" else "needs at least one epsilon"
        raise UsageError(f"{plan.name} with norm {norm} {fix}")
    epsilons: tuple[float | None, ...] = plan.epsilons or (None,)
    if not attack.default_objectives:
        return [AttackConfiguration(plan.name, "", norm, epsilons, plan.params, plan.variant)]
    configurations = []
    asked = plan.objectives or attack.default_objectives
    for name in asked:
        # What stands for the tasks at hand lacks none of them.
        if not name.startswith(EACH_TASK) and not attack.objectives([name], tasks):
            left_out.add("no task measured here has it", name, plan.name)
    for objective in attack.objectives(plan.objectives, tasks):
        reason = _cannot(objective, tasks, alignment)
        if reason:
            left_out.add(reason, objective.name, plan.name)
        else:
            configurations.append(
                AttackConfiguration(plan.name, objective.name, norm, epsilons, plan.params, plan.variant)
            )
    return configurations


def _with_candidates(
    where: str, configurations: Sequence[AttackConfiguration]
) -> tuple[list[AttackConfiguration], list[str]]:
    """The configurations, worst cases without epsilons at which they have nothing to choose from; notes on those."""
    run = [configuration for configuration in configurations if configuration.attack != WORST]
    worst, notes = [], []
    for configuration in (each for each in configurations if each.attack == WORST):
        possible = tuple(e for e in configuration.epsilons if candidates(configuration, e, run))
        bare = ", ".join(f"{e:g}" for e in configuration.epsilons if e is not None and e not in possible)
        if bare:
            what = f"{configuration.label} {configuration.objective} ({configuration.norm})"
            notes.append(f"{where}: {what} left out, no other attack to choose from at epsilon {bare}")
        if possible:
            worst.append(replace(configuration, epsilons=possible))
    # Last, so that those that are run have the same places in the store with and without them.
    return [*run, *worst], notes


def _other_losses(configurations: Sequence[AttackConfiguration], tasks: Mapping[str, Task]) -> list[str]:
    """One note per loss that was chosen and that a task attacked does not have."""
    lacking: dict[str, dict[str, None]] = {}
    for configuration in (each for each in configurations if each.objective in tasks):
        attack = make_attack(configuration.attack, configuration.params)
        loss = attack.loss if isinstance(attack, ChosenLoss) else ""
        if loss and loss not in tasks[configuration.objective].attack_losses:
            lacking.setdefault(loss, {})[configuration.objective] = None
    return [f"no loss '{loss}' of {', '.join(names)}: attacked by the task's own" for loss, names in lacking.items()]


def _refuse_unknown_candidates(plans: Sequence[AttackPlan]) -> None:
    """UsageError where a worst case is over an attack that the protocol does not have."""
    known = dict.fromkeys(name for plan in plans if plan.name != WORST for name in (plan.name, plan.label))
    for plan in (plan for plan in plans if plan.name == WORST):
        for name in chosen_attacks(plan.params):
            if name not in known:
                raise UsageError(unknown("attack of the protocol in worst.over", name, list(known)))


def _cannot(objective: Objective, tasks: Mapping[str, Task], alignment: Alignment | None) -> str:
    lacking = [need for need in objective.needs if need not in tasks]
    if lacking:
        return f"no output for {', '.join(lacking)}"
    known = [joined.classes for need in objective.needs if (joined := tasks[need].aligned(alignment))]
    missing = objective.missing_classes(known[0]) if known else []
    return f"no class {', '.join(missing)}" if missing else ""


def _refuse_duplicates(protocol: Protocol, configurations: Sequence[AttackConfiguration]) -> None:
    cells = Counter((c.label, c.objective, c.norm, epsilon) for c in configurations for epsilon in c.epsilons)
    for (label, objective, norm, epsilon), count in cells.items():
        if count > 1:
            raise UsageError(
                f"protocol '{protocol.name}' asks twice for {label} {objective} at epsilon {epsilon} ({norm}); keep one"
            )


def _as_text(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in parameters.items())


def identity(
    plan: Plan, models: Sequence[LoadedModel], datasets: Sequence[Dataset], protocol: Protocol
) -> dict[str, Any]:
    """What makes two runs the same run: model, data, attacks that are run, seed, precision, batch, threads.

    A worst case is not part of it: it can be asked for after the fact.
    """
    return {
        "models": [[model.name, model.sha256] for model in models],
        "datasets": [[dataset.name, dataset.fingerprint()] for dataset in datasets],
        "protocol": protocol.name,
        "attacks": [
            _configuration_text(pair, pair.configurations[index]) for pair in plan.pairs for index in pair.to_run
        ],
        "seed": plan.seed,
        "precision": plan.precision,
        "batch_size": plan.batch_size,
        "threads": plan.threads,
    } | _measured_otherwise(plan)


def _measured_otherwise(plan: Plan) -> dict[str, Any]:
    """The parameters of tasks that are not at their defaults, by task; nothing where all are."""
    tasks = {name: dict(given) for pair in plan.pairs for name, given in pair.parameters.items()}
    return {"tasks": tasks} if tasks else {}


def _configuration_text(pair: Pair, configuration: AttackConfiguration) -> str:
    params = json.dumps(dict(configuration.params), sort_keys=True)
    grid = ",".join("-" if e is None else repr(e) for e in configuration.epsilons)
    where = f"{pair.model}/{pair.dataset} {configuration.label} {configuration.objective} {configuration.norm}"
    own = {name: labels.key for name, labels in pair.own.items()}
    return f"{where} [{grid}] {params} {pair.tasks}" + (f" {own}" if own else "")
