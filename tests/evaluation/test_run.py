import hashlib
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_seg import evaluate
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.classes import CAMVID11
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.provenance import code
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.results.run import rebuild
from robustbench_seg.results.store import Store

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


def test_epsilon_zero_is_the_clean_cell(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    zero = row(run, attack="fgsm", epsilon=0, metric="miou")
    assert zero.ratio == 1
    assert zero.n_unchanged == zero.n_images == 12
    assert np.isnan(zero.snr_db)


def test_an_all_void_image_is_unchanged_and_counted(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    assert row(run, attack="fgsm", epsilon=8, metric="miou").n_unchanged == 1
    assert row(run, attack="gaussian", epsilon=8, metric="miou").n_unchanged == 0


def test_hiding_skips_images_without_the_class(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    hidden = row(run, attack="hide", metric="miou")
    assert 0 < hidden.n_images < 12


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
    whole = run_in(tmp_path / "whole")
    first = PreparedEvaluation(request_for(), folder)
    seen = []

    class StopError(Exception):
        pass

    def stop_after_three(progress):
        if progress.done == 3:
            raise StopError

    with pytest.raises(StopError):
        run_evaluation(first, folder, stop_after_three)
    run_evaluation(PreparedEvaluation(request_for(), folder), folder, seen.append)
    assert seen[0].done >= 3
    assert len(seen) == seen[0].total - seen[0].done + 1
    assert (folder / "summary.csv").read_bytes() == (whole.folder / "summary.csv").read_bytes()


def test_a_finished_run_does_nothing_again(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single")
    before = (tmp_path / "run" / "costs.csv").read_bytes()
    run_in(tmp_path / "run", "toy-single")
    assert (tmp_path / "run" / "costs.csv").read_bytes() == before


def test_extending_the_limit_equals_the_longer_run(run_in, tmp_path):
    run_in(tmp_path / "grown", limit=7)
    run_in(tmp_path / "grown", limit=11)
    run_in(tmp_path / "whole", limit=11)
    assert (tmp_path / "grown" / "summary.csv").read_bytes() == (tmp_path / "whole" / "summary.csv").read_bytes()


def test_a_smaller_limit_is_refused(run_in, tmp_path):
    run_in(tmp_path / "run", limit=7)
    with pytest.raises(UsageError, match=r"7 images.*5"):
        run_in(tmp_path / "run", limit=5)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed was 0, now 1"),
        ({"batch_size": 3}, "batch_size was 5, now 3"),
        ({"precision": "bf16"}, "bf16"),
        ({"plain": True}, "plain was false, now true"),
        ({"compile": True}, "compile was false, now true"),
    ],
)
def test_other_arguments_on_the_same_folder_are_refused(run_in, tmp_path, change, named):
    run_in(tmp_path / "run", "toy-single")
    with pytest.raises(UsageError, match=named):
        run_in(tmp_path / "run", "toy-single", **change)


def test_an_edited_plugin_on_the_same_folder_is_refused(run_in, tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text("")
    run_in(tmp_path / "run", "toy-single", limit=1, plugins=(str(plugin),))
    plugin.write_text("# edited")
    with pytest.raises(UsageError, match=r"code was .*now"):
        run_in(tmp_path / "run", "toy-single", limit=2, plugins=(str(plugin),))


def test_the_code_of_an_attack_from_elsewhere_is_part_of_a_run():
    class Mine(FGSM):
        pass

    known = code([], [FGSM])
    mine = f"{Path(__file__).name} {hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}"
    assert code([], [FGSM, Mine]) == [*known, mine]
    assert len(known) == 2
    Mine.__module__ = "nowhere"  # as where it was typed in
    assert code([], [Mine]) == known


def test_models_in_another_order_are_refused(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", "toy-multi", limit=2, tasks=["semantic"])
    with pytest.raises(UsageError, match="models was"):
        run_in(tmp_path / "run", "toy-multi", "toy-single", limit=2, tasks=["semantic"])


def test_an_edited_class_map_is_another_model(tmp_path):
    (tmp_path / "net.py").write_text("import torch\ndef build():\n    return torch.nn.Conv2d(3, 2, 1)\n")
    classes = tmp_path / "two.toml"
    hashes = []
    for other in ("sky", "car"):
        classes.write_text(f'classes = ["a", "b"]\n[maps.camvid11]\nroad = "a"\n{other} = "b"\n')
        torch.manual_seed(0)
        hashes.append(ModelSpec(f"{tmp_path}/net.py:build", {"classes": str(classes)}).load().sha256)
    assert hashes[0] != hashes[1]


def test_saved_images_of_two_data_sets_lie_apart(request_for, tmp_path):
    class Other(DATASETS.get("toy")):
        name = "other"

    sets = [InMemory("toy", DATASETS.get("toy")()), InMemory("other", Other())]
    config = request_for("toy-single", datasets=sets, save_images=True, limit=1, in_process=True)
    run_evaluation(PreparedEvaluation(config, tmp_path / "run"), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run" / "images" / "toy-single").iterdir()} == {"toy", "other"}


def test_a_broken_first_image_is_a_failed_image(request_for, tmp_path):
    class Broken(DATASETS.get("toy")):
        def __getitem__(self, index):
            if index == 0:
                raise OSError("cannot be read")
            return super().__getitem__(index)

    config = request_for("toy-single", datasets=[InMemory("toy", Broken())], in_process=True)
    run = run_evaluation(PreparedEvaluation(config, tmp_path / "run"), tmp_path / "run")
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("failed", 11)


def test_a_kill_before_the_identity_is_stored_starts_afresh(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", limit=2)
    with sqlite3.connect(tmp_path / "run" / "store.sqlite") as store:
        store.executescript("DELETE FROM meta WHERE key = 'identity'; DELETE FROM shards; DELETE FROM results")
    run_in(tmp_path / "run", "toy-single", limit=2)


def test_a_half_filled_store_is_not_reported_as_whole(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single")
    with sqlite3.connect(tmp_path / "run" / "store.sqlite") as store:
        store.execute("DELETE FROM results WHERE image > 5")
    table = rebuild(tmp_path / "run").summary
    assert set(table.status) == {"failed"}


def test_two_workers_give_the_same_bytes(run_in, tmp_path):
    run_in(tmp_path / "one", workers=1)
    run_in(tmp_path / "two", workers=2)
    for name in ("summary.csv", "classes.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_batch_sizes_agree(run_in, tmp_path):
    runs = [run_in(tmp_path / str(batch), batch_size=batch).summary for batch in (1, 3, 8)]
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


class _Broken(nn.Module):
    """Raises, or gives NaN, on images whose red is high somewhere below a threshold kept in `bad`."""

    def __init__(self, net, bad, how):
        super().__init__()
        self.net, self.bad, self.how = net, bad, how

    def forward(self, x):
        hit = (x - self.bad[None]).abs().flatten(1).amax(1) < 0.2
        if hit.any() and self.how == "raise":
            raise RuntimeError("broken\non purpose")
        out = self.net(x)
        return {key: value.where(~hit.view(-1, *[1] * (value.dim() - 1)), float("nan")) for key, value in out.items()}


@pytest.mark.parametrize("how", ["raise", "nan"])
def test_a_failed_image_fails_its_cell_and_is_tried_again(request_for, tmp_path, how):
    import torch

    from robustbench_seg.data.registry import DATASETS
    from robustbench_seg.models.registry import MODELS

    net = MODELS.get("toy-single")().module
    image = torch.from_numpy(DATASETS.get("toy")()[4].image).permute(2, 0, 1).float() / 255
    broken = LoadedModel("m", _Broken(net, image, how), ("semantic",), CAMVID11, False, "1", "test")
    fixed = LoadedModel("m", net, ("semantic",), CAMVID11, False, "1", "test")
    folder = tmp_path / "run"
    run = run_evaluation(PreparedEvaluation(request_for(models=[InMemory("m", broken)]), folder), folder)
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("failed", 11)
    with Store(folder / "store.sqlite") as store:
        errors = [result.error for result in store.cell(0, 0, 0).results if result.error]
    assert len(errors) == 1
    assert "\n" not in errors[0]
    assert list(run.info["failures"]) == errors
    run = run_evaluation(PreparedEvaluation(request_for(models=[InMemory("m", fixed)]), folder), folder)
    clean = row(run, attack="clean", metric="miou")
    assert (clean.status, clean.n_images) == ("ok", 12)


def test_a_model_of_the_wrong_shape_is_refused_before_any_work(request_for, tmp_path):
    class Wrong(nn.Module):
        def forward(self, x):
            return {"semantic": x.mean(1)}

    model = LoadedModel("w", Wrong(), ("semantic",), CAMVID11, False, "1", "test")
    with pytest.raises(InputError, match="1 channels for 11"):
        run_evaluation(PreparedEvaluation(request_for(models=[InMemory("w", model)]), tmp_path / "r"), tmp_path / "r")


def test_python_call_returns_a_summary(tmp_path):
    from robustbench_seg.data.registry import DATASETS
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


def test_intervals_and_notes_are_recorded(run_in, tmp_path):
    info = run_in(tmp_path / "run", "toy-single").info
    assert "bootstrap" in info["intervals"]["toy"]
    assert info["notes"] == []
    assert info["identity"]["models"] == [["toy-single", "0" * 64]]


def test_panels_hold_pictures_of_two_images(run_in, tmp_path):
    panels = run_in(tmp_path / "run", "toy-multi").panels()
    assert {panel.image for panel in panels} == {"toy-00", "toy-06"}
    clean = next(panel for panel in panels if not panel.attack)
    assert set(clean.pngs) == {
        "image", "label:semantic", "label:depth", "prediction:semantic", "prediction:depth",
    }  # fmt: skip
    attacked = next(panel for panel in panels if panel.attack == "pgd")
    assert {"perturbed", "perturbation"} <= set(attacked.pngs)


def test_saved_images_are_named_by_cell(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", save_images=True, limit=2)
    names = {path.parent.name for path in (tmp_path / "run" / "images").rglob("*.png")}
    assert "gaussian_rms_8.0" in names
    assert len(list((tmp_path / "run" / "images").rglob("*.png"))) == 2 * 9


def test_unknown_data_set_options():
    with pytest.raises(UsageError, match="takes no root"):
        DataSpec("toy", root="x").load()
    with pytest.raises(UsageError, match="needs its folder"):
        DataSpec("camvid").load()


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
