"""Foreign code and data that go wrong while a command works: one line, the right exit code, never a wrong number."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustbench_seg.registries import REGISTRIES
from robustbench_seg.registry import load_plugin
from robustbench_seg.results.store import Store
from tests.cli.runs import BASE, DOUBTED, FAILED, GRID, INPUT, STOPPED, TOY, one_line

PLUGIN = Path(__file__).parents[1] / "plugins" / "faulty.py"
FAULTY = ("--plugin", str(PLUGIN), *BASE)
NOT_FINITE = "FloatingPointError: a perturbation returned values that are not finite"
IN_PLACE = "ValueError: a perturbation changed context.images in place; let it work on a clone"
GRADIENT = "FloatingPointError: the gradient is not finite"
OUTPUT = "the model's output is not finite"

# Image 3 of the toy data is all void: attacks leave it as it is, so that one can come out whole.
ATTACKS = {
    "raises": "RuntimeError: broken on purpose",
    "raises_late": "RuntimeError: too strong",
    "gives_nan": NOT_FINITE,
    "gives_nan_for_one": NOT_FINITE,
    "gives_shape": "ValueError: a perturbation returned (1, 3, 32, 24) for images (1, 3, 24, 32)",
    "gives_double": "TypeError: a perturbation returned torch.float64 on cpu for torch.float32 on cpu",
    "gives_bytes": "TypeError: a perturbation returned torch.uint8 on cpu for torch.float32 on cpu",
    "gives_other_device": "TypeError: a perturbation returned torch.float32 on meta for torch.float32 on cpu",
    "gives_array": "TypeError: a perturbation returned ndarray, not a tensor",
    "gives_nothing": "TypeError: a perturbation returned NoneType, not a tensor",
    "in_place": IN_PLACE,
    "in_place_unseen": IN_PLACE,
    "in_place_and_raises": "RuntimeError: after the harm",
    "exits": "SystemExit: 0",
    "skips_epsilon": "ValueError: a perturbation left out epsilon 4.0",
}
"""Attacks that do something wrong, and the error that their images are recorded with."""

MODELS = {
    "nan-one": ({"clean", "fgsm", "gaussian"}, OUTPUT, 3),
    "nan-all": ({"clean", "fgsm", "gaussian"}, OUTPUT, 0),
    "raises-one": ({"clean", "fgsm", "gaussian"}, "RuntimeError: no such image", 3),
    "nan-gradient-one": ({"fgsm"}, GRADIENT, 3),
    "nan-gradient": ({"fgsm"}, GRADIENT, 1),
    "shape-when-attacked": ({"gaussian"}, "InputError: the model gives 4 channels for 11 classes; see --classes", 0),
}
"""Models that do something wrong: the attacks that fail, the error, and how many images are left."""


@pytest.fixture(autouse=True, scope="module")
def _faulty():
    """What the plugin registers, for these tests alone: others look at all that there is."""
    before = [(registry, dict(registry._all())) for registry in REGISTRIES.values()]
    load_plugin(PLUGIN)
    yield
    for registry, entries in before:
        registry._entries = entries


def results(folder):
    """summary.csv and the errors of each (model, attack)."""
    with Store(folder / "store.sqlite", create=False) as store:
        manifest = store.read_manifest()
        errors = {
            (pair["model"], configuration["attack"]): {
                result.error
                for c in range(len(configuration["epsilons"]))
                for result in store.cell(p, f, c).results
                if result.error
            }
            for p, pair in enumerate(manifest["pairs"])
            for f, configuration in enumerate(pair["configurations"])
        }
    return pd.read_csv(folder / "summary.csv", keep_default_na=False, na_values=[""]), errors


def lines(folder):
    return (folder / "summary.csv").read_text().splitlines()


def write_no_page(run):
    """Stands for `write_report` where no test looks at the page, which takes longer than the run."""
    page = run.folder / "report.html"
    page.touch()
    return page


@pytest.fixture
def pageless(monkeypatch):
    monkeypatch.setattr("robustbench_seg.report.write.write_report", write_no_page)


# attacks


def failing_run(quietly, folder, *arguments):
    """A run with failed cells and a page all the same; its folder, table and errors."""
    code, _ = quietly("evaluate", *FAULTY, *arguments, *GRID, "-o", folder)
    assert code == FAILED
    assert (folder / "report.html").is_file()
    return folder, *results(folder)


@pytest.fixture(scope="module")
def attacked(quietly, tmp_path_factory):
    """One run of every faulty attack, and of FGSM and noise after them; its folder, table and errors."""
    names = [part for name in (*ATTACKS, "leaves_range", "fgsm", "gaussian") for part in ("-a", name)]
    return failing_run(quietly, tmp_path_factory.mktemp("attacked") / "run", *TOY, *names)


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_that_breaks_its_promise_fails_its_images(attacked, name):
    _, table, errors = attacked
    rows = table[table.attack == name]
    assert errors["toy-single", name] == {ATTACKS[name]}
    assert list(rows.epsilon.unique()) == [1, 4]
    assert set(rows.status) == {"failed"}
    if name != "gives_nan_for_one":
        assert rows.value.isna().all()
        assert (rows.n_images == rows.n_unchanged).all()


def test_the_images_that_an_attack_did_not_break_have_the_value_over_the_rest(attacked):
    _, table, _ = attacked
    rows = table[(table.attack == "gives_nan_for_one") & (table.metric == "miou")]
    assert list(rows.n_images) == [3, 3]
    assert rows.value.between(0, 1).all()


def test_what_leaves_ball_and_range_is_put_back(attacked):
    _, table, _ = attacked
    columns = ["epsilon", "value", "rms", "linf", "status"]
    outside, inside = (table[table.attack == name][columns].to_numpy() for name in ("leaves_range", "fgsm"))
    assert (outside == inside).all()


def test_no_faulty_attack_reaches_the_next_one(attacked, sound):
    kept = [line for line in lines(attacked[0]) if line.split(",")[2] in ("attack", "clean", "fgsm", "gaussian")]
    assert kept == lines(sound)


@pytest.mark.usefixtures("pageless")
def test_an_attack_that_puts_the_model_into_training_changes_nothing(quietly, tmp_path):
    values = []
    for attacks in (("-a", "trains"), ()):
        folder = tmp_path / str(len(values))
        model = ("-m", "with-batch-norm", "-d", "toy")
        assert quietly("evaluate", *FAULTY, *model, *attacks, "-a", "fgsm", *GRID, "-o", folder)[0] == 0
        table, _ = results(folder)
        values.append(table[table.attack == "fgsm"].value.to_list())
    assert values[0] == values[1]


def test_an_attack_that_changes_the_weights_stops_the_run(robustseg, tmp_path):
    arguments = ("evaluate", *FAULTY, *TOY, "-a", "changes_weights", "-a", "fgsm", *GRID, "-o", tmp_path)
    one_line(robustseg(*arguments), INPUT, "toy-single under changes_weights", "weights")
    assert not (tmp_path / "summary.csv").exists()
    with Store(tmp_path / "store.sqlite", create=False) as store:
        assert store.done() == set()


def test_an_interrupt_from_an_attack_is_an_interrupted_run(robustseg, tmp_path):
    code, _, err = robustseg("evaluate", *FAULTY, *TOY, "-a", "interrupts", *GRID, "-o", tmp_path)
    assert code == STOPPED
    assert err.strip() == "robustseg: interrupted; give the command again to resume"
    assert not (tmp_path / "summary.csv").exists()


def test_an_exit_of_foreign_code_is_not_the_commands(robustseg, tmp_path):
    (tmp_path / "net.py").write_text("import sys\ndef net():\n    return lambda x: x\nclass M:\n    pass\n")
    (tmp_path / "data.py").write_text(
        "import sys\nfrom robustbench_seg import DATASETS\n"
        "@DATASETS.register('exiting', 'x')\ndef make():\n    sys.exit(0)\n"
    )
    got = robustseg("evaluate", "--plugin", tmp_path / "data.py", "-m", "toy-single", "-d", "exiting", "-o", tmp_path)
    one_line(got, INPUT, "exit 0")


def test_a_plugin_with_a_syntax_error(robustseg, tmp_path):
    (tmp_path / "mine.py").write_text("def attack(:\n")
    got = robustseg("evaluate", *TOY, "--plugin", tmp_path / "mine.py", "-o", tmp_path / "run")
    one_line(got, INPUT, "mine.py", "SyntaxError", "line 1")
    assert not (tmp_path / "run").exists()


# models and tasks


@pytest.fixture(scope="module")
def modelled(quietly, tmp_path_factory):
    """One run of every model that fails on some images, and of a sound one after them."""
    names = [part for name in (*MODELS, "toy-single") for part in ("-m", name)]
    folder = tmp_path_factory.mktemp("modelled") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robustbench_seg.report.write.write_report", write_no_page)
        return failing_run(quietly, folder, *names, "-d", "toy", "-a", "fgsm", "-a", "gaussian")


@pytest.mark.parametrize("name", MODELS)
def test_a_model_that_breaks_fails_its_images(modelled, name):
    _, table, errors = modelled
    failing, error, left = MODELS[name]
    for attack in ("clean", "fgsm", "gaussian"):
        rows = table[(table.model == name) & (table.attack == attack) & (table.metric == "miou")]
        assert errors[name, attack] == ({error} if attack in failing else set())
        assert set(rows.status) == {"failed" if attack in failing else "ok"}
        assert set(rows.n_images) == {left if attack in failing else 4}
        assert rows.value.notna().all() == (set(rows.n_images) - {0, 1} != set())


def test_a_model_that_breaks_does_not_reach_the_next_one(modelled, sound):
    assert [line for line in lines(modelled[0]) if line.startswith(("model,", "toy-single,"))] == lines(sound)


@pytest.mark.usefixtures("pageless")
@pytest.mark.parametrize("settings", ["norm=rms", "random_start=true", "restarts=2"])
def test_no_number_comes_from_a_gradient_that_is_not_one(quietly, tmp_path, settings):
    given = [f"pgd.{settings}"] + (["pgd.random_start=true"] if settings == "restarts=2" else [])
    arguments = [part for text in given for part in ("--set", text)]
    model = ("-m", "nan-gradient", "-d", "toy")
    assert quietly("evaluate", *FAULTY, *model, "-a", "pgd", *GRID, *arguments, "-o", tmp_path)[0] == FAILED
    table, errors = results(tmp_path)
    assert errors["nan-gradient", "pgd"] == {GRADIENT}
    assert table[table.attack == "pgd"].value.isna().all()


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("swapped", "32 x 24 for images of 24 x 32"),
        ("no-batch", "(11, 24, 32) for 1 images"),
        ("few-channels", "4 channels for 11"),
        ("other-batch", "(2, 11, 24, 32) for 1 images"),
        ("no-tensor", "no tensor 'semantic'"),
    ],
)
def test_a_model_of_the_wrong_shape_is_refused(robustseg, tmp_path, name, named):
    one_line(robustseg("evaluate", *FAULTY, "-m", name, "-d", "toy", "-a", "fgsm", *GRID, "-o", tmp_path), INPUT, named)
    assert not (tmp_path / "summary.csv").exists()


@pytest.mark.usefixtures("pageless")
def test_a_task_that_cannot_measure_fails_its_images(quietly, tmp_path):
    model = ("-m", "measures-raising", "-d", "measured")
    assert quietly("evaluate", *FAULTY, *model, "-a", "gaussian", *GRID, "-o", tmp_path)[0] == FAILED
    table, errors = results(tmp_path)
    assert errors["measures-raising", "clean"] == {"ValueError: no statistics"}
    assert set(table.status) == {"failed"}
    assert table.value.isna().all()


def test_a_task_that_cannot_compute_its_metrics_is_one_line(robustseg, tmp_path):
    model = ("-m", "measures-raising-late", "-d", "measured")
    got = robustseg("evaluate", *FAULTY, *model, "-a", "gaussian", *GRID, "-o", tmp_path)
    one_line(got, INPUT, "task 'raising-late'", "no values")
    with Store(tmp_path / "store.sqlite", create=False) as store:
        assert len(store.done()) == 2  # the work is kept: clean and noise


# images


def folder_data(root):
    (root / "images").mkdir(parents=True)
    (root / "labels").mkdir()
    (root / "dataset.toml").write_text('classes = "camvid11"\n')
    rng = np.random.default_rng(0)
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (24, 32, 3), np.uint8)).save(root / "images" / f"{name}.png")
        Image.fromarray(rng.integers(0, 11, (24, 32), np.uint8)).save(root / "labels" / f"{name}.png")
    return ("-m", "toy-single", "-d", f"folder:{root}", "-a", "fgsm", *GRID)


@pytest.mark.usefixtures("pageless")
@pytest.mark.parametrize("name", ["a", "b"])
def test_a_truncated_image_fails_and_is_tried_again(quietly, tmp_path, name):
    arguments = ("evaluate", *FAULTY, *folder_data(tmp_path / "data"))
    path = tmp_path / "data" / "images" / f"{name}.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    # Its labels are random, so that the other images are not to be believed either.
    assert quietly(*arguments, "-o", tmp_path / "run")[0] == DOUBTED
    table, errors = results(tmp_path / "run")
    (error,) = errors["toy-single", "clean"]
    assert path.name in error
    assert set(table.n_images) == {2}
    assert set(table.status) == {"failed"}


def test_a_missing_label_is_refused(robustseg, tmp_path):
    arguments = ("evaluate", *FAULTY, *folder_data(tmp_path / "data"))
    (tmp_path / "data" / "labels" / "b.png").unlink()
    one_line(robustseg(*arguments, "-o", tmp_path / "run"), INPUT, "b.png")
