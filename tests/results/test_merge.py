from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.report.write import write_comparison, write_report
from robustbench_seg.results.merge import merge, run_names
from robustbench_seg.results.rows import SUMMARY
from tests.report.fake_run import MODELS, FakeRun, fake_run
from tests.report.html_text import parse


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> list[FakeRun]:
    root = tmp_path_factory.mktemp("two")
    other = (MODELS[0], replace(MODELS[1], name="street-other"))
    return [
        fake_run(root / "first", with_panels=False),
        fake_run(root / "second", other, with_panels=False),
    ]


def test_only_shared_names_get_their_run(two: list[FakeRun]) -> None:
    merged = merge(two, Path("out"))
    names = ["street-mobilenetv2 (first)", "street-multitask", "street-mobilenetv2 (second)", "street-other"]
    for rows in (merged.rows, merged.class_rows, merged.cost_rows):
        assert list(dict.fromkeys(row.model for row in rows)) == names
    assert len(merged.rows) == sum(len(run.summary) for run in two)


def test_run_names_are_as_short_as_they_can_be() -> None:
    assert run_names([Path("/a/x"), Path("/b/y")]) == ["x", "y"]
    assert run_names([Path("/a/x"), Path("/b/x")]) == ["a/x", "b/x"]
    with pytest.raises(UsageError, match=r"'/a/\.\./a/x' is given twice"):
        run_names([Path("/a/../a/x"), Path("/a/x")])


@pytest.mark.slow
def test_comparison_files(two: list[FakeRun], tmp_path: Path) -> None:
    noise = "task == 'semantic' and objective == ''"
    two = [replace(run, summary=run.summary.query(noise), classes=run.classes.query(noise)) for run in two]
    path = write_comparison(two, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "comparison.html"
    page = parse(path.read_text(encoding="utf-8"))
    assert "Robustness comparison of 2 runs" in page.text
    assert "street-mobilenetv2 (second)" in page.text
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    table = pd.read_csv(path.with_name("comparison.csv"))
    assert list(table.columns) == ["run", *SUMMARY]
    assert list(dict.fromkeys(table["run"])) == ["first", "second"]
    assert "nan" not in path.with_name("comparison.csv").read_text(encoding="utf-8").lower()
    assert (path.parent / "figures" / "q_street_semantic_by_perturbation_epsilon.png").is_file()


def test_what_makes_runs_incomparable_is_noted(two: list[FakeRun]) -> None:
    data = {**two[1].info["datasets"][0], "n_images": 20, "fingerprint": "ffff"}
    other = replace(two[1], info={**two[1].info, "seed": 7, "datasets": [data]})
    other.info["identity"] = {**other.info.get("identity", {}), "tasks": {"depth": {"crop": "garg"}}}
    notes = merge([two[0], other], Path("out")).info["notes"]
    assert notes[:4] == [
        "The runs differ in seed: 0, 7.",
        "The runs differ in the parameters of tasks: the defaults, {'depth': {'crop': 'garg'}}.",
        "The runs differ in the n_images of data set street: 200, 20.",
        "The runs differ in the fingerprint of data set street: 0c1d2e3f, ffff.",
    ]
    assert notes[4].startswith("first: street-mobilenetv2 on street")
    assert len(merge(two, Path("out")).info["notes"]) == 2


def test_a_run_without_classes_merges(two: list[FakeRun]) -> None:
    bare = replace(two[1], classes=two[1].classes[:0])
    assert len(merge([two[0], bare], Path("out")).class_rows) == len(two[0].classes)


def test_no_run_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one"):
        write_comparison([], tmp_path)


@pytest.mark.slow
def test_a_folder_that_cannot_be_written_is_one_line(two: list[FakeRun], tmp_path: Path) -> None:
    noise = "task == 'semantic' and attack in ('clean', 'gaussian')"
    run = replace(two[0], summary=two[0].summary.query(noise), classes=two[0].classes.query(noise))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        write_report(run, tmp_path / "file")
    (tmp_path / "figures" / "q_street_semantic_epsilon.png").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write_report(run, tmp_path)
