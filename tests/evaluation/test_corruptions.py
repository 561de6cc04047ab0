"""Corruptions in an evaluation: labels, files, and what is drawn by clip."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.checks.judge import rebuild
from robustbench_seg.evaluation.batch import collate
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.run import Run

PROTOCOL = Protocol(
    "weather",
    (
        *(AttackPlan(name, params={"severity": severity}) for name in ("fog", "brightness") for severity in (1, 3)),
        AttackPlan("contrast", params={"severity": 0}),
        AttackPlan("fog", (4.0,)),
    ),
)


@pytest.fixture(scope="module")
def run(run_in, tmp_path_factory):
    return run_in(tmp_path_factory.mktemp("weather") / "run", protocol=PROTOCOL, limit=8, save_images=True)


def test_a_severity_has_no_epsilon_and_an_epsilon_is_exact(run):
    places = {(row.attack, row.norm, row.epsilon) for row in run.rows if row.attack != "clean"}
    at_severities = {f"{name}[severity={severity}]" for name in ("fog", "brightness") for severity in (1, 3)}
    assert places == {
        *((label, "none", None) for label in (*at_severities, "contrast[severity=0]")),
        ("fog", "rms", 4.0),
    }
    assert all(row.rms == pytest.approx(4, rel=1e-4) for row in run.rows if row.epsilon == 4.0)
    untouched = [row for row in run.rows if row.attack.startswith("contrast")]
    assert {(row.rms, row.n_unchanged, row.value == row.clean) for row in untouched} == {(0.0, 8, True)}


def test_summaries_are_those_of_the_rows(run):
    by_place = {(row.model, row.task, row.metric, row.attack): row for row in run.rows}
    assert {row.corruption for row in run.corruption_rows} == {"fog", "brightness", "mean"}
    assert {row.baseline for row in run.corruption_rows if row.task == "semantic"} == {"toy-single"}
    for row in (row for row in run.corruption_rows if row.corruption != "mean"):

        def over(number, model=row.model, row=row):
            labels = [f"{row.corruption}[severity={severity}]" for severity in row.severities.split()]
            cells = [by_place[model, row.task, row.metric, label] for label in labels]
            return sum(map(number, cells)) / len(cells)

        def error(cell):
            return 1 - cell.value if cell.direction == "higher" else cell.value

        assert row.severities == "1 3"
        assert row.q == pytest.approx(over(lambda cell: cell.ratio))
        assert row.value == pytest.approx(over(lambda cell: cell.value))
        assert row.ce == pytest.approx(over(error) / over(error, row.baseline))


def test_the_file_is_read_as_it_was_written_and_made_again_from_the_store(run):
    read = Run(run.folder)
    assert [row.corruption for row in read.corruption_rows] == [row.corruption for row in run.corruption_rows]
    assert read.corruption_rows[0].q == pytest.approx(run.corruption_rows[0].q, rel=1e-5)
    assert read.corruptions.loc[0, "severities"] == "1 3"
    before = (run.folder / "corruptions.csv").read_bytes()
    rebuild(run.folder)
    assert (run.folder / "corruptions.csv").read_bytes() == before


def test_a_run_without_corruptions_has_no_file(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single", protocol=Protocol("none", (AttackPlan("gaussian", (4.0,)),)), limit=2)
    assert not run.corruption_rows
    assert not (run.folder / "corruptions.csv").exists()


def test_the_middle_severity_is_drawn(run):
    panels = {panel.attack for panel in Run(run.folder).panels()}
    assert panels == {"", "fog", "fog[severity=3]", "brightness[severity=3]", "contrast[severity=0]"}


def test_every_severity_saves_its_images(run):
    folders = {folder.name for folder in (run.folder / "images" / "toy-single").glob("*/*")}
    assert {"fog[severity=1]_none", "fog[severity=3]_none", "fog_rms_4.0"} <= folders


def test_frames_of_a_clip_have_the_same_weather_in_whatever_batch(request_for, monkeypatch):
    """Fog whitens by the same bank in every frame, which shows as soon as what it whitened is taken away."""
    prepared = PreparedEvaluation(request_for("toy-single", protocol=PROTOCOL))
    context = prepared.workplace.context(prepared.plan.pairs[0])
    monkeypatch.setattr(context.dataset, "groups", ["a", "a", "b", *context.dataset.ids[3:]])
    samples = [(i, context.dataset[i]) for i in range(3)]

    def banks(indices):
        (batch,) = collate(context.dataset, [samples[i] for i in indices], context.tasks, None, "cpu")
        (images,) = (x for _, x in make_attack("fog", {}).perturb(context.under_attack(batch, None), [float("inf")]))
        brightest = batch.images.amax((1, 2, 3), keepdim=True)
        return images * (brightest + 2.5) / brightest - batch.images

    first, second, other = banks([0, 1, 2])
    torch.testing.assert_close(first, second, atol=1e-4, rtol=0)
    assert (first - other).abs().max() > 0.1
    assert torch.equal(banks([1])[0], second)
