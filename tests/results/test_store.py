import sqlite3
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.errors import InputError
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult, pack
from robustbench_seg.results.store import Store


def configuration(errors=("", ""), shard=0, value=1.0):
    images = tuple(
        ImageResult(
            i,
            error=error,
            statistics={} if error else {"semantic": pack({"confusion": np.full((2, 2), value)})},
            pngs={"perturbed": b"png"},
        )
        for i, error in enumerate(errors)
    )
    return SweepResult(0, 0, shard, (CellResult(0.25, images, Cost(2, 1, 0.5, 10.0)),))


def moved(result):
    """The same for the next images."""
    cells = [
        replace(cell, images=tuple(replace(one, image=one.image + 2) for one in cell.images)) for cell in result.cells
    ]
    return replace(result, cells=tuple(cells))


def test_a_shard_is_done_only_without_failures(tmp_path):
    with Store(tmp_path / "s") as store:
        store.write([configuration(("", "broke"))])
        assert store.done() == set()
        store.write([configuration()])
        assert store.done() == {(0, 0, 0, 2)}


@pytest.mark.parametrize("table", ["results", "statistics", "costs", "panels"])
def test_a_shard_whose_rows_have_vanished_is_done_again(tmp_path, table):
    with Store(tmp_path / "s") as store:
        store.write([configuration()])
        store.write([moved(configuration(shard=1))])
    database = sqlite3.connect(tmp_path / "s")
    with database:
        database.execute(f"DELETE FROM {table} WHERE shard = 1")
    database.close()
    with Store(tmp_path / "s") as store:
        assert store.done() == {(0, 0, 0, 2)}
        store.write([moved(configuration(shard=1))])
        assert store.done() == {(0, 0, 0, 2), (0, 0, 1, 2)}


def test_reading_lost_statistics_says_how_to_compute_them_again(tmp_path):
    with Store(tmp_path / "s") as store:
        store.write([configuration()])
    database = sqlite3.connect(tmp_path / "s")
    with database:
        database.execute("DELETE FROM statistics WHERE image = 1")
    database.close()
    with Store(tmp_path / "s") as store, pytest.raises(InputError, match="has lost rows; give the evaluate command"):
        store.cell(0, 0, 0)


@pytest.mark.parametrize("version", [1, 2, 3, 99])
def test_another_schema_is_refused_in_one_line(tmp_path, version):
    Store(tmp_path / "s").__exit__(None, None, None)
    database = sqlite3.connect(tmp_path / "s")
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    with pytest.raises(InputError, match=f"is of schema {version}, this version reads 5") as caught:
        Store(tmp_path / "s", create=False)
    assert "\n" not in str(caught.value)


def test_writing_again_replaces(tmp_path):
    with Store(tmp_path / "s") as store:
        store.write([configuration(("broke", ""))])
        store.write([configuration(value=7.0)])
        cell = store.cell(0, 0, 0)
        assert [result.error for result in cell.results] == ["", ""]
        assert cell.statistics["semantic"][0]["confusion"].max() == 7


def test_shards_written_together_are_as_if_one_by_one(tmp_path):
    shards = [moved(configuration(("broke", ""), 1)), configuration(value=7.0)]
    with Store(tmp_path / "one") as one, Store(tmp_path / "together") as together:
        for store in (one, together):
            store.write([configuration(("", "broke"))])
        for shard in shards:
            one.write([shard])
        together.write(shards)
    dumps = []
    for name in ("one", "together"):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            dumps.append(list(database.iterdump()))
    assert dumps[0] == dumps[1]
    assert len(dumps[0]) > 10


@pytest.mark.parametrize("size", [900, 1100, 3000])
def test_bytes_take_little_more_than_they_are(tmp_path, size):
    images = tuple(ImageResult(i, statistics={"semantic": bytes(size)}) for i in range(200))
    with Store(tmp_path / "s") as store:
        store.write([SweepResult(0, 0, 0, (CellResult(0.25, images),))])
    assert (tmp_path / "s").stat().st_size < 200 * size * 1.5 + 2**16


def test_a_unit_is_all_or_nothing(tmp_path):
    def broken():
        yield configuration()
        raise RuntimeError("half way")

    with Store(tmp_path / "s") as store:
        with pytest.raises(RuntimeError):
            store.write(broken())
        assert store.done() == set()
        assert not store.cell(0, 0, 0).results


def test_epsilons_do_not_collide(tmp_path):
    cells = tuple(CellResult(e, (ImageResult(0, rms=e),)) for e in (0.25, 0.2500001, 0.35))
    with Store(tmp_path / "s") as store:
        store.write([SweepResult(0, 0, 0, cells)])
        assert [store.cell(0, 0, c).results[0].rms for c in range(3)] == [0.25, 0.2500001, 0.35]


def test_a_damaged_store_is_one_line(tmp_path):
    (tmp_path / "s").write_bytes(b"this is no database" * 100)
    with pytest.raises(InputError, match=r"store '.*s'"):
        Store(tmp_path / "s")


def test_a_locked_store_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("robustbench_seg.results.store.TIMEOUT_S", 0.1)
    with Store(tmp_path / "s") as store:
        other = sqlite3.connect(tmp_path / "s")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(InputError, match="locked"):
            store.write_meta("a", 1)
        other.close()
