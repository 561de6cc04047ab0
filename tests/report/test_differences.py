"""What `robustseg plot` writes of differences: the table, the section of the page, the figure."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robustbench_seg.cli import main
from robustbench_seg.report.write import write_comparison
from robustbench_seg.results.run import Run
from tests.report.html_text import Page, parse
from tests.results.stored_runs import stored_run

HARDNESS = np.linspace(1.0, 9.0, 24)
SCALES = {0.0: 1.0, 0.5: 1.2, 2.0: 1.5, 8.0: 3.0}


def errors(clean: float, attacked: float, wobble: float = 0.0) -> dict[float, list[float]]:
    """RMSE an image: a multiple of its hardness, another one under attack; `wobble` in metres up and down."""
    own = wobble * (-1.0) ** np.arange(len(HARDNESS))
    return {e: [float(x) for x in HARDNESS * s * (attacked if e else clean) + own] for e, s in SCALES.items()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    models = {
        "single-0": errors(1.0, 1.3),
        "single-1": errors(1.02, 1.35),
        "multi-0": errors(0.9, 1.0),
        "multi-1": errors(0.9199, 1.0379),
        "twin": errors(1.0, 1.3, wobble=0.4),
    }
    return stored_run(tmp_path_factory.mktemp("five") / "run", models)


@pytest.fixture(scope="module")
def out(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out")
    write_comparison([run], folder, ["single=single-0,single-1", "multi=multi-0,multi-1"])
    return folder


@pytest.fixture(scope="module")
def page(out: Path) -> Page:
    return parse((out / "comparison.html").read_text(encoding="utf-8"))


def test_the_table_is_written(out: Path) -> None:
    table = pd.read_csv(out / "differences.csv")
    assert list(dict.fromkeys(zip(table["first"], table["second"], strict=True))) == [
        ("single", "multi"),
        ("single", "twin"),
    ]
    multi = table[(table["second"] == "multi") & (table["metric"] == "rmse") & (table["quantity"] == "ratio")]
    assert (multi["verdict"] == "higher").all()
    assert multi["seed_low"].gt(0).all()
    twin = table[table["second"] == "twin"]
    assert twin["seed_low"].isna().all()
    assert not twin["image_low"].isna().any()
    assert "nan" not in (out / "differences.csv").read_text().lower()


def test_the_page_says_what_is_claimed_and_what_is_not(page: Page) -> None:
    assert "Robustness comparison of 1 run" in page.text
    assert "single: single-0, single-1" in page.text
    # Two pairs, clean and at three epsilons.
    assert "corrected for the 8 comparisons of this section" in " ".join(page.text.split())
    clean = {line[0]: line[1:] for line in page.tables["RMSE on clean images (m), street, n = 24 images"]}
    assert clean["multi − single"][2].startswith("−0.500 | images [")
    assert clean["multi − single"][3] == "lower"
    assert clean["twin − single"][3] == "statistically indistinguishable"


def test_the_page_has_the_numbers_of_the_table(page: Page, out: Path) -> None:
    (lines,) = [table for caption, table in page.tables.items() if caption.startswith("multi − single on street")]
    table = pd.read_csv(out / "differences.csv")
    rows = table[(table["second"] == "multi") & (table["metric"] == "rmse") & (table["quantity"] == "ratio")]
    assert lines[0][1:] == ["0.5", "2", "8"]
    for text, (_, row) in zip(lines[1][1:], rows.iterrows(), strict=True):
        number, images, seeds, verdict = text.split(" | ")
        assert number == f"{row['difference']:+.3f}"
        assert images == f"images [{row['image_low']:+.3f}, {row['image_high']:+.3f}]"
        assert seeds == f"seeds [{row['seed_low']:+.3f}, {row['seed_high']:+.3f}]"
        assert verdict == "higher"


def test_the_figure_is_a_file_and_on_the_page(out: Path, page: Page) -> None:
    assert (out / "figures" / "d_street_depth.png").read_bytes().startswith(b"\x89PNG")
    assert "figures/d_street_depth.png" in page.text


@pytest.mark.slow
def test_the_same_runs_give_the_same_bytes(run: Run, out: Path, tmp_path: Path) -> None:
    write_comparison([run], tmp_path, ["single=single-0,single-1", "multi=multi-0,multi-1"])
    for name in ("comparison.html", "differences.csv", "figures/d_street_depth.png"):
        assert (tmp_path / name).read_bytes() == (out / name).read_bytes()


@pytest.mark.slow
def test_notes_reach_the_page(run: Run, tmp_path: Path) -> None:
    other = stored_run(tmp_path / "other", {"other": errors(1.0, 1.1)}, seed=3)
    path = write_comparison([run, other], tmp_path / "out")
    text = parse(path.read_text(encoding="utf-8")).text
    assert "single-0 and other on street: no interval, their runs have other seeds." in text
    assert "no interval" in text
    assert "nothing is said of other trainings" in " ".join(text.split())


def test_a_model_alone_has_no_differences(tmp_path: Path) -> None:
    alone = stored_run(tmp_path / "alone", {"net": errors(1.0, 1.2)})
    path = write_comparison([alone], tmp_path / "out")
    assert not (tmp_path / "out" / "differences.csv").exists()
    assert "Paired differences" not in parse(path.read_text(encoding="utf-8")).text


@pytest.mark.slow
def test_the_command(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def robustseg(*arguments: object) -> int:
        monkeypatch.setattr("sys.argv", ["robustseg", "plot", str(run.folder), "-o", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0)

    assert robustseg(tmp_path, "--group", "single=single-0,single-1") == 0
    assert "comparison.html" in capsys.readouterr().out
    assert (tmp_path / "differences.csv").is_file()
    assert robustseg(tmp_path, "--tasks", "depth") == 2
    assert "Δ is a mean over two tasks or more" in capsys.readouterr().err
    assert robustseg(tmp_path, "--group", "single=singel-0") == 2
    error = capsys.readouterr().err
    assert "did you mean single-0" in error
    assert error.count("\n") == 1
