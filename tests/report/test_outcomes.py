"""What targeted attacks reached, from the rows of a run."""

from dataclasses import replace

import pytest

from robustbench_seg.report.outcomes import listed, outcome_of, outcomes
from robustbench_seg.results.names import share_text
from tests.report.fake_run import FakeRun


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0.0 %"), (0.412, "41.2 %"), (0.9996, "99.96 %"), (0.0004, "0.04 %"), (0.999, "99.9 %"), (1.0, "100.0 %")],
)
def test_only_all_reads_as_all(share: float, text: str) -> None:
    assert share_text(share) == text


def test_both_shares_of_every_cell(run: FakeRun) -> None:
    found = outcomes(run.rows)
    assert {key.attack for key in found} == {"dag"}
    for key, outcome in found.items():
        assert (outcome.changed.metric, outcome.reached.metric) == ("targets_changed", "targets_reached")
        assert outcome.changed.key == outcome.reached.key == key
    assert outcomes(run.rows[:1]) == {}


def test_a_sentence_says_both_or_nothing(run: FakeRun) -> None:
    outcome = next(iter(outcomes(run.rows).values()))
    assert outcome.text == "97.3 % of its targets changed, 81.2 % reached what was wanted"
    assert replace(outcome, reached=replace(outcome.reached, value=None)).text == ""


def test_the_outcome_of_a_cell_by_any_of_its_rows(run: FakeRun) -> None:
    found = outcomes(run.rows)
    attacked = [row for row in run.rows if row.attack == "dag" and row.metric == "miou"]
    assert outcome_of(attacked[:1], found) is found[attacked[0].key]
    assert outcome_of([row for row in run.rows if row.attack == "pgd"], found) is None


def test_machines_get_both_with_the_cell(run: FakeRun) -> None:
    first = listed(run.rows)[0]
    assert first == {
        **{"model": "street-mobilenetv2", "dataset": "street", "attack": "dag", "objective": "semantic"},
        **{
            "norm": "none",
            "epsilon": None,
            "scored": "float",
            "changed": pytest.approx(0.9731),
            "reached": pytest.approx(0.8124),
        },
    }
