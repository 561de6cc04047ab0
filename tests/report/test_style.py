from dataclasses import replace

import pytest

from robustbench_seg.report.style import colours, looks
from robustbench_seg.report.views import views
from tests.report.fake_run import FakeRun


@pytest.mark.parametrize("count", [1, 3, 9])
def test_many_models_keep_their_looks_apart(count: int) -> None:
    styles = looks([f"model {i}" for i in range(count)])
    assert len(set(styles.values())) == count


def test_attacks_have_their_colours_and_variants_others(run: FakeRun) -> None:
    curves = views(run.rows)[0].curves(own=True)
    variants = [replace(curve, label=f"{curve.label}, 40 steps", plain=f"{curve.label}, 40 steps") for curve in curves]
    alone, both = colours(curves), colours([*curves, *variants])
    assert alone.items() <= both.items()
    assert len(set(both.values())) == len(both) == 2 * len(alone)


def test_rounded_images_look_like_those_before_but_hollow(run: FakeRun) -> None:
    curves = views(run.rows)[0].curves(own=True)
    rounded = [replace(curve, label=f"{curve.label}, 8 bit") for curve in curves]
    assert colours([*curves, *rounded]) == colours(curves)
    for look in looks(["a", "b", "c", "d"]).values():
        before, after = (look.scored(is_rounded=is_rounded) for is_rounded in (False, True))
        assert (before.line, before.is_hollow) == (look.line, False)
        assert replace(after, line=look.line, is_hollow=False) == before
        assert after.is_hollow
