"""Corruptions on pages and in the terminal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from robustbench_seg.report import headline, sections
from robustbench_seg.report.cells import ratio_cell
from robustbench_seg.report.corruptions import MEANING, section, severity_table, summary_table
from robustbench_seg.report.page import page
from robustbench_seg.report.section import Material
from robustbench_seg.report.tables import by_severity, cost_tables
from robustbench_seg.report.text import terminal_tables
from robustbench_seg.report.views import views
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.keys import ROUNDED
from robustbench_seg.results.rows import CorruptionRow, CostRow, Row
from tests.results.stored_runs import ROW

CLEAN = replace(ROW, attack="clean", objective="", norm="", epsilon=0.0, task="semantic", metric="miou", value=0.8)
MEANS = {"fog": 0.5, "jpeg_compression": 0.75, "mean": 0.625}


@dataclass(frozen=True)
class Graded:
    """A run of two models under two corruptions at severities 1 and 3, and nothing else."""

    rows: list[Row]
    corruption_rows: list[CorruptionRow]
    class_rows: list[Row] = field(default_factory=list)
    cost_rows: list[CostRow] = field(default_factory=list)
    score_rows: list[Any] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)

    def panels(self) -> list[Any]:
        return []


def summary(model: str, corruption: str, ce: float) -> CorruptionRow:
    return CorruptionRow(
        model=model,
        dataset="d",
        task="semantic",
        metric="miou",
        corruption=corruption,
        severities="1 3",
        clean=0.8,
        value=MEANS[corruption] * 0.8,
        q=MEANS[corruption],
        q_low=0.4,
        q_high=0.9,
        ce=ce,
        ce_low=None if model == "a" else ce - 0.1,
        ce_high=None if model == "a" else ce + 0.1,
        baseline="a",
        n_images=16,
        status="ok",
    )


@pytest.fixture
def graded() -> Graded:
    labels = [f"{kind}[severity={severity}]" for kind in ("fog", "jpeg_compression") for severity in (1, 3)]
    rows = [
        replace(CLEAN, model=model, **({} if label == "clean" else perturbed(label)))
        for model in ("a", "b")
        for label in ("clean", *labels)
    ]
    found = [summary(model, kind, ce) for model, ce in (("a", 1.0), ("b", 0.875)) for kind in MEANS]
    return Graded(rows, found)


def perturbed(label: str) -> dict[str, Any]:
    return {"attack": label, "norm": "none", "epsilon": None, "value": 0.4, "ratio": 0.5, "direction": "higher"}


def test_a_model_has_its_corruptions_by_severity(graded: Graded) -> None:
    (view,) = views(graded.rows)
    shown = severity_table(view, "b", graded.corruption_rows)
    assert shown.heads == ("1", "3", "mean Q", "CE")
    assert [line.label for line in shown.lines] == ["Fog", "JPEG compression", "mean over corruptions"]
    assert [cell.main for cell in shown.lines[0].cells] == ["0.500", "0.500", "0.500", "87.5"]
    assert shown.lines[0].cells[2].small == ("[0.400, 0.900]",)
    assert shown.lines[0].cells[3].small == ("[77.5, 97.5]",)
    assert [cell.main for cell in shown.lines[2].cells] == ["", "", "0.625", "87.5"]
    baseline = severity_table(view, "a", graded.corruption_rows).lines[0].cells[3]
    assert (baseline.main, baseline.small) == ("100", ("the baseline",))


def test_rounded_images_have_rows_of_their_own(graded: Graded) -> None:
    rounded = [replace(row, scored=ROUNDED) for row in graded.rows if row.attack.startswith("fog")]
    (view,) = views([*graded.rows, *rounded])
    first, last = severity_table(view, "b", graded.corruption_rows).lines[0::2]
    assert [(line.label, line.cells[2].main) for line in (first, last)] == [("Fog", "0.500"), ("Fog, 8 bit", "")]
    rows = [row for row in graded.rows if row.attack.startswith("fog")][:2]
    shown = by_severity("", [*rows, replace(rows[1], scored=ROUNDED, ratio=0.25)], ratio_cell)
    assert [(line.label, *[cell.main for cell in line.cells]) for line in shown.lines] == [
        ("Fog", "0.500", "0.500"),
        ("Fog, 8 bit", "–", "0.250"),
    ]


def test_means_are_the_result_of_a_run_of_corruptions(graded: Graded) -> None:
    (shown,) = headline.section(Material(graded))
    (table,) = shown.parts[0].tables
    assert table == summary_table(graded.corruption_rows)
    assert [line.label for line in table.lines] == ["a", "b"]
    assert [cell.main for cell in table.lines[1].cells] == [
        *("0.625", "87.5", "a", "0.800", "16"),
        "Semantic segmentation on d: mIoU",
    ]
    assert MEANING in shown.intro


def test_severities_have_a_section_of_their_own_and_no_place_among_epsilons(graded: Graded) -> None:
    material = Material(graded)
    (shown,) = section(material)
    kinds, every = shown.parts
    assert [file.name for file in kinds.figures] == ["corruptions_d_semantic.png"]
    assert kinds.tables[0].groups == (("a", 2), ("b", 2))
    assert [cell.main for cell in kinds.tables[0].lines[-1].cells] == ["0.625", "100", "0.625", "87.5"]
    assert (len(every.tables), every.is_open) == (2, False)
    assert not sections.tasks(material)
    assert not views(graded.rows)[0].curves(own=True)
    html, figures = page(material, "title")
    assert '<section id="corruptions">' in html
    assert len(figures) == 1


def test_epsilons_keep_their_section_beside_them(graded: Graded) -> None:
    noisy = replace(CLEAN, model="a", attack="fog", norm="rms", epsilon=4.0, value=0.6, ratio=0.75)
    mixed = replace(graded, rows=[*graded.rows, noisy])
    (task,) = sections.tasks(Material(mixed))
    assert [line.label for line in task.parts[0].tables[0].lines] == ["Fog"]
    assert task.parts[0].tables[0].heads == ("4",)
    assert len(section(Material(mixed))) == 1


def test_a_run_without_has_no_section(graded: Graded) -> None:
    assert section(Material(replace(graded, rows=graded.rows[:1], corruption_rows=[]))) == []


def test_the_terminal_shows_severities_as_columns(graded: Graded) -> None:
    first, second = terminal_tables(graded)
    assert [column.header for column in first.columns] == ["corruption", "1", "3", "mean Q", "CE"]
    assert str(second.title) == "b on d, semantic: clean mIoU 0.800, n = 8 images"


def test_a_doubted_mean_says_so(graded: Graded) -> None:
    doubted = [replace(row, verdict="implausible_clean") for row in graded.corruption_rows]
    assert "not to be believed: implausible_clean" in summary_table(doubted).lines[0].cells[0].small[-1]


def test_what_severities_cost_is_one_line_for_each_corruption() -> None:
    rows = [
        CostRow(
            model="a",
            dataset="d",
            attack=f"fog[severity={severity}]",
            objective="",
            norm="none",
            epsilon=None,
            forwards=8,
            backwards=0,
            seconds=1.0,
            peak_memory_mb=0.0,
        )
        for severity in (1, 3)
    ]
    (table,) = cost_tables(rows)
    assert [(line.label, line.cells[0].main, line.cells[1].main) for line in table.lines] == [
        ("Fog", "2", "16"),
        ("total", "2", "16"),
    ]
