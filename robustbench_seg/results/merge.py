"""Several runs as one: the rows of all, models named with their run where they share a name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from robustbench_seg.errors import UsageError
from robustbench_seg.results.findings import Finding, worst_first
from robustbench_seg.results.rows import SUMMARY, AnyRow, table, unique
from robustbench_seg.results.run import Run
from robustbench_seg.results.tables import Tables


def merge(runs: Sequence[Run], folder: Path) -> Run:
    """One run out of several, for a comparison written to `folder`; UsageError where a run is given twice.

    It has no pictures: they stay in each run's own report.
    """
    named = list(zip(runs, model_names(runs), strict=True))
    tables = Tables(
        [row for run, shown in named for row in _renamed(run.rows, shown)],
        [row for run, shown in named for row in _renamed(run.class_rows, shown)],
        [row for run, shown in named for row in _renamed(run.cost_rows, shown)],
        scores=[row for run, shown in named for row in _renamed(run.score_rows, shown)],
        corruptions=[
            replace(row, baseline=shown.get(row.baseline, row.baseline))
            for run, shown in named
            for row in _renamed(run.corruption_rows, shown)
        ],
        findings=_findings(runs, run_names([run.folder for run in runs])),
    )
    return Run(folder, False, tables, _info(runs, run_names([run.folder for run in runs])))


def model_names(runs: Sequence[Run]) -> list[dict[str, str]]:
    """The names of the models of each run among all of them: with the run where several runs have the model."""
    names = run_names([run.folder for run in runs])
    models = [unique([row.model for row in run.rows]) for run in runs]
    owners = Counter(model for own in models for model in own)
    return [
        {model: f"{model} ({name})" if owners[model] > 1 else model for model in own}
        for name, own in zip(names, models, strict=True)
    ]


def merged_summary(runs: Sequence[Run]) -> pd.DataFrame:
    """The summaries of all runs with a first column `run`."""
    names = run_names([run.folder for run in runs])
    merged = table([row for run in runs for row in run.rows], SUMMARY)
    merged.insert(0, "run", [name for name, run in zip(names, runs, strict=True) for _ in run.rows])
    return merged


def run_names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the folders' paths that distinguish them; UsageError where one is given twice."""
    paths = [folder.resolve() for folder in folders]
    for path, folder in zip(paths, folders, strict=True):
        if paths.count(path) > 1:
            raise UsageError(f"run '{folder}' is given twice; give each run once")
    depth = 1
    while len({path.parts[-depth:] for path in paths}) < len(paths):
        depth += 1
    return ["/".join(path.parts[-depth:]) for path in paths]


def _renamed(rows: Sequence[AnyRow], shown: Mapping[str, str]) -> list[AnyRow]:
    return [replace(row, model=shown.get(row.model, row.model)) for row in rows]


def _info(runs: Sequence[Run], names: Sequence[str]) -> dict[str, Any]:
    """What the page says about all runs; each run.json stands whole under `runs`."""
    infos = [run.info for run in runs]
    intervals: dict[str, list[str]] = {}
    for info in infos:
        for dataset, sentence in info.get("intervals", {}).items():
            intervals.setdefault(dataset, []).append(sentence)
    notes = [f"{name}: {note}" for name, info in zip(names, infos, strict=True) for note in info.get("notes", [])]
    return {
        "runs": dict(zip(names, infos, strict=True)),
        "intervals": {dataset: "; ".join(unique(sentences)) for dataset, sentences in intervals.items()},
        "notes": [*_differences(infos), *notes],
    }


def _findings(runs: Sequence[Run], names: Sequence[str]) -> list[Finding]:
    """What is wrong in each run, or that nothing is."""
    named = zip(names, runs, strict=True)
    wrong = [replace(f, text=f"{name}: {f.text}") for name, run in named for f in run.findings if f.is_wrong]
    unchecked = [name for name, run in zip(names, runs, strict=True) if not run.findings]
    lacking = f"No findings.json in {', '.join(unchecked)}."
    notes = [Finding("unchecked", "note", "Not checked", lacking)] if unchecked else []
    sound = [Finding("sound", "ok", "All other checks passed", f"In {', '.join(names)}.")]
    return worst_first([*wrong, *notes, *(sound if len(unchecked) < len(runs) else [])])


def _differences(infos: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warnings where runs are not comparable: other images of a data set, parameters of tasks, seed or precision."""
    measured = [{"parameters": info.get("identity", {}).get("tasks") or "the defaults"} for info in infos]
    datasets = [dataset for info in infos for dataset in info.get("datasets", [])]
    warnings = [_warning("{}", infos, key) for key in ("seed", "precision")]
    warnings.append(_warning("the {} of tasks", measured, "parameters"))
    for name in unique([dataset["name"] for dataset in datasets]):
        same = [dataset for dataset in datasets if dataset["name"] == name]
        warnings += [
            _warning(f"the {{}} of data set {name}", same, key) for key in ("split", "n_images", "fingerprint")
        ]
    return [warning for warning in warnings if warning]


def _warning(what: str, facts: Sequence[Mapping[str, Any]], key: str) -> str:
    values = unique([str(fact[key]) for fact in facts if key in fact])
    return f"The runs differ in {what.format(key)}: {', '.join(values)}." if len(values) > 1 else ""
