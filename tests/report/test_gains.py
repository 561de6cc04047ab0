"""The section on Δ of a comparison's page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robustbench_seg.report import gains
from robustbench_seg.report.section import Material
from robustbench_seg.report.write import write_comparison
from robustbench_seg.results.gains import gains_of
from robustbench_seg.results.groups import parse_groups
from robustbench_seg.results.run import Run
from tests.report.html_text import parse
from tests.results.stored_runs import stored_run

BOTH = ("semantic", "depth")
MODELS = {"a0": 0.50, "a1": 0.52, "b0": 0.62, "b1": 0.61}
GROUPS = ("a=a0,a1", "b=b0,b1")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Shares of right pixels, clean and under ε = 1, 4: at the last the reference keeps almost nothing."""
    hard = np.linspace(0.8, 1.2, 12)
    models = {
        name: {e: [float(x) for x in hard * clean / fall] for e, fall in ((0.0, 1), (1.0, 2), (4.0, 20))}
        for name, clean in MODELS.items()
    }
    return stored_run(tmp_path_factory.mktemp("gains") / "run", models, tasks=BOTH, attacked=BOTH)


def test_the_section_has_a_table_per_pair(run: Run) -> None:
    found = gains_of([run], parse_groups(GROUPS, list(MODELS)))
    # One number stands for a share and an error, so that checks doubt one of them.
    found = found._replace(gains=tuple(replace(gain, doubted="") for gain in found.gains))
    (section,) = gains.section(Material(run, gains=found))
    (table,) = section.parts[0].tables
    assert (
        table.caption
        == "b against a on street: Δ in per cent over semantic segmentation, depth, 2 trainings each, n = 12 images"
    )
    assert [line.label for line in table.lines] == ["clean", "FGSM"]
    assert table.heads == ("0", "1", "4")
    (clean, *_), (_, weak, strong) = (line.cells for line in table.lines)
    first, *others = found.gains
    assert clean.main == f"{first.gain:+.1f}".replace("-", "\u2212")
    assert [note.split()[0] for note in clean.small[:2]] == ["images", "seeds"]
    assert (weak.small[-1], strong.small[-1]) == (others[0].verdict, "the reference is near 0")


def test_a_run_without_two_tasks_has_no_section(run: Run) -> None:
    assert gains.section(Material(run)) == []


@pytest.mark.slow
def test_a_comparison_has_the_table_and_the_section(run: Run, tmp_path: Path) -> None:
    path = write_comparison([run], tmp_path, GROUPS, ["depth", "semantic"])
    assert set(pd.read_csv(tmp_path / "gains.csv")["tasks"]) == {"depth+semantic"}
    assert any("Δ in per cent" in caption for caption in parse(path.read_text(encoding="utf-8")).tables)
