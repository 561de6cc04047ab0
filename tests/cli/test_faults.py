"""What goes wrong while a command works: a clear state, one line, the right exit code, and never a wrong number."""

import errno
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from robustbench_seg.harness import store as stores
from robustbench_seg.harness.lock import sole_writer
from robustbench_seg.harness.store import Store
from robustbench_seg.registries import REGISTRIES
from robustbench_seg.registry import load_plugin

FAILED, INPUT, STOPPED = 1, 3, 130
PLUGIN = Path(__file__).parents[1] / "plugins" / "faulty.py"
GRID = ("-e", "1,4")
BASE = ("--plugin", str(PLUGIN), "--limit", "4", "--workers", "1", "--json")
TOY = ("-m", "toy-single", "-d", "toy")
NOT_FINITE = "FloatingPointError: a perturbation returned values that are not finite"
IN_PLACE = "ValueError: a perturbation changed problem.images in place; let it work on a clone"
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
    "skips_radius": "ValueError: a perturbation left out epsilon 4.0",
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


@pytest.fixture(scope="module")
def quietly():
    """The command in this process, for fixtures of wider scope; (exit code, standard error)."""
    import contextlib
    import io
    import sys

    from robustbench_seg.cli import main

    def run(*arguments):
        before, err = sys.argv, io.StringIO()
        sys.argv = ["robustseg", *map(str, arguments)]
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as e,
            ):
                main()
        finally:
            sys.argv = before
        return e.value.code or 0, err.getvalue()

    return run


@pytest.fixture(scope="module")
def sound(quietly, tmp_path_factory):
    """A finished run without any fault."""
    folder = tmp_path_factory.mktemp("sound") / "run"
    assert quietly("evaluate", *BASE, *TOY, "-a", "fgsm", "-a", "gaussian", *GRID, "-o", folder) == (0, "")
    return folder


def results(folder):
    """summary.csv and the errors of each (model, attack)."""
    with Store(folder / "store.sqlite", create=False) as store:
        outline = store.read_outline()
        errors = {
            (pair["model"], family["attack"]): {
                result.error
                for c in range(len(family["epsilons"]))
                for result in store.cell(p, f, c).results
                if result.error
            }
            for p, pair in enumerate(outline["pairs"])
            for f, family in enumerate(pair["families"])
        }
    return pd.read_csv(folder / "summary.csv", keep_default_na=False, na_values=[""]), errors


def lines(folder):
    return (folder / "summary.csv").read_text().splitlines()


def one_line(got, code, *named):
    """A command's end as it should be."""
    assert got[0] == code, got
    err = got[-1]
    assert err.count("\n") == 1, err
    assert err.startswith("robustseg: ")
    for part in named:
        assert str(part) in err


# attacks


def failing_run(quietly, folder, *arguments):
    """A run with failed cells and a page all the same; its folder, table and errors."""
    code, _ = quietly("evaluate", *BASE, *arguments, *GRID, "-o", folder)
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


def test_an_attack_that_puts_the_model_into_training_changes_nothing(quietly, tmp_path):
    values = []
    for attacks in (("-a", "trains"), ()):
        folder = tmp_path / str(len(values))
        model = ("-m", "with-batch-norm", "-d", "toy")
        assert quietly("evaluate", *BASE, *model, *attacks, "-a", "fgsm", *GRID, "-o", folder)[0] == 0
        table, _ = results(folder)
        values.append(table[table.attack == "fgsm"].value.to_list())
    assert values[0] == values[1]


def test_an_attack_that_changes_the_weights_stops_the_run(robustseg, tmp_path):
    arguments = ("evaluate", *BASE, *TOY, "-a", "changes_weights", "-a", "fgsm", *GRID, "-o", tmp_path)
    one_line(robustseg(*arguments), INPUT, "toy-single under changes_weights", "weights")
    assert not (tmp_path / "summary.csv").exists()
    with Store(tmp_path / "store.sqlite", create=False) as store:
        assert store.done() == set()


def test_an_interrupt_from_an_attack_is_an_interrupted_run(robustseg, tmp_path):
    code, _, err = robustseg("evaluate", *BASE, *TOY, "-a", "interrupts", *GRID, "-o", tmp_path)
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


@pytest.mark.parametrize("settings", ["norm=rms", "random_start=true", "restarts=2"])
def test_no_number_comes_from_a_gradient_that_is_not_one(quietly, tmp_path, settings):
    given = [f"pgd.{settings}"] + (["pgd.random_start=true"] if settings == "restarts=2" else [])
    arguments = [part for text in given for part in ("--set", text)]
    model = ("-m", "nan-gradient", "-d", "toy")
    assert quietly("evaluate", *BASE, *model, "-a", "pgd", *GRID, *arguments, "-o", tmp_path)[0] == FAILED
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
    one_line(robustseg("evaluate", *BASE, "-m", name, "-d", "toy", "-a", "fgsm", *GRID, "-o", tmp_path), INPUT, named)
    assert not (tmp_path / "summary.csv").exists()


def test_a_task_that_cannot_measure_fails_its_images(quietly, tmp_path):
    model = ("-m", "measures-raising", "-d", "measured")
    assert quietly("evaluate", *BASE, *model, "-a", "gaussian", *GRID, "-o", tmp_path)[0] == FAILED
    table, errors = results(tmp_path)
    assert errors["measures-raising", "clean"] == {"ValueError: no statistics"}
    assert set(table.status) == {"failed"}
    assert table.value.isna().all()


def test_a_task_that_cannot_compute_its_metrics_is_one_line(robustseg, tmp_path):
    model = ("-m", "measures-raising-late", "-d", "measured")
    got = robustseg("evaluate", *BASE, *model, "-a", "gaussian", *GRID, "-o", tmp_path)
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


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_truncated_image_fails_and_is_tried_again(quietly, tmp_path, name):
    arguments = ("evaluate", *BASE, *folder_data(tmp_path / "data"))
    path = tmp_path / "data" / "images" / f"{name}.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert quietly(*arguments, "-o", tmp_path / "run")[0] == FAILED
    table, errors = results(tmp_path / "run")
    (error,) = errors["toy-single", "clean"]
    assert path.name in error
    assert set(table.n_images) == {2}
    assert set(table.status) == {"failed"}


def test_a_missing_label_is_refused(robustseg, tmp_path):
    arguments = ("evaluate", *BASE, *folder_data(tmp_path / "data"))
    (tmp_path / "data" / "labels" / "b.png").unlink()
    one_line(robustseg(*arguments, "-o", tmp_path / "run"), INPUT, "b.png")


# the disk


def evaluate_into(folder):
    return ("evaluate", *BASE, *TOY, "-a", "fgsm", "-a", "gaussian", *GRID, "-o", folder)


def same_tables(folder, other):
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("summary.csv", "classes.csv"))


@pytest.mark.parametrize("pages", [5, 9, 15])
def test_a_full_disk_under_the_store(robustseg, sound, tmp_path, monkeypatch, pages):
    """The store may have so many pages of 4096 bytes: none for its tables, none for the outline, a few results."""
    opened = Store._open

    def small(self, create):
        self._db.execute(f"PRAGMA max_page_count = {pages}")
        opened(self, create)

    with monkeypatch.context() as patch:
        patch.setattr(Store, "_open", small)
        one_line(robustseg(*evaluate_into(tmp_path), "--batch-size", 1), INPUT, "store.sqlite", "full", "free space")
        assert not (tmp_path / "summary.csv").exists()
    assert robustseg(*evaluate_into(tmp_path), "--batch-size", 1)[0] == 0
    assert same_tables(tmp_path, sound)


@pytest.mark.parametrize("name", ["summary.csv", "report.html", "fgsm"])
def test_a_full_disk_under_tables_figures_and_page(robustseg, sound, tmp_path, monkeypatch, name):
    write = Path.write_bytes

    def full(self, data):
        write(self, data[: len(data) // 2])
        if name in self.name or (name == "fgsm" and self.suffix == ".partial" and ".png" in self.name):
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, data)

    before = {}
    for again in (False, True):  # over nothing, and over a finished run: that stays as it is
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_bytes", full)
            one_line(robustseg(*evaluate_into(tmp_path)), INPUT, "No space left", "free space")
        assert not list(tmp_path.rglob("*.partial"))
        if again:
            assert {path: path.read_bytes() for path in before} == before
        else:
            assert robustseg(*evaluate_into(tmp_path))[0] == 0
            before = {path: path.read_bytes() for path in [tmp_path / "summary.csv", tmp_path / "report.html"]}
    assert robustseg(*evaluate_into(tmp_path))[0] == 0
    assert same_tables(tmp_path, sound)


# locks


def test_a_second_evaluation_of_a_folder_is_refused_and_readers_are_not(robustseg, sound, tmp_path):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    with sole_writer(folder):
        one_line(robustseg(*evaluate_into(folder)), INPUT, f"'{folder}' is in use")
        writing = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
        writing.execute("BEGIN IMMEDIATE")
        writing.execute("DELETE FROM shards")
        for command in (("report", folder), ("plot", folder, "-o", tmp_path / "out")):
            code, _, err = robustseg(*command)
            assert (code, err) == (0, "")
        writing.execute("ROLLBACK")
        writing.close()
    assert robustseg(*evaluate_into(folder))[0] == 0
    assert same_tables(folder, sound)


def test_a_store_locked_by_another_program_is_one_line(robustseg, sound, tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "TIMEOUT_S", 0.1)
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    other = sqlite3.connect(folder / "store.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    for command in (evaluate_into(folder), ("report", folder)):
        one_line(robustseg(*command), INPUT, "store.sqlite", "locked", "stop what else uses it")
    other.close()
    assert robustseg(*evaluate_into(folder))[0] == 0
    assert same_tables(folder, sound)


# damage


def _sql(script):
    def damage(path):
        with sqlite3.connect(path) as store:
            store.executescript(script)
        store.close()

    return damage


def _page(path):
    data = bytearray(path.read_bytes())
    data[3 * 4096 : 4 * 4096] = b"\xa5" * 4096
    path.write_bytes(bytes(data))


FILES = {
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:10_000]),
    "garbage header": lambda path: path.write_bytes(b"garbage " * 2 + path.read_bytes()[16:]),
    "a page of garbage": _page,
    "a table missing": _sql("DROP TABLE statistics"),
    "empty": lambda path: path.write_bytes(b""),
    "no database": lambda path: path.write_text("not a database"),
    "another version's": _sql("PRAGMA user_version = 1"),
    "outline changed": _sql("UPDATE meta SET value = replace(value, '4.0', '8.0')"),
}
ROWS = {
    "statistics missing": _sql("DELETE FROM statistics WHERE image = 1"),
    "a number changed": _sql("UPDATE results SET linf = linf + 1 WHERE image = 1"),
    "an image renumbered": _sql("UPDATE results SET image = 9 WHERE image = 1"),
    "whose run it is lost": _sql("DELETE FROM meta WHERE key = 'identity'"),
}
"""Seen when the row is read; the store as a file is whole."""


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


@pytest.mark.parametrize("name", [*FILES, *ROWS])
def test_a_damaged_store_is_one_line_and_nothing_is_overwritten(robustseg, sound, tmp_path, name):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    (FILES | ROWS)[name](folder / "store.sqlite")
    before = contents(folder)
    for command in (evaluate_into(folder), ("report", folder)):
        if (command[0], name) == ("report", "whose run it is lost"):
            continue
        one_line(robustseg(*command), INPUT, folder / "store.sqlite", "another folder with -o")
        after = contents(folder)
        changed = {path.name for path in before if before[path] != after.get(path)}
        # An evaluation notes in a sound file which run it is before it reads any row.
        assert changed <= ({"store.sqlite"} if name in ROWS else set())
        assert set(after) == set(before)


def test_a_store_that_is_not_there(robustseg, sound, tmp_path):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    (folder / "store.sqlite").unlink()
    before = contents(folder)
    one_line(robustseg("report", folder), INPUT, folder / "store.sqlite", "unable to open")
    assert contents(folder) == before


@pytest.mark.parametrize("text", ["", '{"seed": 0', "[1]", "\x00\xff"])
def test_a_damaged_run_json_is_one_line_and_evaluate_mends_it(robustseg, sound, tmp_path, text):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    (folder / "run.json").write_bytes(text.encode("latin-1"))
    before = contents(folder)
    one_line(robustseg("report", folder), INPUT, folder / "run.json", "give the command that made it again")
    assert contents(folder) == before
    assert robustseg(*evaluate_into(folder))[0] == 0
    assert json.loads((folder / "run.json").read_text())["seed"] == 0


def _cut(path):
    """Lose the end of a number, so that what is left is another number."""
    text = path.read_text()
    path.write_text(text[: text.rindex(",") - 1])


def _word(path):
    path.write_text(path.read_text().replace(",0.", ",O.", 1))


TABLES = {
    "cut off": _cut,
    "a word for a number": _word,
    "empty": lambda path: path.write_text(""),
    "bytes": lambda path: path.write_bytes(b"\xff\xfe\x00" * 99),
    "no columns": lambda path: path.write_text("a,b\n1,2\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_one_line_and_report_mends_it(robustseg, sound, tmp_path, name):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    TABLES[name](folder / "summary.csv")
    one_line(robustseg("plot", folder, "-o", tmp_path / "out"), INPUT, folder / "summary.csv", "robustseg report")
    assert robustseg("report", folder)[0] == 0
    assert same_tables(folder, sound)
