"""Files are whole or not there, and an epsilon reads back as it was."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.results.files import epsilon_field, write_bytes, write_table


@pytest.mark.parametrize(("epsilon", "text"), [(1.0, "1"), (0.25, "0.25"), (16.0, "16"), (1 / 3, repr(1 / 3))])
def test_an_epsilon_reads_back_exactly_and_stays_short(epsilon: float, text: str) -> None:
    assert epsilon_field(epsilon) == text
    assert float(text) == epsilon


def test_a_table_has_six_digits_and_empty_fields(tmp_path: Path) -> None:
    table = pd.DataFrame({"epsilon": [2 / 3, np.nan], "value": [1 / 3, np.nan], "n": [1, 2]})
    write_table(table, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == f"epsilon,value,n\n{2 / 3!r},0.333333,1\n,,2\n"


def test_what_cannot_be_written_is_one_line_and_leaves_nothing_half(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(b"x", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
