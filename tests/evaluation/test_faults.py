"""Damage and races below the command line."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from robustbench_seg.classes import CAMVID11
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.lock import sole_writer
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.registry import MODELS
from robustbench_seg.results.files import write_bytes
from robustbench_seg.results.store import Store


def everything(path):
    """All that tables are made of: the outline, and every result and statistic of every cell."""
    with Store(path, create=False) as store:
        manifest = store.read_manifest()
        cells = [
            store.cell(p, f, c)
            for p, pair in enumerate(manifest["pairs"])
            for f, configuration in enumerate(pair["configurations"])
            for c in range(len(configuration["epsilons"]))
        ]
    numbers = [
        (task, image, name, array.tolist())
        for cell in cells
        for task, images in sorted(cell.statistics.items())
        for image, arrays in sorted(images.items())
        for name, array in arrays.items()
    ]
    return manifest, [cell.results for cell in cells], numbers


def read_or_refused(path):
    try:
        return everything(path)
    except InputError as error:
        return str(error)


def test_a_flipped_bit_never_changes_a_number(run_in, tmp_path):
    """Any one of them either does not reach the tables or is refused."""
    path = run_in(tmp_path / "run", "toy-multi", limit=3).folder / "store.sqlite"
    expected, whole = everything(path), path.read_bytes()
    copy = tmp_path / "flipped.sqlite"
    rng = np.random.default_rng(0)
    # Pictures are most of the file and no part of a table.
    pictures = np.zeros(len(whole), bool)
    start = 0
    while (start := whole.find(b"\x89PNG", start)) >= 0:
        end = whole.find(b"IEND", start)
        pictures[start:end] = True
        start = end
    refused = 0
    for at in rng.choice(np.flatnonzero(~pictures), 150, replace=False).tolist():
        flipped = bytearray(whole)
        flipped[at] ^= 1 << int(rng.integers(8))
        copy.write_bytes(flipped)
        found = read_or_refused(copy)
        if isinstance(found, str):
            assert "flipped.sqlite" in found
            refused += 1
        else:
            assert found == expected, at
    assert refused > 10


def test_an_identity_that_appears_after_the_plan_is_seen(run_in, request_for, tmp_path):
    """Two processes plan different runs of one new folder; the second to start must not mix with the first."""
    planned = PreparedEvaluation(request_for("toy-single", limit=2, seed=1), tmp_path / "run")
    run = run_in(tmp_path / "run", "toy-single", limit=2)
    before = (run.folder / "summary.csv").read_bytes()
    with pytest.raises(UsageError, match="seed was 0, now 1"):
        run_evaluation(planned, tmp_path / "run")
    assert (run.folder / "summary.csv").read_bytes() == before


def test_a_folder_is_held_by_one(tmp_path):
    with sole_writer(tmp_path), pytest.raises(InputError, match=f"'{tmp_path}' is in use"), sole_writer(tmp_path):
        pass
    with sole_writer(tmp_path):
        pass


def test_a_killed_process_leaves_no_lock(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from robustbench_seg.evaluation.lock import sole_writer\n"
        f"with sole_writer(Path({str(tmp_path)!r})):\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="in use"), sole_writer(tmp_path):
            pass
        process.kill()
        process.wait()
    with sole_writer(tmp_path):
        pass


def test_a_folder_whose_lock_cannot_be_made(tmp_path):
    (tmp_path / ".lock").mkdir()
    with pytest.raises(InputError, match=r"\.lock"), sole_writer(tmp_path):
        pass


def test_a_file_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    write_bytes(b"old", path)
    write = Path.write_bytes

    def full(self, data):
        write(self, data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"a\.png' cannot be written: No space left"):
        write_bytes(b"new", path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("a.png", b"old")]


def test_what_a_kill_left_half_written_is_removed(run_in, tmp_path):
    (tmp_path / "run" / "figures").mkdir(parents=True)
    for name in (".summary.csv.1.partial", "figures/.a.png.1.partial"):
        (tmp_path / "run" / name).write_text("half")
    run_in(tmp_path / "run", "toy-single", limit=2)
    assert not list(tmp_path.rglob("*.partial"))


def test_an_empty_store_of_a_run_that_was_just_being_made_starts_afresh(run_in, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "store.sqlite").write_bytes(b"")
    assert set(run_in(tmp_path / "run", "toy-single", limit=2).summary.status) == {"ok"}


class _Exiting(nn.Module):
    def forward(self, x):
        sys.exit(0)


class _Counting(nn.Module):
    """Writes into one of its buffers whenever it is used."""

    def __init__(self, start):
        super().__init__()
        self.net = MODELS.get("toy-single")().module
        self.register_buffer("calls", start)

    def forward(self, x):
        self.calls += 1
        return self.net(x)


def _in_memory(module):
    return InMemory("m", LoadedModel("m", module, ("semantic",), CAMVID11, False, "1", "test"))


def test_a_model_that_exits_is_refused(request_for, tmp_path):
    with pytest.raises(InputError, match="model 'm' fails on the first image"):
        run_evaluation(PreparedEvaluation(request_for(models=[_in_memory(_Exiting())]), tmp_path), tmp_path)


def test_a_model_that_moves_while_it_is_measured_is_refused(request_for, tmp_path):
    import torch

    def run(start, folder):
        return run_evaluation(
            PreparedEvaluation(request_for(models=[_in_memory(_Counting(start))], limit=2), folder), folder
        )

    with pytest.raises(InputError, match="m under clean: weights or buffers of the model changed"):
        run(torch.zeros(()), tmp_path / "moving")
    assert set(run(torch.zeros((), dtype=torch.int64), tmp_path / "counting").summary.status) == {"ok"}


def test_a_stopped_command_does_not_wait_for_a_long_unit(tmp_path):
    """Nothing of a unit that is not done would be kept."""
    code = (
        "import signal, threading, time, os\n"
        "from robustbench_seg.cli import signals\n"
        "signals.GRACE_S = 0.2\n"
        "with signals.stoppable():\n"
        "    try:\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        while True: time.sleep(1)\n"
    )
    for number, expected in ((2, 130), (15, 143)):
        command = [sys.executable, "-c", code]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
        assert process.returncode == expected
        assert err == "robustseg: interrupted; give the command again to resume\n"


def test_a_signal_in_a_finaliser_is_not_lost(tmp_path):
    code = (
        "import os, time\n"
        "from robustbench_seg.cli import signals\n"
        "class Late:\n"
        "    def __del__(self):\n"
        "        os.kill(os.getpid(), 2); time.sleep(60)\n"
        "with signals.stoppable():\n"
        "    Late(); time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (130, "robustseg: interrupted; give the command again to resume\n")


def test_a_second_signal_ends_at_once(tmp_path):
    code = (
        "import time\n"
        "from robustbench_seg.cli import signals\n"
        "signals.GRACE_S = 60\n"
        "with signals.stoppable():\n"
        "    try:\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    finally:\n"
        "        print('ending', flush=True); time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for word in ("ready\n", "ending\n"):
            assert process.stdout.readline() == word
            process.send_signal(2)
            time.sleep(0.05)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err == "robustseg: interrupted; give the command again to resume\n"
