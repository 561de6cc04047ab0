"""Full disks, locks and damage: one line, the right exit code, and what is there stays as it is."""

import errno
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from robustbench_seg.evaluation.lock import sole_writer
from robustbench_seg.results import store as stores
from robustbench_seg.results.store import Store
from tests.cli.runs import INPUT, evaluate_into, one_line

pytestmark = pytest.mark.slow


def same_tables(folder, other):
    return all((folder / name).read_bytes() == (other / name).read_bytes() for name in ("summary.csv", "classes.csv"))


# the disk


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


def counted(folder):
    store = sqlite3.connect(folder / "store.sqlite")
    counts = [store.execute(f"SELECT COUNT(*) FROM {table}").fetchone() for table in ("costs", "panels")]
    store.close()
    return counts


@pytest.mark.parametrize("table", ["results", "shards", "statistics", "costs", "panels"])
def test_rows_that_were_lost_are_computed_again(robustseg, sound, tmp_path, table):
    folder = Path(shutil.copytree(sound, tmp_path / "run"))
    _sql(f"DELETE FROM {table} WHERE configuration = 1")(folder / "store.sqlite")
    assert robustseg(*evaluate_into(folder))[0] == 0
    assert same_tables(folder, sound)
    assert counted(folder) == counted(sound)


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
