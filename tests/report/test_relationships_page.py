"""The page, the table and the command."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from robustbench_seg.cli import main
from robustbench_seg.errors import UsageError
from robustbench_seg.report.relationships.effects import COLUMNS
from robustbench_seg.report.relationships.write import write_relationships
from tests.report.fake_five_tasks import Model, five_tasks
from tests.report.fake_run import FakeRun
from tests.report.html_text import Page, parse

pytestmark = pytest.mark.slow

PAIR = Model("pair", ("semantic", "depth"))
SOLO = Model("solo", ("semantic",))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> FakeRun:
    made = five_tasks(tmp_path_factory.mktemp("runs") / "demo", (Model("uninet"), PAIR, SOLO), grid=(0.5, 1.0, 2.0))
    write_relationships([made])
    return made


@pytest.fixture(scope="module")
def html(run: FakeRun) -> str:
    return (run.folder / "relationships.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return parse(html)


@pytest.fixture(scope="module")
def table(run: FakeRun) -> pd.DataFrame:
    return pd.read_csv(run.folder / "relationships.csv", keep_default_na=False, na_values=[""])


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def small(folder: Path, *models: Model, **changes) -> FakeRun:
    return five_tasks(folder, models or (PAIR,), norms=("linf",), grid=(1.0,), with_panels=False, **changes)


def test_columns_of_the_table(table: pd.DataFrame) -> None:
    header = "model,dataset,attack,objective,norm,epsilon,task,metric,direction,clean,value,ratio,ratio_low,ratio_high"
    assert header.split(",") == list(table.columns) == COLUMNS
    assert set(table["model"]) == {"uninet", "pair"}
    assert table.loc[table["norm"] == "none", "epsilon"].isna().all()


def captioned(page: Page, start: str) -> list[list[str]]:
    """The table whose caption starts so, before it says over how many images it is."""
    (caption,) = [caption for caption in page.tables if caption.startswith(f"{start}, n = ")]
    return page.tables[caption]


def test_the_page_shows_the_numbers_of_the_table(page: Page, table: pd.DataFrame) -> None:
    shown = captioned(page, "uninet on street, PGD (L∞) at ε = 1")
    order = ["semantic", "detection", "instance", "depth", "instance_depth"]
    lines = {line[0]: line[1:] for line in shown}
    names = {
        "semantic segmentationtask's own loss": "semantic",
        "depthtask's own loss": "depth",
        "box regression losssingle raw loss": "loss:reg",
        "all tasks (multi-task loss)several tasks at once": "group:all",
    }
    mine = table[(table["model"] == "uninet") & (table["attack"] == "pgd") & (table["norm"] == "linf")]
    for name, objective in names.items():
        rows = mine[(mine["objective"] == objective) & (mine["epsilon"] == 1)].set_index("task").loc[order]
        for cell, (_, row) in zip(lines[name], rows.iterrows(), strict=True):
            assert numbers(cell) == pytest.approx([*row[["ratio", "ratio_low", "ratio_high", "value"]]], abs=5.1e-4)
    assert shown[0] == ["", "semantic tasks", "geometric tasks"]


def test_every_epsilon_is_on_the_page(page: Page) -> None:
    for epsilon in ("0.5", "1", "2"):
        assert captioned(page, f"uninet on street, PGD (RMS) at ε = {epsilon}")


def test_sections_in_order(page: Page) -> None:
    heads = (
        "What this page shows", "Main findings", "Attacked losses against measured tasks", "What each loss takes",
        "Hiding a class", "Swapping two classes", "Pictures", "Who influences whom", "Is the influence mutual?",
        "The same at equal signal-to-noise ratio", "Agreement",
    )  # fmt: skip
    text = page.text[page.text.index("What this page shows") :]
    places = [text.rindex(head) if head == "Agreement" else text.index(head) for head in heads]
    assert places == sorted(places)


def test_findings_are_signed_rows(page: Page) -> None:
    own = page.tables["Does a task drop most under its own loss, among the tasks' own losses?"]
    of_uninet = [line for line in own if "uninet" in line[0]]
    assert [line[-2:] for line in of_uninet] == [["+", "own loss stronger"]] * 5
    directions = page.tables["Are geometric tasks more affected by attacks on semantic tasks (+), or the reverse (−)?"]
    hidden = [line for line in directions if line[0].startswith("hiding person")]
    assert hidden[-1][1].startswith("45.0 % | [43.0, 47.0]")
    assert {line[-2] for line in directions[1:]} <= {"+", "−", "0"}
    assert "unpaired [" in next(line for line in directions if "own losses" in line[0])[3]
    (shapes,) = [lines for caption, lines in page.tables.items() if caption.startswith("Mean width / height")]
    assert {line[-1] for line in shapes[1:]} == {"no interval"}
    assert "conservative" in page.text
    assert "solo on street is not shown: it has one task (semantic segmentation)" in page.text


def test_pictures_of_classes_and_groups_alone(html: str, page: Page) -> None:
    assert "street-val-0003 of street" in page.text
    assert "street-val-0009" not in page.text
    assert "solo" not in page.tables
    assert 'alt="Hiding person on depth at ε = 2: perturbation"' in html
    assert 'alt="PGD on semantic tasks at ε = 1: perturbation"' in html
    assert 'alt="PGD on semantic at ε = 1: perturbation"' not in html
    assert page.tables["uninet"][0][1:] == [
        "input",
        "perturbation, amplified",
        "semantic segmentation",
        "depth",
        "instances",
    ]


def test_the_page_loads_nothing_and_reads_no_nan(html: str, page: Page) -> None:
    assert all(address.startswith(("data:image/", "#")) for address in page.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "form"} & page.tags
    assert not re.search(r"\b(nan|inf|None)\b", page.text)
    anchors = {address[1:] for address in page.addresses if address.startswith("#")}
    assert all(f'id="{anchor}"' in html for anchor in anchors)


def test_figures_lie_beside_those_of_the_report(run: FakeRun, html: str) -> None:
    names = sorted(path.name for path in (run.folder / "figures").iterdir())
    assert all(name.startswith("relationships_") for name in names)
    assert {"relationships_matrix_uninet_street_pgd_linf.png", "relationships_agreement_epsilon.png"} <= set(names)
    assert all(f"figures/{name}" in html for name in names)


def test_missing_cells_are_dashes(tmp_path: Path) -> None:
    made = small(tmp_path)
    keep = ~((made.summary["objective"] == "depth") & (made.summary["task"] == "semantic"))
    write_relationships([replace(made, summary=made.summary[keep])])
    shown = parse((tmp_path / "relationships.html").read_text(encoding="utf-8"))
    line = next(
        line for line in captioned(shown, "pair on street, PGD (L∞) at ε = 1") if line[0].startswith("depthtask")
    )
    assert line[1] == "–"
    assert numbers(line[2])


def test_an_ungrouped_task_has_its_own_column(tmp_path: Path) -> None:
    made = small(tmp_path, Model("novel", ("semantic", "depth", "gaze"), {("gaze", "gaze"): 0.5}))
    write_relationships([made])
    shown = parse((tmp_path / "relationships.html").read_text(encoding="utf-8"))
    assert captioned(shown, "novel on street, PGD (L∞) at ε = 1")[0] == [
        "",
        "semantic tasks",
        "geometric tasks",
        "other tasks",
    ]
    assert "other tasks: gaze" in shown.text


def test_models_of_one_name_are_named_with_their_run(tmp_path: Path) -> None:
    runs = [small(tmp_path / name) for name in ("first", "second")]
    path = write_relationships(runs, tmp_path / "out")
    assert path == tmp_path / "out" / "relationships.html"
    assert set(pd.read_csv(tmp_path / "out" / "relationships.csv")["model"]) == {"pair (first)", "pair (second)"}
    assert not (tmp_path / "first" / "relationships.html").exists()


def test_names_are_escaped(tmp_path: Path) -> None:
    write_relationships([small(tmp_path, Model("<script>x</script>", ("semantic", "depth")))])
    shown = parse((tmp_path / "relationships.html").read_text(encoding="utf-8"))
    assert "script" not in shown.tags
    assert "<script>x</script> on street" in shown.text


def test_runs_with_nothing_to_relate_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one run folder"):
        write_relationships([])
    with pytest.raises(UsageError, match="no model with at least two tasks: solo on street has semantic; give a run"):
        write_relationships([small(tmp_path, SOLO)])
    made = small(tmp_path)
    noise = replace(made, summary=made.summary[made.summary["objective"] == ""])
    with pytest.raises(UsageError, match=r"no gradient attack.*`robustseg evaluate -m pair -d street -a pgd -e 1`"):
        write_relationships([noise])
    with pytest.raises(UsageError, match="-e 3 was not run; choose one of 1"):
        write_relationships([made], reference=3.0)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    made = small(tmp_path)
    made.summary.to_csv(tmp_path / "summary.csv", index=False)
    made.classes.to_csv(tmp_path / "classes.csv", index=False)
    made.costs.to_csv(tmp_path / "costs.csv", index=False)
    (tmp_path / "run.json").write_text('{"intervals": {"street": "made up"}}')

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["robustseg", "relationships", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), *capsys.readouterr()

    code, out, _ = call(tmp_path, "-o", tmp_path / "new" / "folder")
    assert (code, out.strip()) == (0, f"relationships: {tmp_path / 'new' / 'folder' / 'relationships.html'}")
    assert not (tmp_path / "store.sqlite").exists()
    code, _, err = call(tmp_path, "-e", "7")
    assert (code, err.count("\n")) == (2, 1)
    assert call(tmp_path / "missing")[0] == 3


def test_it_needs_no_torch_and_no_pyplot() -> None:
    code = "import sys, robustbench_seg.report.relationships.write, robustbench_seg.cli.relationships; "
    code += "print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
