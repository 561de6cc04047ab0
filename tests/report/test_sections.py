"""Sections of a page: what each holds, and that none is empty."""

from dataclasses import replace

import pandas as pd
import pytest

from robustbench_seg.report import sections
from robustbench_seg.report.page import page
from robustbench_seg.report.section import Material
from tests.report.fake_run import FakeRun


@pytest.fixture(scope="module")
def material(run: FakeRun) -> Material:
    return Material(run)


def test_how_intervals_were_made_is_said_or_admitted_unknown(material: Material, run: FakeRun) -> None:
    assert "On street: jackknife over 40 groups." in sections.reading(material)[0].intro
    unknown = replace(run, info={})
    assert "run.json does not say how the intervals were made." in sections.reading(Material(unknown))[0].intro


def test_what_rounding_does_is_said_where_it_was_done_or_would_change_the_images(run: FakeRun) -> None:
    def said(summary: pd.DataFrame) -> str:
        return sections.reading(Material(replace(run, summary=summary)))[0].intro[-1]

    assert "would not hold ε = 0.25, 0.5: --quantise" in said(run.summary)
    whole = run.summary[run.summary.epsilon % 1 == 0]
    assert said(whole) == "On street: jackknife over 40 groups."
    assert "called 8 bit" in said(pd.concat([run.summary, whole.assign(scored="8 bit")]).fillna({"scored": "float"}))


def test_every_task_has_its_curves_tables_and_classes(material: Material, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustbench_seg.report.section.png", lambda make: b"a PNG")
    semantic, depth = sections.tasks(material)
    assert (semantic.title, depth.title) == ("Semantic segmentation on street", "Depth on street")
    assert [len(part.tables) for part in semantic.parts] == [2, 2, 2]
    assert [len(part.figures) for part in depth.parts] == [3, 0, 0]
    assert [part.is_open for part in semantic.parts] == [True, False, True]


def test_a_section_with_nothing_to_show_is_missing(run: FakeRun) -> None:
    bare = replace(run, summary=run.summary[:0], classes=run.classes[:0], costs=run.costs[:0], pictures=[])
    for make in (sections.tasks, sections.targeted, sections.pictures, sections.costs):
        assert make(Material(bare)) == []


def test_what_attacks_are_stands_in_the_head_and_under_the_curves(
    run: FakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("robustbench_seg.report.section.png", lambda make: b"a PNG")
    told = replace(run, info=run.info | {"protocol": {"name": "p", "caveats": ["PGD: as in the paper"]}})
    html, _ = page(Material(told), "title")
    assert "<dt>note</dt><dd>PGD: as in the paper</dd>" in html
    (semantic, *_) = sections.tasks(Material(told))
    assert semantic.parts[0].figures[0].caption.endswith("intervals. PGD: as in the paper.")
    compared = replace(run, info={"runs": {"a": told.info, "b": run.info, "c": told.info}})
    assert Material(compared).caveats == ["PGD: as in the paper"]
    assert "<dt>note</dt>" not in page(Material(run), "title")[0]


def test_provenance_is_all_of_run_json(material: Material, run: FakeRun) -> None:
    (section,) = sections.provenance(material)
    plain = section.trees["the run"]
    assert isinstance(plain, dict)
    assert {**plain, **{key: value for key, value in section.trees.items() if key != "the run"}} == run.info
