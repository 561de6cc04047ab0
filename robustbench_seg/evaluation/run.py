"""Do the remaining work of an evaluation and write the run's tables."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.fitting import FITTED
from robustbench_seg.evaluation.lock import sole_writer
from robustbench_seg.evaluation.metadata import metadata
from robustbench_seg.evaluation.plan import WorkItem, share
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.results.files import write_text
from robustbench_seg.results.records import SweepResult
from robustbench_seg.results.run import STORE, Run, write_tables
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables


@dataclass(frozen=True)
class Progress:
    """How far a run is: shards done of all, and what is done before them."""

    done: int
    total: int
    text: str = ""


def run_evaluation(
    prepared: PreparedEvaluation, folder: Path, on_progress: Callable[[Progress], None] = lambda progress: None
) -> Run:
    """Work through everything that is not stored yet and write the run's files (not the report).

    Interrupted at any moment, it can be called again and resumes. Raises InputError where another process
    evaluates into the folder.
    """
    make_folder(folder)
    with sole_writer(folder):
        prepared.refuse_other(folder)
        sweep(folder)
        return Run(folder, tables=_run_evaluation(prepared, folder, on_progress))


def _run_evaluation(prepared: PreparedEvaluation, folder: Path, on_progress: Callable[[Progress], None]) -> Tables:
    with Store(folder / STORE) as store:
        # The manifest first: a folder with an identity can be resumed and reported.
        store.write_meta("manifest", prepared.manifest.to_json())
        store.write_meta("identity", prepared.identity)
        work_items = list(prepared.plan.work_items(store.done()))
        if work_items:
            prepared.preflight()
            store.write_meta("folded", prepared.folded)
        for results in _progressing(prepared, folder, store, work_items, on_progress):
            store.write(results)
        tables = write_tables(store, folder)
        description = metadata(prepared, tables.intervals, store)
    write_text(json.dumps(description, indent=2) + "\n", folder / "run.json")
    return tables


def _progressing(
    prepared: PreparedEvaluation,
    folder: Path,
    store: Store,
    work_items: Sequence[WorkItem],
    on_progress: Callable[[Progress], None],
) -> Iterator[list[SweepResult]]:
    total = sum(-(-pair.n_images // prepared.plan.batch_size) for pair in prepared.plan.pairs)
    done = total - len(work_items)
    artefacts = prepared.fit(folder, store, work_items, lambda text: on_progress(Progress(done, total, text)))
    on_progress(Progress(done, total))
    if not work_items:
        return
    left = Counter({(work_item.pair, work_item.shard): len(work_item.configurations) for work_item in work_items})
    pieces = share(work_items, prepared.workers)
    for results in prepared.engine.run(prepared.job(folder, artefacts), pieces, prepared.workers, prepared.workplace):
        yield results
        left.subtract((result.pair, result.shard) for result in results)
        done = total - sum(configurations > 0 for configurations in left.values())
        on_progress(Progress(done, total))


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
