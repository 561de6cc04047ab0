import json
import math

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.budget import images_within, refuse_budget
from robustbench_seg.evaluation.plan import Pair, Plan
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.evaluation.timing import Timing
from robustbench_seg.protocol import AttackPlan, Protocol

pytestmark = pytest.mark.usefixtures("without_checks")
PLAN = Plan(tuple(Pair(0, dataset, ("semantic",), None, (), n) for dataset, n in enumerate((200, 20))), 8, 0, 1, "fp32")
NOISE = Protocol("noise", (AttackPlan("gaussian", (1.0, 2.0, 4.0)),))
MINUTE_AN_IMAGE = Timing(forward=14.0, gradient=0.0, score=1.0)
"""Where clean images and three noises are scored."""


def _seconds(plan):
    """6 s an image."""
    return 6 * sum(pair.n_images for pair in plan.pairs)


@pytest.mark.parametrize(
    ("minutes", "images"),
    # Up to 20 images both pairs take 6 s for each, then only the first one does.
    [(0.2, 1), (1, 5), (1.19, 5), (4, 20), (4.15, 21), (10, 80), (1e6, 200)],
)
def test_the_first_images_that_fit_of_every_pair(minutes, images):
    assert images_within(minutes, PLAN, _seconds) == images
    assert [pair.n_images for pair in PLAN.first(images).pairs] == [images, min(images, 20)]


def test_less_than_an_image_says_what_one_takes():
    with pytest.raises(UsageError, match=r"budget 0.1: even one image takes about 0.2 minutes"):
        images_within(0.1, PLAN, _seconds)


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_what_is_no_time_is_refused_before_anything_is_loaded(request_for, minutes):
    with pytest.raises(UsageError, match="minutes above 0"):
        refuse_budget(minutes)
    with pytest.raises(UsageError, match="minutes above 0"):
        PreparedEvaluation(request_for("toy-single", "no such model", budget=minutes))


@pytest.fixture
def minute_an_image(monkeypatch):
    """One worker takes a minute for an image of `NOISE`."""
    monkeypatch.setattr(PreparedEvaluation, "_timing", lambda self, context: MINUTE_AN_IMAGE)


@pytest.mark.usefixtures("minute_an_image")
def test_a_budget_cuts_the_plan_and_says_so(request_for):
    prepared = PreparedEvaluation(request_for("toy-single", protocol=NOISE, budget=7.5))
    assert prepared.plan.pairs[0].n_images == 7
    assert prepared.budget_note == "budget of 7.5 min: the first 7 of 12 images of toy"
    assert prepared.plan.notes[0] == prepared.budget_note
    assert prepared.estimate().seconds == pytest.approx(7 * 60)


@pytest.mark.usefixtures("minute_an_image")
@pytest.mark.parametrize(("limit", "images"), [(5, 5), (9, 7)])
def test_of_a_limit_and_a_budget_the_smaller_counts(request_for, limit, images):
    prepared = PreparedEvaluation(request_for("toy-single", protocol=NOISE, budget=7, limit=limit))
    assert prepared.plan.pairs[0].n_images == images
    assert f"the first {images} of 12 images" in prepared.budget_note


@pytest.mark.usefixtures("minute_an_image")
def test_all_images_where_they_fit(request_for):
    prepared = PreparedEvaluation(request_for("toy-single", protocol=NOISE, budget=60))
    assert prepared.budget_note == "budget of 60 min: all 12 images of toy"


@pytest.mark.usefixtures("minute_an_image")
def test_pairs_share_the_budget(request_for):
    # Each image of the two models on two data sets: four minutes.
    config = request_for(protocol=NOISE, budget=9, tasks=["semantic"], datasets=[DataSpec("toy"), DataSpec("street")])
    prepared = PreparedEvaluation(config)
    assert [pair.n_images for pair in prepared.plan.pairs] == [2, 2, 2, 2]
    assert "the first 2 of 12 images of toy, the first 2 of 200 images of street" in prepared.budget_note


def test_a_run_records_its_budget(run_in, tmp_path, minute_an_image):
    info = run_in(tmp_path, "toy-single", protocol=NOISE, budget=2).info
    assert info["arguments"]["resolved"]["budget"] == 2
    assert info["notes"] == ["budget of 2 min: the first 2 of 12 images of toy"]
    assert (info["datasets"][0]["n_images"], info["datasets"][0]["n_in_split"]) == (2, 12)


def test_the_same_images_whatever_chose_them(run_in, tmp_path, minute_an_image):
    chosen = run_in(tmp_path / "budget", "toy-single", protocol=NOISE, budget=3).folder
    given = run_in(tmp_path / "limit", "toy-single", protocol=NOISE, limit=3).folder
    assert (chosen / "summary.csv").read_bytes() == (given / "summary.csv").read_bytes()


def test_a_run_that_is_continued_keeps_its_images(run_in, request_for, tmp_path, minute_an_image, monkeypatch):
    before = (run_in(tmp_path, "toy-single", protocol=NOISE, budget=3).folder / "summary.csv").read_bytes()
    # As on a machine that is slower now, or faster.
    for forward in (0.1, 1e6):
        timing = Timing(forward, 0.0, 0.0)
        monkeypatch.setattr(PreparedEvaluation, "_timing", lambda self, context, timing=timing: timing)
        again = run_in(tmp_path, "toy-single", protocol=NOISE, budget=3)
        assert (tmp_path / "summary.csv").read_bytes() == before
        assert again.info["notes"] == ["budget of 3 min: the first 3 of 12 images of toy"]
    assert json.loads((tmp_path / "run.json").read_text())["datasets"][0]["n_images"] == 3
    more = PreparedEvaluation(request_for("toy-single", protocol=NOISE, limit=5), tmp_path)
    assert more.plan.pairs[0].n_images == 5, "a limit adds images"
    with pytest.raises(UsageError, match="holds 3 images"):
        PreparedEvaluation(request_for("toy-single", protocol=NOISE, budget=3, limit=2), tmp_path)
