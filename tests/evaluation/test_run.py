import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_seg import evaluate
from robustbench_seg.checks.judge import rebuild
from robustbench_seg.classes import CAMVID11
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.float32 import tf32
from robustbench_seg.models.base import LoadedModel

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"


def row(run, **where):
    table = run.summary
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_clean_attack_and_ratio_agree(run_in, tmp_path):
    run = run_in(tmp_path / "run")
    for metric, task in (("miou", "semantic"), ("rmse", "depth")):
        attacked = row(run, model="toy-multi", attack="pgd", epsilon=8, objective=task, metric=metric)
        clean = row(run, model="toy-multi", attack="clean", metric=metric)
        expected = attacked.value / clean.value if metric == "miou" else clean.value / attacked.value
        assert attacked.clean == clean.value
        assert attacked.ratio == pytest.approx(expected, rel=1e-5)
        assert attacked.ratio_low <= attacked.ratio <= attacked.ratio_high
        assert attacked.ratio < 1


def test_unbounded_dag_has_no_epsilon_and_reports_its_targets(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    changed = row(run, attack="dag", metric="targets_changed")
    reached = row(run, attack="dag", metric="targets_reached")
    assert np.isnan(changed.epsilon)
    assert changed.norm == "none"
    assert 0 <= reached.value <= changed.value <= 1
    assert "nan" not in (tmp_path / "run" / "summary.csv").read_text()


def test_each_task_is_attacked_and_every_task_measured(run_in, tmp_path):
    table = run_in(tmp_path / "run", "toy-multi").summary
    pairs = set(table[table.attack == "pgd"][["objective", "task"]].itertuples(index=False, name=None))
    assert pairs == {(a, b) for a in ("semantic", "depth") for b in ("semantic", "depth")}


def test_resume_does_only_what_is_left(run_in, request_for, tmp_path):
    folder = tmp_path / "run"
    whole = run_in(tmp_path / "whole", "toy-multi")
    first = PreparedEvaluation(request_for("toy-multi"), folder)
    seen = []

    class StopError(Exception):
        pass

    def stop_after_one(progress):
        if progress.done == 1:
            raise StopError

    with pytest.raises(StopError):
        run_evaluation(first, folder, stop_after_one)
    run_evaluation(PreparedEvaluation(request_for("toy-multi"), folder), folder, seen.append)
    assert 1 <= seen[0].done < seen[0].total
    assert {progress.done for progress in seen} == set(range(seen[0].done, seen[0].total + 1))
    assert seen[0].seconds_left > 0
    assert seen[-1].seconds_left == pytest.approx(0, abs=1e-3)
    assert (folder / "summary.csv").read_bytes() == (whole.folder / "summary.csv").read_bytes()


def test_a_finished_run_does_nothing_again(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single")
    before = (tmp_path / "run" / "costs.csv").read_bytes()
    run_in(tmp_path / "run", "toy-single")
    assert (tmp_path / "run" / "costs.csv").read_bytes() == before


@pytest.mark.slow
def test_extending_the_limit_equals_the_longer_run(run_in, tmp_path):
    run_in(tmp_path / "grown", limit=7)
    run_in(tmp_path / "grown", limit=11)
    run_in(tmp_path / "whole", limit=11)
    assert (tmp_path / "grown" / "summary.csv").read_bytes() == (tmp_path / "whole" / "summary.csv").read_bytes()


def test_a_half_filled_store_is_not_reported_as_whole(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single")
    with sqlite3.connect(tmp_path / "run" / "store.sqlite") as store:
        store.execute("DELETE FROM results WHERE image > 5")
    table = rebuild(tmp_path / "run").summary
    assert set(table.status) == {"failed"}


@pytest.mark.slow
def test_two_workers_give_the_same_bytes(run_in, tmp_path):
    run_in(tmp_path / "one", workers=1)
    run_in(tmp_path / "two", workers=2)
    for name in ("summary.csv", "classes.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.slow
def test_batch_sizes_agree(run_in, tmp_path):
    runs = [run_in(tmp_path / str(batch), "toy-multi", batch_size=batch).summary for batch in (1, 3, 8)]
    noise = runs[0].attack.isin(["clean", "gaussian", "salt_and_pepper"])
    for other in runs[1:]:
        assert (runs[0].value - other.value)[noise].abs().max() <= 1e-4
        gradient = ~noise & (runs[0].metric == "miou")
        assert (runs[0].value - other.value)[gradient].abs().max() <= 2e-3
        assert runs[0].rms[noise].equals(other.rms[noise])


def test_report_tables_need_no_model(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single")
    before = (tmp_path / "run" / "summary.csv").read_bytes()
    (tmp_path / "run" / "summary.csv").unlink()
    rebuild(tmp_path / "run")
    assert (tmp_path / "run" / "summary.csv").read_bytes() == before


@pytest.mark.slow
def test_python_call_returns_a_summary(tmp_path):
    from robustbench_seg.models.registry import MODELS

    module = MODELS.get("toy-multi")().module.train()
    run = evaluate(
        module, DATASETS.get("toy")(), "quick", tasks=("semantic", "depth"), classes=CAMVID11, limit=2, out=tmp_path
    )
    assert set(run.summary.task) == {"semantic", "depth"}
    assert module.training
    again = evaluate(
        module, DATASETS.get("toy")(), "quick", tasks=("semantic", "depth"), classes=CAMVID11, batch_size=1, workers=2
    )
    alone = evaluate(
        module, DATASETS.get("toy")(), "quick", tasks=("semantic", "depth"), classes=CAMVID11, batch_size=1, workers=1
    )
    assert again.summary.equals(alone.summary)
    assert all(parameter.requires_grad for parameter in module.parameters())


@pytest.mark.slow
def test_a_script_without_a_guard_evaluates_with_its_own_attack(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from dataclasses import dataclass\n"
        "from robustbench_seg import ATTACKS, evaluate\n"
        "from robustbench_seg.attacks.fgsm import FGSM\n"
        "from robustbench_seg.protocol import AttackPlan, Protocol\n"
        "from robustbench_seg.registry import load_plugin\n"
        f"load_plugin({str(TOY)!r})\n"
        "@ATTACKS.register('mine')\n"
        "@dataclass(frozen=True)\n"
        "class Mine(FGSM):\n"
        "    pass\n"
        "run = evaluate('toy-single', 'toy', Protocol('p', (AttackPlan('mine', (8.0,)),)), batch_size=2, workers=2)\n"
        "print(set(run.summary.status))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "{'ok'}", done.stderr


def test_progress_counts_a_shard_once_all_its_configurations_are_done(request_for, tmp_path):
    seen = []
    config = request_for("toy-single", batch_size=12, workers=2, in_process=True)
    run_evaluation(PreparedEvaluation(config, tmp_path), tmp_path, seen.append)
    assert {progress.total for progress in seen} == {1}
    assert [progress.done for progress in seen] == [0] * (len(seen) - 1) + [1]
    assert len(seen) > 5


def test_a_gpu_multiplies_float32_exactly_in_a_run_and_as_before_after_it(request_for, tmp_path):
    seen = set()

    class Seeing(nn.Conv2d):
        def forward(self, x):
            seen.add((torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision))
            return {"semantic": super().forward(x)}

    model = InMemory("m", LoadedModel("m", Seeing(3, 11, 1), ("semantic",), CAMVID11, "none", "1", "test"))
    with tf32(True):
        run_evaluation(PreparedEvaluation(request_for(models=[model], in_process=True), tmp_path), tmp_path)
        assert seen == {("ieee", "ieee")}
        assert torch.backends.cuda.matmul.fp32_precision == torch.backends.cudnn.conv.fp32_precision == "tf32"
