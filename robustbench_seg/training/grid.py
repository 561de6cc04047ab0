"""One recipe trained with every combination of some of its values, in one table (DenseMTL 2023, table 7)."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import card_folder
from robustbench_seg.models.catalogue.card import Card, read_card
from robustbench_seg.results.delta import delta
from robustbench_seg.results.names import curve_metric
from robustbench_seg.training.batches import Source
from robustbench_seg.training.export import measured_on
from robustbench_seg.training.init import initialise
from robustbench_seg.training.loop import Progress, build_module, refuse_unknown
from robustbench_seg.training.place import HERE, Place
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.run import open_sets, run_recipe
from robustbench_seg.training.stages.registry import all_steps, counted, stages_of

TABLE = "grid.csv"

_NOT_IN_A_NAME = re.compile(r"[^\w.+-]+")


@dataclass(frozen=True)
class Combination:
    """A recipe with one value for each key of a grid; `settings` are these, and its name says them."""

    settings: Mapping[str, Any]
    recipe: Recipe


@dataclass(frozen=True)
class Row:
    """A combination that was trained: its metrics by task, and Δ in per cent where there is a reference."""

    combination: Combination
    metrics: Mapping[str, Mapping[str, float]]
    delta: float | None = None


def combinations(
    grid: Sequence[tuple[str, Sequence[Any]]], recipe_of: Callable[[Mapping[str, Any]], Recipe]
) -> list[Combination]:
    """Every combination of the values of all keys, the last key's values changing fastest.

    `recipe_of` gives the recipe with some keys changed. UsageError where it refuses a value, or where a key or a
    combination is there twice.
    """
    _refuse_twice("key", [key for key, _ in grid])
    found = []
    for values in itertools.product(*(values for _, values in grid)):
        settings = dict(zip([key for key, _ in grid], values, strict=True))
        try:
            recipe = recipe_of(settings)
        except InputError as error:
            raise UsageError(f"--grid {_listed(settings)}: {error}") from None
        found.append(Combination(settings, named(recipe, settings)))
    _refuse_twice("combination", [combination.recipe.name for combination in found])
    return found


def named(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with a name that says which of its values were changed."""
    suffix = "".join(f"-{key}={_NOT_IN_A_NAME.sub('_', str(value))}" for key, value in settings.items())
    return replace(recipe, name=recipe.name + suffix)


def read_references(names: Sequence[str]) -> list[Card]:
    """The cards of models of the catalogue, or of folders that `robustseg train` wrote; UsageError for another name."""
    return [read_card(card_folder(name, "reference")) for name in names]


def refuse_grid(
    found: Sequence[Combination],
    references: Sequence[Card] = (),
    *,
    root: str | None = None,
    unlabelled_root: str | None = None,
) -> None:
    """UsageError or InputError where a combination cannot be trained, or cannot be compared with the references.

    These must have been measured on the same images, and have a value above 0 of each task, once.
    """
    _refuse_twice("task of the references", [task for card in references for task in card.metrics])
    for combination in found:
        recipe = combination.recipe
        refuse_unknown(recipe)
        stages_of(recipe)
        train_set, val_set, _ = open_sets(recipe, root, unlabelled_root)
        Source(train_set, (*recipe.tasks, *recipe.auxiliary))
        initialise(build_module(recipe, len(val_set.classes)), recipe)
        for card in references:
            if card.evaluation != (ours := measured_on(recipe.data, val_set)):
                raise UsageError(f"reference {card.name} was measured on {card.evaluation}, {recipe.name} is on {ours}")
        # A change is relative to no 0 either.
        if lacking := [task for task in recipe.tasks if references and not _values(references).get(task)]:
            raise UsageError(f"no reference has a value above 0 for {', '.join(lacking)}; give another --reference")


def train_grid(
    found: Sequence[Combination],
    work: Path,
    out: Path | None = None,
    *,
    references: Sequence[Card] = (),
    root: str | None = None,
    unlabelled_root: str | None = None,
    place: Place = HERE,
    progress: Progress | None = None,
) -> list[Row]:
    """Trains all combinations, each in its own folder of `work`, continuing where it stopped, and writes `grid.csv`.

    Card and weights of each go into `out`/NAME, by default into its own folder there. `progress` counts the steps of
    all. `refuse_grid` says beforehand whether they can be trained.
    """
    reference, rows, before = _values(references), [], 0
    total = sum(all_steps(combination.recipe) for combination in found)
    for combination in found:
        recipe = combination.recipe
        own = work / recipe.name
        target, own_progress = (out or own) / recipe.name, counted(progress, before, total)
        card = run_recipe(
            recipe, own, target, root=root, unlabelled_root=unlabelled_root, place=place, progress=own_progress
        )
        assert card is not None, "one device has no other processes"
        rows.append(Row(combination, card.metrics, _gain(_values([card]), recipe, reference)))
        before += all_steps(recipe)
    _write(work / TABLE, rows)
    return rows


def best_of(rows: Sequence[Row]) -> Row | None:
    """The row of the largest Δ, the first of equals; None where no row has one."""
    known = [row for row in rows if row.delta is not None]
    return max(known, key=lambda row: row.delta or 0.0, default=None)


def _gain(values: Mapping[str, float], recipe: Recipe, reference: Mapping[str, float]) -> float | None:
    """Δ over the recipe's tasks; None where one has no value, as the mean over the others is another Δ."""
    known = {task: values[task] for task in recipe.tasks if task in values}
    return delta(known, reference) if known and len(known) == len(recipe.tasks) else None


def _values(cards: Sequence[Card]) -> dict[str, float]:
    """The curve metrics by task."""
    return {
        task: metrics[curve_metric(task)]
        for card in cards
        for task, metrics in card.metrics.items()
        if curve_metric(task) in metrics
    }


def _write(path: Path, rows: Sequence[Row]) -> None:
    best, records = best_of(rows), []
    for row in rows:
        record = {"name": row.combination.recipe.name, **row.combination.settings}
        record |= {f"{task}_{name}": value for task, values in row.metrics.items() for name, value in values.items()}
        records.append(record | ({"delta": row.delta, "best": row is best} if best else {}))
    # A metric without data is not on a card.
    columns = dict.fromkeys(key for record in records for key in record)
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(columns))
        writer.writeheader()
        writer.writerows(records)
    partial.replace(path)


def _refuse_twice(kind: str, names: Sequence[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"{kind} '{name}' is there {count} times; give it once")


def _listed(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())
