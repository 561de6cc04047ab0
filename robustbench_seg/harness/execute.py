"""Work through what is left of an evaluation and write the run's tables."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.errors import InputError
from robustbench_seg.harness.aggregate import tabulate
from robustbench_seg.harness.describe import describe
from robustbench_seg.harness.evaluation import Evaluation
from robustbench_seg.harness.lock import sole_writer
from robustbench_seg.harness.plan import Unit, share
from robustbench_seg.harness.results import FamilyResult
from robustbench_seg.harness.run import Run, write_table, write_text
from robustbench_seg.harness.store import Store


@dataclass(frozen=True)
class Progress:
    """How far a run is: units done of all, and what it has cost so far in seconds."""

    done: int
    total: int
    seconds: float


def execute(
    evaluation: Evaluation, folder: Path, on_progress: Callable[[Progress], None] = lambda progress: None
) -> Run:
    """Work through everything that is not stored yet and write the run's files (not the report).

    Interrupted at any moment, it can be called again and does what is left. Raises InputError where another process
    evaluates into the folder.
    """
    make_folder(folder)
    with sole_writer(folder):
        evaluation.refuse_other(folder)
        sweep(folder)
        _execute(evaluation, folder, on_progress)
    return Run(folder)


def _execute(evaluation: Evaluation, folder: Path, on_progress: Callable[[Progress], None]) -> None:
    with Store(folder / "store.sqlite") as store:
        # The outline first: a folder with an identity can be resumed and reported.
        store.write_meta("outline", evaluation.outline.to_json())
        store.write_meta("identity", evaluation.identity)
        units = list(evaluation.plan.units(store.done()))
        if units:
            evaluation.preflight()
        for families in _progressing(evaluation, folder, units, on_progress):
            store.write(families)
        intervals = write_tables(store, folder)
        description = describe(evaluation, intervals, store.failures(), store.workers())
    write_text(json.dumps(description, indent=2) + "\n", folder / "run.json")


def _progressing(
    evaluation: Evaluation, folder: Path, units: Sequence[Unit], on_progress: Callable[[Progress], None]
) -> Iterator[list[FamilyResult]]:
    start = time.perf_counter()
    total = sum(-(-pair.n_images // evaluation.plan.batch_size) for pair in evaluation.plan.pairs)
    done = total - len(units)
    on_progress(Progress(done, total, 0.0))
    if not units:
        return
    left = Counter({(unit.pair, unit.chunk): len(unit.families) for unit in units})
    pieces = share(units, evaluation.workers)
    for results in evaluation.engine.run(evaluation.job(folder), pieces, evaluation.workers):
        yield results
        left.subtract((result.pair, result.chunk) for result in results)
        done = total - sum(families > 0 for families in left.values())
        on_progress(Progress(done, total, time.perf_counter() - start))


def write_tables(store: Store, folder: Path) -> dict[str, str]:
    """summary.csv, classes.csv and costs.csv from the store alone; a sentence on intervals a data set."""
    tables = tabulate(store)
    write_table(tables.summary, folder / "summary.csv")
    write_table(tables.classes, folder / "classes.csv")
    write_table(tables.costs, folder / "costs.csv")
    return tables.intervals


def rebuild(folder: Path, pictures: bool = True) -> Run:
    """The run of a folder with its tables made again from the store; no model is loaded."""
    run = Run(folder, pictures)
    run.info  # noqa: B018  (refuses a folder that is not a run before a store is made in it)
    with Store(folder / "store.sqlite", create=False) as store:
        write_tables(store, folder)
    return run


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for half in (*folder.glob(".*.partial"), *folder.glob("figures/.*.partial")):
        half.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create the run folder; InputError where it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may be probing too
    except OSError as error:
        raise InputError(f"run folder '{folder}' cannot be written: {error.strerror}; give another with -o") from error
