from __future__ import annotations

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.models.blocks.normalization import PRESETS, Normalization


def test_presets_and_spelling():
    assert Normalization.parse("imagenet") is PRESETS["imagenet"]
    parsed = Normalization.parse("mean=0.1,.2,0.3;std=1,2,3")
    assert parsed == Normalization((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))


@pytest.mark.parametrize("text", ["imagenett", "mean=1,2,3", "mean=1,2;std=1,1,1", "mean=a,b,c;std=1,1,1", ""])
def test_bad_spelling_names_itself(text):
    with pytest.raises(UsageError, match="normalisation"):
        Normalization.parse(text)


@pytest.mark.parametrize("std", ["0,1,1", "-1,1,1", "nan,1,1", "inf,1,1"])
def test_std_must_be_positive_and_finite(std):
    with pytest.raises(UsageError, match="std"):
        Normalization.parse(f"mean=0,0,0;std={std}")
