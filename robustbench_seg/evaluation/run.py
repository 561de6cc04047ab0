"""Do the remaining work of an evaluation and write the run's tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from robustbench_seg.checks.judge import judged
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.estimate import Estimate
from robustbench_seg.evaluation.fitting import FITTED
from robustbench_seg.evaluation.lock import sole_writer
from robustbench_seg.evaluation.metadata import metadata
from robustbench_seg.evaluation.plan import WorkItem, share
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.progress import Progress, Tracker
from robustbench_seg.evaluation.trials import FAST
from robustbench_seg.results.files import write_text
from robustbench_seg.results.records import SweepResult
from robustbench_seg.results.run import STORE, Run, write_tables
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables


def run_evaluation(
    prepared: PreparedEvaluation,
    folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_start: Callable[[Estimate], None] = lambda estimate: None,
) -> Run:
    """Work through everything that is not stored yet and write the run's files (not the report).

    Calls `on_start` once with the estimate of the remaining work, then `on_progress` with each result and every second
    or so. Interrupted at any moment, it can be called again and resumes. Raises InputError where another process
    evaluates into the folder.
    """
    make_folder(folder)
    with sole_writer(folder):
        prepared.refuse_other(folder)
        sweep(folder)
        return Run(folder, tables=_run_evaluation(prepared, folder, on_progress, on_start))


def _run_evaluation(
    prepared: PreparedEvaluation,
    folder: Path,
    on_progress: Callable[[Progress], None],
    on_start: Callable[[Estimate], None],
) -> Tables:
    with Store(folder / STORE) as store:
        # The manifest first: a folder with an identity can be resumed and reported.
        store.write_meta("manifest", prepared.manifest.to_json())
        store.write_meta(FAST, prepared.fast)
        store.write_meta("identity", prepared.identity)
        done = store.done()
        work_items = list(prepared.plan.work_items(done))
        estimate = prepared.estimate(store)
        on_start(estimate)
        if work_items:
            store.write_meta("folded", prepared.folded)
        for results in _progressing(prepared, folder, store, work_items, estimate, on_progress):
            store.write(results)
        tables = judged(store)
        write_tables(tables, folder)
        description = metadata(prepared, tables.intervals, store)
    write_text(json.dumps(description, indent=2) + "\n", folder / "run.json")
    return tables


def _progressing(
    prepared: PreparedEvaluation,
    folder: Path,
    store: Store,
    work_items: Sequence[WorkItem],
    estimate: Estimate,
    on_progress: Callable[[Progress], None],
) -> Iterator[list[SweepResult]]:
    total = sum(-(-pair.n_images // prepared.plan.batch_size) for pair in prepared.plan.pairs)
    before = Progress(total - len(work_items), total, estimate.seconds)

    def report(text: str) -> None:
        on_progress(replace(before, text=text))

    prepared.check(store, report)
    artefacts = prepared.fit(folder, store, work_items, report)
    tracker = Tracker(work_items, total, prepared.costs if work_items else [], estimate.seconds - estimate.fit_seconds)
    on_progress(tracker.progress())
    if not work_items:
        return
    pieces = share(work_items, prepared.workers)
    for results in prepared.engine.run(prepared.job(folder, artefacts), pieces, prepared.workers, prepared.workplace):
        if results:
            yield results
        on_progress(tracker.progress(results))


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written."""
    for half in (half for inside in (".", "figures", FITTED) for half in folder.glob(f"{inside}/.*.partial")):
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
