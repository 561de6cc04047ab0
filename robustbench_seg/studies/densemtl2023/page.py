"""The page of the study: what holds, and its sections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.report.comparison import Comparison, corrected
from robustbench_seg.report.gains import gains_tables
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.keys import WORST
from robustbench_seg.studies.by_task import ByTask
from robustbench_seg.studies.densemtl2023.settings import (
    CLEAN_RUN,
    DRAWN,
    EPSILONS,
    ROBUST,
    SEEDS,
    SETTINGS,
    SINGLE,
    SPREAD,
    TASKS,
    WORLD,
)
from robustbench_seg.studies.densemtl2023.tables import means, setting_parts, spread_table
from robustbench_seg.studies.figures import task_figure
from robustbench_seg.studies.findings import Finding, findings_section
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.trainings import Training

Clean = Mapping[str, ByTask]
"""The results of every setting by its name."""


def findings(clean: Clean, robust: ByTask, paper: Mapping[str, Any]) -> list[Finding]:
    """Every finding that was looked into, with its comparisons corrected for how many it has."""
    own = [Place(WORLD, WORST, epsilon) for epsilon in EPSILONS]
    others = [Place(WORLD, "apgd", SPREAD, task) for task in TASKS]
    kinds: dict[str, Callable[[str, str], Iterator[Comparison]]] = {
        name: partial(results.clean, SETTINGS[name].dataset) for name, results in clean.items()
    }
    kinds["own"] = lambda first, second: robust.retained(first, second, own, 1)
    kinds["others"] = lambda first, second: robust.retained(first, second, others, -1)
    return [
        Finding(claim["text"], corrected([each for pair in claim["pairs"] for each in kinds[claim["kind"]](*pair)]))
        for claim in paper["findings"]
        if claim["kind"] in kinds
    ]


def sections(clean: Clean, robust: ByTask, baselines: Grouped, paper: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    words, recipe, four = paper["page"], Training("densemtl-attention").read(), clean[CLEAN_RUN.name]
    attack = next(plan for plan in PROTOCOLS.get(ROBUST.protocol).attacks if plan.name == "apgd")
    facts = {
        "trainings": len(SEEDS),
        "images": four.n_images,
        "attacked": robust.n_images,
        "epsilon": SPREAD,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "gradients": attack.params["steps"],
    }

    def section(name: str, *parts: Part) -> Section:
        title, *text = (sentence.format(**facts) for sentence in words[name])
        return Section(name, title.partition(",")[0], title, text, parts)

    curves = partial(
        task_figure, {task: robust.against[SINGLE, task] for task in robust.scales}, WORLD, DRAWN, EPSILONS
    )
    files = drawn("figure", [Drawing("robustness", words["figures"]["robustness"], curves)])
    return [
        findings_section([text.format(**facts) for text in words["holds"]], findings(clean, robust, paper)),
        *(section(name, *setting_parts(SETTINGS[name], results, paper)) for name, results in clean.items()),
        section("baselines", Part(tables=[*means(four, baselines)])),
        section(
            "robust",
            Part(figures=files[0]),
            Part("Δ of every network against single tasks", tables=gains_tables(robust.gains(SINGLE)), is_open=False),
        ),
        section("spread", Part(tables=[spread_table(robust, task) for task in robust.scales])),
    ]
