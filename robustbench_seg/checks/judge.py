"""From what is stored to tables with verdicts: every check in one list, and what all of them say of each number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.checks.base import Check, Evidence
from robustbench_seg.checks.cells import AllRan, CleanIsPlausible, GradientsFlow, NoisePower, ResultsDiffer
from robustbench_seg.checks.comparisons import (
    LargerEpsilonsHelp,
    MoreStepsHelp,
    StrongerAttacksHelp,
    WhiteBoxesAreStrongest,
)
from robustbench_seg.checks.gradients import GradientsKeepTheirPromise, GradientsReachWhatMatters, LossKeepsItsGradient
from robustbench_seg.checks.model import ModelCheck
from robustbench_seg.checks.outputs import (
    EvaluationMode,
    ImagesAreIndependent,
    OrderIsKept,
    OutputIsDetermined,
    OutputsAreLogits,
    PredictionsMove,
)
from robustbench_seg.checks.preprocessing import PreprocessingFits
from robustbench_seg.results.corruptions import with_doubts
from robustbench_seg.results.findings import Finding, with_verdicts, worst_first
from robustbench_seg.results.pair import PairResults, pairs_of
from robustbench_seg.results.rows import CostRow
from robustbench_seg.results.run import STORE, Run, write_tables
from robustbench_seg.results.score import with_verdict
from robustbench_seg.results.store import Store
from robustbench_seg.results.tables import Tables, cost_row, tabulate

MODEL_CHECKS: tuple[ModelCheck, ...] = (
    EvaluationMode(),
    OutputIsDetermined(),
    ImagesAreIndependent(),
    OutputsAreLogits(),
    PredictionsMove(),
    OrderIsKept(),
    PreprocessingFits(),
    GradientsReachWhatMatters(),
    GradientsKeepTheirPromise(),
    LossKeepsItsGradient(),
)
CHECKS: tuple[Check, ...] = (
    AllRan(),
    CleanIsPlausible(),
    GradientsFlow(),
    WhiteBoxesAreStrongest(),
    MoreStepsHelp(),
    LargerEpsilonsHelp(),
    StrongerAttacksHelp(),
    ResultsDiffer(),
    NoisePower(),
    *MODEL_CHECKS,
)
UPPER_BOUND = Finding(
    "upper_bound",
    "note",
    "These numbers are upper bounds",
    "Every attack gives an upper bound on robustness, one of few steps a generous one: a stronger attack can only "
    "lower these curves. The protocol strong, an ensemble of attacks and its worst case, comes nearest to the truth; "
    "fast-strong comes close to it at a fraction of its cost.",
)
RECORDS = "checks"
"""The key of the store under which the records of model checks lie, and their name in the table of costs."""


def judged(store: Store) -> Tables:
    """The tables of a run with the verdict of every number, and what all checks found; a pure function of the store."""
    pairs = pairs_of(store)
    tables = tabulate(pairs)
    stored = store.read_meta(RECORDS)
    records = stored if isinstance(stored, dict) else {}
    seen = [records.get(str(index), {}).get("records", {}) for index in range(len(pairs))]
    evidence = [_evidence(pair, tables, of_pair) for pair, of_pair in zip(pairs, seen, strict=True)]
    findings = worst_first([*(check.finding(evidence) for check in CHECKS), UPPER_BOUND])
    summary = with_verdicts(tables.summary, findings)
    return replace(
        tables,
        summary=summary,
        scores=[with_verdict(score, summary) for score in tables.scores],
        corruptions=with_doubts(tables.corruptions, summary),
        classes=with_verdicts(tables.classes, findings),
        costs=[*tables.costs, *(_cost(pair, of_pair) for pair, of_pair in zip(pairs, seen, strict=True) if of_pair)],
        findings=findings,
    )


def _evidence(pair: PairResults, tables: Tables, seen: Mapping[str, Any]) -> Evidence:
    records = {name: each["record"] for name, each in seen.items()}
    return Evidence(pair, pair.rows_of(tables.summary), pair.rows_of(tables.classes), records)


def _cost(pair: PairResults, seen: Mapping[str, Any]) -> CostRow:
    """What the model checks of a pair cost."""
    cost = sum((Cost(**each["cost"]) for each in seen.values()), Cost())
    clean = pair.pair.configurations[0].key(pair.pair.model, pair.pair.dataset, None)
    key = replace(clean, attack=RECORDS)
    return cost_row(key, cost)


def rebuild(folder: Path, pictures: bool = True) -> Run:
    """Return the run of a folder with its tables made again from the store; no model is loaded."""
    Run(folder).info  # noqa: B018  (refuses a folder that is not a run before a store is made in it)
    with Store(folder / STORE, create=False) as store:
        tables = judged(store)
    write_tables(tables, folder)
    return Run(folder, pictures, tables)
