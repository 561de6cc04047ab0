import subprocess
import sys

import pytest

from robustbench_seg.report.figures import figures
from robustbench_seg.report.views import views
from robustbench_seg.results.rows import read_rows
from tests.report.fake_run import MODELS, FakeRun, fake_run


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("robustbench_seg.report.section.png", lambda make: b"a PNG")


def names(run: FakeRun) -> list[list[str]]:
    return [[file.name for file in files] for files in figures(views(run.rows))]


def test_which_figures_two_models_have(run: FakeRun) -> None:
    assert names(run) == [
        [
            "q_street_semantic_epsilon.png",
            "q_street_semantic_snr.png",
            "q_street_semantic_by_perturbation_epsilon.png",
            "q_street_semantic_by_perturbation_snr.png",
            "q_street_semantic_other_tasks_attacked.png",
        ],
        ["q_street_depth_epsilon.png", "q_street_depth_snr.png", "q_street_depth_other_tasks_attacked.png"],
    ]


def test_one_single_task_model_needs_no_comparison(tmp_path) -> None:
    alone = fake_run(tmp_path, MODELS[:1], with_panels=False)
    assert names(alone) == [["q_street_semantic_epsilon.png", "q_street_semantic_snr.png"]]


def test_file_names_stay_distinct_and_in_their_folder(run: FakeRun) -> None:
    noise = "task == 'semantic' and attack in ('clean', 'gaussian') and model == 'street-multitask'"
    table = run.summary.query(noise)
    both = [table.assign(dataset=name) for name in ("../a/b", "../a b", "c")]
    names = [
        f.name for part in [views([r for t in both for r in read_rows(t)])] for files in figures(part) for f in files
    ]
    assert len(names) == len(set(names)) == 6
    assert not any("/" in name or " " in name for name in names)


def test_a_report_needs_no_torch_and_no_pyplot() -> None:
    code = "import sys, robustbench_seg.report.write, robustbench_seg.report.text; "
    code += "print([m for m in ('torch', 'matplotlib.pyplot') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
