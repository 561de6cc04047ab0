from dataclasses import replace
from pathlib import Path

import pytest

from robustbench_seg.checks.judge import rebuild
from robustbench_seg.errors import InputError
from robustbench_seg.results.run import Run
from tests.results.stored_runs import stored_run

CELLS = {0.0: [1.0, 2.0], 1 / 3: [2.0, 3.0]}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"m": CELLS})
    made = rebuild(run.folder)
    assert [row.key for row in run.rows] == [row.key for row in made.rows]
    assert {row.epsilon for row in run.rows} == {0.0, 1 / 3}
    for read, whole in zip(run.rows, made.rows, strict=True):
        assert read.ratio == pytest.approx(whole.ratio, rel=1e-5)
        assert replace(read, **dict.fromkeys(("value", "clean", "ratio", "ratio_low", "ratio_high", "rms"))) == replace(
            whole, **dict.fromkeys(("value", "clean", "ratio", "ratio_low", "ratio_high", "rms"))
        )


def test_a_published_folder_needs_no_more_than_its_summary(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"m": CELLS})
    (tmp_path / "published").mkdir()
    for name in ("summary.csv", "run.json"):
        (tmp_path / "published" / name).write_bytes((run.folder / name).read_bytes())
    published = Run(tmp_path / "published")
    assert published.rows == run.rows
    assert (published.class_rows, published.cost_rows, published.panels()) == ([], [], [])
    assert published.info == run.info


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model,dataset\nm,d\n", "no column attack"),
        ("model,dataset,attack,objective,norm,epsilon\nm,d,pgd,depth,linf,much\n", "is damaged"),
        ("model,dataset,attack,objective,norm,epsilon\nm,d,pgd,depth,linf,1", "its last line is cut off"),
    ],
)
def test_a_damaged_table_is_one_line(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "summary.csv").write_text(text)
    with pytest.raises(InputError, match=reason) as caught:
        Run(tmp_path).summary  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_no_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is it a run folder"):
        Run(tmp_path).rows  # noqa: B018
    with pytest.raises(InputError, match="not a run"):
        rebuild(tmp_path)
