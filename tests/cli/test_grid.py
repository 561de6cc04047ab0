"""`robustseg train --grid`: its table, its folders, and what is refused before anything is trained."""

import csv

import pytest

from robustbench_seg.cli.options import parse_grid
from robustbench_seg.errors import UsageError
from robustbench_seg.models.catalogue.card import read_card
from tests.cli.test_train import FILM
from tests.cli.test_train import RECIPE as WITH_VIDEO

RECIPE = WITH_VIDEO.partition("[video]")[0] + "depth = 1.0\n"


@pytest.fixture
def train(robustseg, tmp_path):
    """Trains a toy with more options: exit code, output, errors."""
    recipe = tmp_path / "filmed.toml"
    recipe.write_text(RECIPE)
    return lambda *options: robustseg("train", recipe, "--plugin", FILM, "--work", tmp_path / "work", *options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tasks.depth=1,10", ("tasks.depth", [1, 10])),
        ("optimiser.clip=0.5", ("optimiser.clip", [0.5])),
        ("schedule.name=step,constant", ("schedule.name", ["step", "constant"])),
        ("optimiser.betas=[0.9, 0.98],[0.9, 0.999]", ("optimiser.betas", [[0.9, 0.98], [0.9, 0.999]])),
        ("class_weights=true,false", ("class_weights", [True, False])),
    ],
)
def test_values_are_read_as_toml_else_as_text(text, expected):
    assert parse_grid(text) == expected


@pytest.mark.parametrize("text", ["", "tasks.depth", "tasks.depth=", "=1", "tasks.=1", "tasks.depth=1,,2", "a=1,"])
def test_no_grid(text):
    with pytest.raises(UsageError, match=r"write KEY=VALUE,VALUE,… as in --grid tasks.depth=1,10"):
        parse_grid(text)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--grid", "tasks.depth=1,much"], 2, "--grid tasks.depth=much: "),
        (["--grid", "tasks.dept=1"], 3, "unknown task 'dept'; did you mean depth"),
        (["--grid", "tasks.edges=1"], 3, "no labels for task 'edges'"),
        (["--grid", "architecture.name=klingner,klinger"], 3, "did you mean klingner"),
        (["--grid", "data.val=val,vall", "--grid", "data.dataset=street"], 2, "unknown split 'vall'"),
        (["--grid", "seed=1,2", "--seed", 3], 2, "--grid seed and --seed are both given"),
        (["--grid", "seed=1,2", "--devices", 2], 2, "leave it out"),
        (["--grid", "seed=1,2", "--reference", "street-multi"], 2, "reference street-multi was measured on"),
        (["--grid", "seed=1", "--reference", "street-multi", "--reference", "street-single"], 2, "'semantic' is there"),
        (["--grid", "seed=1", "--reference", "nobody"], 2, "unknown reference 'nobody'"),
        (["--reference", "street-multi"], 2, "give --grid too"),
        (["--grid", "seed"], 2, "write KEY=VALUE"),
    ],
)
def test_bad_values_are_one_line_before_anything_is_trained(train, tmp_path, options, code, message):
    found, _, error = train(*options)
    assert (found, error.count("\n")) == (code, 1)
    assert message in error
    assert not list(tmp_path.rglob("state.pt"))


@pytest.mark.slow
def test_a_grid_is_a_table_against_a_reference(train, tmp_path):
    assert train("--steps", 8, "-o", tmp_path / "alone")[0] == 0
    options = ("--grid", "tasks.semantic=1,10", "--grid", "seed=0,1", "--steps", 8, "--reference", tmp_path / "alone")
    code, text, error = train(*options)
    assert code == 0, error
    assert "32/32 steps" in error
    with (tmp_path / "work" / "grid.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [f"filmed-8-tasks.semantic={weight}-seed={seed}" for weight in (1, 10) for seed in (0, 1)]
    assert [row["name"] for row in rows] == names
    assert [(row["tasks.semantic"], row["seed"]) for row in rows] == [("1", "0"), ("1", "1"), ("10", "0"), ("10", "1")]
    reference = read_card(tmp_path / "alone").metrics
    for row in rows:
        card = read_card(tmp_path / "work" / row["name"] / row["name"])
        found = [(card.metrics[task][name], reference[task][name]) for task, name in METRICS]
        assert [float(row[f"{task}_{name}"]) for task, name in METRICS] == [ours for ours, _ in found]
        (miou, alone), (rmse, other) = found
        assert float(row["delta"]) == pytest.approx(50 * ((miou - alone) / alone - (rmse - other) / other))
    assert float(rows[0]["delta"]) == 0, "the recipe's own weights and seed"
    best = max(range(4), key=lambda i: float(rows[i]["delta"]))
    assert [row["best"] for row in rows] == [str(i == best) for i in range(4)]
    (marked,) = [line for line in text.splitlines() if line.rstrip().endswith("best")]
    assert f"{float(rows[best]['delta']):+.2f}" in marked

    states = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*.pt")}
    assert len(states) == 2 * 5
    assert train(*options)[:2] == (0, text), "a finished grid trains no more"
    assert {path: path.read_bytes() for path in (tmp_path / "work").rglob("*.pt")} == states


METRICS = (("semantic", "miou"), ("depth", "rmse"))


@pytest.mark.slow
def test_without_a_reference_there_is_no_best(train, tmp_path):
    out = tmp_path / "models"
    code, text, _ = train("--grid", "seed=0,1", "--steps", 8, "-o", out)
    assert code == 0
    assert "best" not in text
    assert "delta" not in (tmp_path / "work" / "grid.csv").read_text().partition("\n")[0].split(",")
    assert sorted(path.name for path in out.iterdir()) == ["filmed-8-seed=0", "filmed-8-seed=1"]
