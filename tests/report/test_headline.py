from dataclasses import replace

import pytest

from robustbench_seg.report.headline import headlines
from robustbench_seg.report.views import View, views
from tests.report.fake_run import FakeRun


@pytest.fixture(scope="module")
def both(run: FakeRun) -> list[View]:
    return views(run.rows)


def only(view: View, keep) -> View:
    return replace(view, rows=tuple(row for row in view.rows if row.attack == "clean" or keep(row)))


def test_a_sentence_a_model_and_one_that_compares(both: list[View]) -> None:
    noise = "of its mIoU under Gaussian noise at ε = 1"
    assert headlines(both[0]) == [
        f"On street, street-mobilenetv2 keeps 98 % {noise} and 40 % under PGD at ε = 1.",
        f"On street, street-multitask keeps 99.2 % {noise} and 56 % under PGD at ε = 1.",
        "On street, under PGD at ε = 1, street-multitask is hurt less than street-mobilenetv2: "
        "Q of mIoU 0.563 [0.512, 0.605] against 0.401 [0.350, 0.441]; the intervals do not overlap.",
    ]


def test_an_error_grows(both: list[View]) -> None:
    (sentence,) = headlines(both[1])
    assert sentence.startswith("On street, the depth RMSE of street-multitask grows by 0.8 % under Gaussian noise")
    assert sentence.endswith("grows by 77 % under PGD at ε = 1.")


def test_overlapping_intervals_are_said(both: list[View]) -> None:
    wide = tuple(replace(row, ratio_low=0.0, ratio_high=1.0) for row in both[0].rows)
    assert headlines(replace(both[0], rows=wide))[-1].endswith(
        "overlap: only paired images (robustseg plot) tell more."
    )


def test_the_shared_radius_nearest_to_one_is_quoted(both: list[View]) -> None:
    view = only(both[0], lambda row: (row.attack, row.epsilon) in {("gaussian", 4), ("gaussian", 1), ("pgd", 4)})
    assert "under Gaussian noise at ε = 4 and" in headlines(view)[0]


def test_without_a_shared_radius_each_has_its_own(both: list[View]) -> None:
    view = only(both[0], lambda row: (row.attack, row.epsilon) in {("gaussian", 8), ("pgd", 0.5)})
    assert "under Gaussian noise at ε = 8 and 64 % under PGD at ε = 0.5" in headlines(view)[0]


def test_noise_alone_attack_alone_and_unbounded(both: list[View]) -> None:
    assert headlines(only(both[0], lambda row: row.attack == "salt_and_pepper"))[0].endswith(
        "under Salt-and-pepper noise at ε = 1."
    )
    assert headlines(only(both[0], lambda row: row.attack == "dag"))[0].endswith("under DAG without an ε.")
    assert headlines(only(both[0], lambda row: False)) == []


def test_a_total_loss_is_quoted_and_a_failed_cell_is_not(both: list[View]) -> None:
    lost = tuple(replace(row, ratio=0.0) if row.attack == "pgd" else row for row in both[0].rows)
    assert "0.0 % under PGD at ε = 1" in headlines(replace(both[0], rows=lost))[0]
    failed = tuple(replace(row, status="failed") if row.attack == "pgd" else row for row in both[0].rows)
    assert "PGD" not in " ".join(headlines(replace(both[0], rows=failed)))


def test_large_growth_is_in_whole_per_cent(both: list[View]) -> None:
    doubled = tuple(replace(row, ratio=0.463) if row.attack == "pgd" else row for row in both[1].rows)
    assert headlines(replace(both[1], rows=doubled))[0].endswith("grows by 116 % under PGD at ε = 1.")
