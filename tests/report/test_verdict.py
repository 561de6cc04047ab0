"""The sentence and the table that compare two models."""

from dataclasses import replace
from pathlib import Path

import pytest

from robustbench_seg.report.verdict import legend, listed, shown_views, task_verdicts, verdict_table
from robustbench_seg.results.differences import Comparison, Difference
from robustbench_seg.results.intervals import normal_p_value
from robustbench_seg.results.rows import Row
from tests.results.stored_runs import ROW

MODELS = ("x", "y")


def rows(*cells: tuple[str, str, float | None], models: tuple[str, ...] = MODELS, task: str = "depth") -> list[Row]:
    """A row of every model clean, and in every (attack, norm, epsilon)."""
    clean = replace(ROW, attack="clean", objective="", norm="", epsilon=0.0, task=task)
    attacked = [
        replace(ROW, attack=attack, objective="" if attack == "gaussian" else task, norm=norm, epsilon=e, task=task)
        for attack, norm, e in cells
    ]
    return [replace(row, model=model) for row in (clean, *attacked) for model in models]


def difference(row: Row, quantity: str, low: float | None, high: float | None, **more: object) -> Difference:
    p_value = None if low is None or high is None else normal_p_value((low + high) / 2, (low, high))
    return Difference(
        *("x", "y", row.dataset, row.task, row.metric, "lower", row.attack, row.objective, row.norm),
        **{"epsilon": row.epsilon, "quantity": quantity, "a": 0.15, "b": 0.12, "difference": -0.03} | more,
        **{"image_low": low, "image_high": high, "seed_low": None, "seed_high": None},
        **{
            "seeds_a": 1,
            "seeds_b": 1,
            "n_images": 32,
            "scored": row.scored,
            "p_value": p_value,
            "p_corrected": p_value,
        },
    )


def cells(found: list[Row]) -> list[tuple[str, str, float | None]]:
    return [(row.attack, row.norm, row.epsilon) for row in found]


def test_the_worst_case_is_shown_alone_where_both_have_one() -> None:
    worst = [("worst", "rms", 0.25), ("worst", "rms", 8.0)]
    (view,) = shown_views(rows(("pgd", "rms", 1.0), ("gaussian", "rms", 1.0), *worst), MODELS)
    assert cells(view.rows[::2]) == [("clean", "", 0.0), *worst]


def test_else_every_perturbation_of_the_task_that_both_have() -> None:
    common = rows(("pgd", "linf", 1.0), ("gaussian", "rms", 1.0))
    alone = rows(("worst", "rms", 1.0), ("pgd", "linf", 2.0), models=("x",))[1:]
    other = replace(common[2], attack="fgsm", objective="semantic")
    on_other = [replace(other, model=model) for model in MODELS]
    (view,) = shown_views([*common, *alone, *on_other, replace(common[0], model="z")], MODELS)
    assert cells(view.rows[::2]) == [("clean", "", 0.0), ("pgd", "linf", 1.0), ("gaussian", "rms", 1.0)]


def test_a_task_that_one_model_lacks_is_not_shown() -> None:
    assert not shown_views(rows(("pgd", "linf", 1.0), models=("x",)), MODELS)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.05, -0.01, "B (y) retains less than A (x)"),
        (0.01, 0.05, "B (y) retains more than A (x)"),
        (-0.05, 0.01, "B (y) is statistically indistinguishable from A (x)"),
        (None, None, "B (y) has no verdict, no interval, against A (x)"),
    ],
)
def test_the_score_decides(low: float | None, high: float | None, said: str) -> None:
    views = shown_views(rows(("worst", "rms", 1.0)), MODELS)
    clean, _, worst, _ = views[0].rows
    change = 0.03 if low == 0.01 else -0.03
    half = {"epsilon": None, "a": 0.6, "b": 0.25, "difference": -0.35}
    found = (
        difference(worst, "ratio", -0.1, 0.1),
        difference(worst, "half_epsilon", -0.4, -0.3, **half),
        difference(worst, "score", low, high, epsilon=None, b=0.15 + change, difference=change),
        difference(clean, "value", -0.1, 0.1),
        difference(replace(worst, metric="abs_rel"), "ratio", -0.1, 0.1),
    )
    (shown,) = task_verdicts(views, Comparison((), found, ()))
    bounds = "" if low is None else f" [{low:+.3f}, {high:+.3f}]".replace("-", "−")
    assert shown.sentence == (
        f"depth on d: under the worst case {said}: score {0.15 + change:.3f} against 0.150, "
        f"difference {change:+.3f}".replace("-", "−")
        + f"{bounds}, 32 images."
    )
    table = verdict_table(shown)
    assert table.caption == "depth on d, Worst case"
    assert [line.label for line in table.lines] == ["clean RMSE (m)", "robustness score", "ε at Q = 0.5", "Q at ε = 1"]
    assert [cell.main for cell in table.lines[2].cells] == ["0.60", "below 0.25", "−0.350 [−0.400, −0.300]", "lower"]
    assert "robustness score is the area" in legend([shown])
    assert ("scores: 1, " in legend([shown])) == (low is not None)
    assert "Q and clean metrics: 2, " in legend([shown])
    assert [each["verdict"] for each in listed(shown)["differences"]] == [found[i].verdict for i in (3, 2, 1, 0)]


def test_without_a_score_verdicts_are_counted() -> None:
    views = shown_views(rows(("pgd", "linf", 1.0), ("pgd", "rms", 1.0), ("gaussian", "rms", None)), MODELS)
    ends = [(-0.2, -0.1), (-0.2, 0.1), (None, None)]
    found = [difference(row, "ratio", *e) for row, e in zip(views[0].rows[2::2], ends, strict=True)]
    (shown,) = task_verdicts(views, Comparison((), tuple(found), ()))
    assert shown.sentence == (
        "depth on d: of 3 values of Q, B (y) retains more in 0 and less in 1 than A (x); "
        "statistically indistinguishable in 1; no interval in 1; no robustness score."
    )
    assert [line.label for line in verdict_table(shown).lines] == [
        "Q, PGD, L∞ at ε = 1",
        "Q, PGD, RMS at ε = 1",
        "Q, Gaussian noise",
    ]
    assert "score" not in legend([shown])


def test_clean_numbers_alone_say_so() -> None:
    views = shown_views(rows(), MODELS)
    found = (difference(views[0].rows[0], "value", -0.1, 0.1),)
    (shown,) = task_verdicts(views, Comparison((), found, ()))
    assert shown.sentence == "depth on d: no perturbation in common."


def test_nothing_in_common_shows_nothing(tmp_path: Path) -> None:
    assert not task_verdicts(shown_views(rows(), MODELS), Comparison((), (), ()))
