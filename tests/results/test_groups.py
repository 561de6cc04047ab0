"""Groups of trainings as they are given on the command line."""

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.results.groups import Group, parse_groups

KNOWN = ("a0", "single", "a1", "b=0")


def test_given_groups_come_first_and_the_rest_stay_alone_in_order() -> None:
    assert parse_groups(["a=a0, a1"], KNOWN) == (
        Group("a", ("a0", "a1")),
        Group("single", ("single",)),
        Group("b=0", ("b=0",)),
    )
    assert parse_groups([], KNOWN[:1]) == (Group("a0", ("a0",)),)
    assert parse_groups(["b=b=0"], KNOWN)[0] == Group("b", ("b=0",))
    assert parse_groups(["a0=a0,a1"], KNOWN)[0] == Group("a0", ("a0", "a1"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["a"], "group 'a' has no name or an empty model; --group reads NAME=MODEL,MODEL,..."),
        (["a="], "group 'a=' has no name or an empty model"),
        (["=a0"], "group '=a0' has no name or an empty model"),
        (["a=a0,,a1"], "group 'a=a0,,a1' has no name or an empty model"),
        (["a=a0,singel"], "group 'a': unknown model 'singel'; did you mean single?"),
        (["a=a0", "b=a1,a0"], "model 'a0' is given 2 times in --group"),
        (["a=a0,a0"], "model 'a0' is given 2 times in --group"),
        (["a=a0", "a=a1"], "group 'a' is given 2 times"),
        (["single=a0"], "group 'single' is given 2 times"),
    ],
)
def test_a_bad_group_is_one_line(texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_groups(texts, KNOWN)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
