import re
from pathlib import Path

import pytest

from robustbench_seg.report.page import _facts
from robustbench_seg.report.section import Material
from robustbench_seg.report.write import write_report
from robustbench_seg.results.run import Run
from robustbench_seg.results.tables import Tables
from tests.report.fake_run import FakeRun, Model, fake_run
from tests.report.html_text import Page, parse

NASTY = '<script>alert("x")</script> & $a_b$'


def cells(page: Page, caption: str) -> dict[str, list[str]]:
    """The lines of the one table whose caption starts so, by their label."""
    (table,) = [rows for name, rows in page.tables.items() if name.startswith(caption)]
    return {row[0]: row[1:] for row in table}


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


@pytest.mark.parametrize("model", ["street-mobilenetv2", "street-multitask"])
def test_pivot_holds_the_numbers_of_the_summary(run: FakeRun, page: Page, model: str) -> None:
    table = cells(page, f"{model} on street: mIoU of semantic")
    heads = table["ε in units of 1/255"]
    assert heads == ["0.25", "0.5", "1", "2", "4", "8", "16", "no ε"]
    names = {"Gaussian noiseRMS": ("gaussian", ""), "PGDL∞": ("pgd", "semantic"), "DAGunbounded": ("dag", "semantic")}
    table_rows = run.summary[(run.summary["model"] == model) & (run.summary["metric"] == "miou")]
    for label, (attack, objective) in names.items():
        rows = table_rows[(table_rows["attack"] == attack) & (table_rows["objective"] == objective)]
        for _, row in rows.iterrows():
            column = "no ε" if row["epsilon"] != row["epsilon"] else f"{row['epsilon']:g}"
            shown = numbers(table[label][heads.index(column)])
            wanted = [row["ratio"], row["ratio_low"], row["ratio_high"], row["value"]]
            assert shown == pytest.approx(wanted, abs=5.1e-4)


def test_what_was_not_asked_for_is_a_bare_dash_and_a_failure_says_so(page: Page) -> None:
    table = cells(page, "street-multitask on street: mIoU of semantic")
    assert table["DAGunbounded"][0] == "–"
    assert table["FGSML∞"][5].endswith("failed, n = 197")


def test_nothing_reads_nan(html: str, page: Page) -> None:
    assert not re.search(r"\b(nan|inf)\b", page.text, re.IGNORECASE)
    assert not re.search(r"\bNone\b", page.text)
    assert "--q:nan" not in html


def test_the_page_loads_nothing(html: str, page: Page) -> None:
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & page.tags
    assert not re.search(r"url\(|@import", html)
    assert "default-src 'none'" in html


def test_the_result_is_a_table_with_verdicts(page: Page) -> None:
    (lines,) = [rows for caption, rows in page.tables.items() if caption.startswith("Change of the retained")]
    assert lines[0][-1] == "verdict"
    assert ["street-mobilenetv2", "harmed"] in [[line[0], line[-1]] for line in lines]


def test_the_pictures_of_the_page_stay_within_three_megabytes(html: str) -> None:
    assert sum(map(len, re.findall(r'src="(data:image/[^"]*)"', html))) <= 3_000_000


def test_provenance_shows_all_of_run_json(run: FakeRun, page: Page) -> None:
    def leaves(value):
        if isinstance(value, dict):
            return [leaf for inner in value.values() for leaf in leaves(inner)]
        if isinstance(value, list):
            return [leaf for inner in value for leaf in leaves(inner)]
        return [] if value in (None, "") else [str(value)]

    assert [leaf for leaf in leaves(run.info) if leaf not in page.text] == []
    assert all(key in page.text for key in run.info)


def test_interval_method_notes_and_upper_bound_are_admitted(run: FakeRun, page: Page) -> None:
    assert run.info["intervals"]["street"] in page.text
    assert run.info["notes"][0] in page.text
    assert "upper bound on robustness" in page.text


def test_pictures_of_every_image_and_model(html: str, page: Page) -> None:
    assert "street-val-0003 of street" in page.text
    assert "street-val-0017 of street" in page.text
    assert page.tables["street-multitask"][0] == [
        "",
        "input",
        "perturbation, amplified",
        "semantic segmentation",
        "depth",
    ]
    assert html.count('alt="PGD on semantic at ε = 4: perturbation"') == 4


def test_everything_is_escaped(tmp_path) -> None:
    model = Model(NASTY, ("semantic",), 1.0, {"miou": 0.6, "pixel_accuracy": 0.9})
    made = fake_run(tmp_path / "<b>run", (model,))
    made.info["notes"].append("<img src=http://example.org/x.png>")
    made.info["models"][0]["<i>"] = "<u>"
    text = write_report(made).read_text(encoding="utf-8")
    shown = parse(text)
    assert not {"script", "b", "i", "u"} & shown.tags
    assert all(address.startswith(("data:image/", "#")) for address in shown.addresses)
    assert NASTY in [line[0] for rows in shown.tables.values() for line in rows]


@pytest.mark.slow
def test_the_same_run_gives_the_same_page(run: FakeRun, html: str, tmp_path) -> None:
    again = write_report(run, tmp_path)
    assert again == tmp_path / "report.html"
    assert again.read_text(encoding="utf-8") == html


def test_a_run_without_perturbed_cells_still_has_a_page(run: FakeRun, tmp_path) -> None:
    for keep in (run.summary["attack"] == "clean", run.summary["attack"] == "no such"):
        made = FakeRun(tmp_path, run.summary[keep], run.classes[:0], run.costs[:0], {})
        shown = parse(write_report(made).read_text(encoding="utf-8"))
        assert "No perturbed cell has a value yet." in shown.text
        assert not list((tmp_path / "figures").iterdir())


@pytest.mark.parametrize(
    ("there", "text"),
    # A run of before does not know.
    [
        ({"n_in_split": 200}, "street (val, 48 of 200 images)"),
        ({"n_in_split": 48}, "street (val, 48 images)"),
        ({}, "48 images)"),
    ],
)
def test_the_head_says_which_part_of_a_split_was_used(there: dict[str, int], text: str) -> None:
    info = {"datasets": [{"name": "street", "split": "val", "n_images": 48, **there}]}
    material = Material(Run(Path("run"), tables=Tables([], [], []), known=info))
    assert dict(_facts(material))["data"].endswith(text)
