"""Images rounded to 8 bits: as a PNG holds them, from the rounding to the numbers of every attack."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.registry import ATTACKS, BUILT_IN
from robustbench_seg.checks.judge import RECORDS
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.panels import picture
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.scoring import Cell
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.evaluation.stored import as_stored, from_bytes
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.report.relationships.study import opened_study
from robustbench_seg.results.differences import compare
from robustbench_seg.results.groups import parse_groups
from robustbench_seg.results.keys import CLEAN, FLOAT, ROUNDED, WORST
from robustbench_seg.results.merge import model_names
from robustbench_seg.results.names import labels
from robustbench_seg.results.pair import VALUE, pairs_of
from robustbench_seg.results.store import Store

GRID = (0.25, 0.5, 0.75, 1.0, 8.0)
PROTOCOL = Protocol(
    "rounding",
    (
        AttackPlan("gaussian", (0.25, 8.0)),
        AttackPlan("fgsm", GRID),
        AttackPlan("pgd", (1.0, 8.0), params={"steps": 0, "alpha": 8.0}),
        AttackPlan("worst", (0.5, 0.75, 8.0), "linf"),
    ),
)
"""The one step of PGD is FGSM, so that some cells are computed once."""
LIMIT = 6
IN_8_BITS = ("impulse_noise", "jpeg_compression", "pixelate")
"""Attacks whose results are in 8 bits as they are."""


@pytest.fixture(scope="module")
def run(run_in, tmp_path_factory):
    return run_in(
        tmp_path_factory.mktemp("rounded") / "run", "toy-multi", protocol=PROTOCOL, limit=LIMIT, quantise=True
    )


@pytest.fixture(scope="module")
def plain(run_in, tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("plain") / "run", "toy-multi", protocol=PROTOCOL, limit=LIMIT)


def test_images_are_those_of_their_file():
    images = 1.2 * torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(0)) - 0.1
    files = [np.asarray(Image.open(io.BytesIO(picture(image)))) for image in images]
    assert torch.equal(as_stored(images), from_bytes(torch.from_numpy(np.stack(files)).permute(0, 3, 1, 2)))


@pytest.mark.parametrize(("change", "left"), [(0.25, 0), (0.49, 0), (0.51, 1), (0.75, 1), (1.49, 1), (1.51, 2)])
def test_a_change_becomes_the_nearest_whole_one(change, left):
    images = torch.arange(1, 253).float() / 255
    moved = as_stored(images + change / 255)
    torch.testing.assert_close(255 * (moved - images), torch.full((252,), float(left)), rtol=0, atol=1e-4)


def test_what_is_less_than_half_a_unit_vanishes_and_more_becomes_a_whole_one(run):
    rows = {(row.attack, row.epsilon, row.scored, row.metric): row for row in run.rows if row.objective == "semantic"}
    gone = rows["fgsm", 0.25, ROUNDED, "miou"]
    assert (gone.value, gone.linf, gone.n_unchanged, gone.snr_db) == (gone.clean, 0, LIMIT, None)
    assert rows["fgsm", 0.25, FLOAT, "miou"].linf == pytest.approx(0.25, abs=1e-4)
    assert rows["fgsm", 0.75, ROUNDED, "miou"].linf == pytest.approx(1, abs=1e-4)
    assert rows["fgsm", 0.75, ROUNDED, "rmse"].value == rows["fgsm", 1.0, ROUNDED, "rmse"].value
    assert {row.status for row in run.rows} == {"ok"}


def test_the_attack_is_run_once_and_its_own_numbers_stay(run, plain):
    assert [row for row in run.rows if row.scored == FLOAT] == plain.rows
    assert [row for row in run.class_rows if row.scored == FLOAT] == plain.class_rows
    spent = [(c.key, c.forwards, c.backwards) for c in run.cost_rows if c.scored == FLOAT]
    assert spent == [(c.key, c.forwards, c.backwards) for c in plain.cost_rows]
    again = [
        (c.forwards, c.backwards) for c in run.cost_rows if c.scored == ROUNDED and c.attack in ("gaussian", "fgsm")
    ]
    assert again == [(LIMIT, 0)] * (2 + 2 * len(GRID))


def test_rounded_images_are_in_the_estimate(request_for, run):
    foretold = PreparedEvaluation(request_for("toy-multi", protocol=PROTOCOL, limit=LIMIT, quantise=True)).estimate()
    # A worst case is not counted as a cell: nothing is run for it. Nor are the checks.
    assert foretold.cells == len([cost for cost in run.cost_rows if cost.attack not in (WORST, RECORDS)])
    assert foretold.forwards == sum(cost.forwards for cost in run.cost_rows)
    assert foretold.gradients == sum(cost.backwards for cost in run.cost_rows)


def test_a_worst_case_is_over_images_scored_in_one_way_and_never_rises(run):
    for scored, (task, metric, sign) in itertools.product(
        (FLOAT, ROUNDED), [("semantic", "miou", 1), ("depth", "rmse", -1)]
    ):
        rows = [row for row in run.rows if (row.scored, row.objective, row.metric) == (scored, task, metric)]
        worst = {row.epsilon: sign * row.value for row in rows if row.attack == WORST}
        assert [*worst] == [0.5, 0.75, 8.0]
        assert [*worst.values()] == sorted(worst.values(), reverse=True)
        for row in rows:
            assert row.epsilon not in worst or worst[row.epsilon] <= sign * row.value


def test_series_are_named(run):
    names = labels([row for row in run.rows if row.task == row.objective == "depth"])
    assert [*names.values()] == ["FGSM", "FGSM, 8 bit", "PGD", "PGD, 8 bit", "Worst case", "Worst case, 8 bit"]


@pytest.mark.parametrize("before", [False, True])
def test_it_is_part_of_what_a_run_is(request_for, run, plain, before):
    folder, config = (run if before else plain).folder, request_for("toy-multi", protocol=PROTOCOL, limit=LIMIT)
    with pytest.raises(
        UsageError,
        match=f"holds another run .quantise was {'true, now not given' if before else 'not given, now true'}",
    ):
        PreparedEvaluation(replace(config, quantise=not before), folder)
    assert ("quantise" in PreparedEvaluation(replace(config, quantise=before), folder).identity) == before


@pytest.mark.slow
def test_two_workers_and_a_run_that_grows_give_the_same_bytes(run_in, run, tmp_path):
    run_in(tmp_path / "run", "toy-multi", protocol=PROTOCOL, limit=2, quantise=True)
    grown = run_in(tmp_path / "run", "toy-multi", protocol=PROTOCOL, limit=LIMIT, quantise=True, workers=2)
    for name in ("summary.csv", "classes.csv"):
        assert (grown.folder / name).read_bytes() == (run.folder / name).read_bytes()


FAST = {
    "pgd": {"steps": 3},
    "segpgd": {"steps": 3},
    "cospgd": {"steps": 3},
    "mi_fgsm": {"steps": 3},
    "apgd": {"steps": 4},
    "square": {"queries": 4},
    "universal": {"images": 4, "steps": 3},
    "hide": {"steps": 3},
    "dag": {"steps": 5},
    "alma": {"steps": 3},
}
EVERY = [name for name in BUILT_IN if name != WORST and (name != "alma" or advlib.is_installed())]
IMAGES = 4


def _plan(name: str) -> AttackPlan:
    bounded = "none" not in ATTACKS.get(name).norms
    objectives = ("hide:car",) if name == "hide" else None
    return AttackPlan(name, (0.75, 8.0) if bounded else (), objectives=objectives, params=FAST.get(name, {}))


@pytest.fixture(scope="module")
def saved(run_in, tmp_path_factory):
    """A run of every attack that saved its images."""
    protocol = Protocol("every", tuple(map(_plan, EVERY)))
    options = {"protocol": protocol, "limit": IMAGES, "batch_size": IMAGES, "save_images": True, "quantise": True}
    return run_in(tmp_path_factory.mktemp("saved") / "run", "toy-multi", **options)


@pytest.fixture(scope="module")
def files(run_in, saved):
    """An evaluation of the saved files as a data set by itself: a clip, and a batch, for each cell."""
    root = saved.folder / "images" / "toy-multi"
    (root / "toy").rename(root / "images")
    toy = DATASETS.get("toy")()
    for cell in (root / "images").iterdir():
        for name in ("labels", "depth"):
            (root / name / cell.name).mkdir(parents=True)
        for sample in (toy[i] for i in range(IMAGES)):
            Image.fromarray(sample.labels["semantic"]).save(root / "labels" / cell.name / f"{sample.id}.png")
            np.save(root / "depth" / cell.name / f"{sample.id}.npy", sample.labels["depth"])
    (root / "dataset.toml").write_text('name = "files"\nclasses = "camvid11"\ngroup = "folder"\n')
    noise = Protocol("noise", (AttackPlan("gaussian", (1.0,)),))
    data = [DataSpec("folder", str(root))]
    return run_in(saved.folder.parent / "again", "toy-multi", datasets=data, protocol=noise, batch_size=IMAGES)


@pytest.mark.slow
def test_the_files_of_every_attack_give_its_rounded_numbers(saved, files):
    with Store(saved.folder / "store.sqlite") as first, Store(files.folder / "store.sqlite") as second:
        (made,), (read,) = pairs_of(first), pairs_of(second)
        clean = next(iter(read.cells))
        places = {name: i for i, name in enumerate(read.manifest.ids["files"])}
        found, differing = set(), set()
        for key in (key for key in made.cells if key.scored == ROUNDED):
            folder, attack = Cell(made.configuration(key), key.epsilon).folder, key.attack.partition("[")[0]
            of_file = {i: places[f"{folder}/{name}"] for i, name in enumerate(made.manifest.ids["toy"])}
            for task in made.tasks.values():
                _equal(made.cell(key).statistics[task.name], read.cell(clean).statistics[task.name], of_file)
                images = [result.image for result in made.counted(key)]
                rounded = made.values(key, task, images)
                unrounded = made.values(replace(key, scored=FLOAT), task, images)
                again = read.values(clean, task, [of_file[i] for i in images])
                for metric in task.metrics:
                    value = rounded.sample(metric.name, VALUE).value
                    np.testing.assert_array_equal(value, again.sample(metric.name, VALUE).value)
                    differing |= {attack} if value != unrounded.sample(metric.name, VALUE).value else set()
            found.add(attack)
    assert found == set(EVERY)
    assert differing == {attack for attack in EVERY if not attack.startswith(IN_8_BITS)}


def _equal(made, read, of_file):
    assert [*made] == [*of_file]
    for image, statistics in made.items():
        again = read[of_file[image]]
        assert statistics.keys() == again.keys()
        assert all(np.array_equal(statistics[name], again[name]) for name in statistics)


@pytest.mark.slow
def test_runs_with_and_without_are_compared_in_what_both_have(run, plain):
    names = [name for shown in model_names([run, plain]) for name in shown.values()]
    compared = compare([run, plain], parse_groups([], names))
    assert {each.scored for each in compared.differences} == {FLOAT}
    assert {each.difference for each in compared.differences} == {0}
    assert len(compared.differences) == sum(1 if row.attack == CLEAN else 2 for row in plain.rows if row.direction)


def test_relationships_are_those_of_images_as_the_attack_made_them(run, plain, tmp_path):
    with opened_study([run], tmp_path) as study, opened_study([plain], tmp_path) as known:
        assert study.effects == known.effects
