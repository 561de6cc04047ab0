"""RUN and RUN:MODEL, and which two can be compared."""

import json
from pathlib import Path

import pytest

from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.results.contenders import contender, side_by_side, split
from robustbench_seg.results.run import Run
from tests.results.stored_runs import stored_run

CELLS = {0.0: [1.0, 2.0], 1.0: [2.0, 3.0]}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `two` of the models a and b, `one` of a, `far` of a on other images."""
    folder = tmp_path_factory.mktemp("runs")
    stored_run(folder / "two", {"a": CELLS, "b": CELLS})
    stored_run(folder / "one", {"a": CELLS})
    stored_run(folder / "far", {"a": CELLS}, fingerprint="ffff")
    stored_run(folder / "x:y", {"a": CELLS})
    return folder


def test_a_folder_may_have_a_colon_in_its_name(runs: Path) -> None:
    assert split(f"{runs}/x:y") == (runs / "x:y", "")
    assert split(f"{runs}/x:y:a") == (runs / "x:y", "a")
    assert split(f"{runs}/one:a") == (runs / "one", "a")
    assert split(f"{runs}/one") == (runs / "one", "")


def test_a_model_needs_no_name_where_it_is_the_only_one(runs: Path) -> None:
    assert contender(f"{runs}/one").model == "a"
    assert contender(f"{runs}/two:b").model == "b"


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        ("two", UsageError, "has several models; name one: {0}/two:a, {0}/two:b"),
        ("two:c", UsageError, "unknown model 'c'; known: a, b"),
        ("none:a", InputError, "'{0}/none'"),
    ],
)
def test_what_names_no_model_is_one_line(runs: Path, text: str, kind: type[RobustsegError], reason: str) -> None:
    with pytest.raises(kind) as raised:
        contender(f"{runs}/{text}")
    assert reason.format(runs) in str(raised.value)


def test_models_of_one_name_are_known_by_their_runs(runs: Path) -> None:
    opened, groups = side_by_side(contender(f"{runs}/one"), contender(f"{runs}/two:a"))
    assert [group.name for group in groups] == ["a (one)", "a (two)"]
    assert [run.folder.name for run in opened] == ["one", "two"]


def test_two_models_of_one_run_are_one_run(runs: Path) -> None:
    opened, groups = side_by_side(contender(f"{runs}/two:b"), contender(f"{runs}/../{runs.name}/two:a"))
    assert [group.models for group in groups] == [("b",), ("a",)]
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("a", "b", "kind", "reason"),
    [
        ("two:a", "two:a", UsageError, "A and B are both a of"),
        ("one", "far", InputError, "differ in the fingerprint of data set street: 0c1d and ffff"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    runs: Path, a: str, b: str, kind: type[RobustsegError], reason: str
) -> None:
    with pytest.raises(kind, match=reason):
        side_by_side(contender(f"{runs}/{a}"), contender(f"{runs}/{b}"))


def test_without_a_data_set_in_common_there_is_nothing_to_compare(runs: Path, tmp_path: Path) -> None:
    other = stored_run(tmp_path / "other", {"c": CELLS})
    table = other.folder / "summary.csv"
    table.write_text(table.read_text().replace(",street,", ",elsewhere,"))
    (other.folder / "run.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match=r"no data set in common: street \(a\) and elsewhere \(c\)"):
        side_by_side(contender(f"{runs}/one"), contender(str(Run(other.folder).folder)))
