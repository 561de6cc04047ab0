"""Damage and races below the command line."""

import errno
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.results.files import write_bytes
from robustbench_seg.results.store import Store


def everything(path):
    """All that tables are made of: the manifest, and every result and statistic of every cell."""
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


@pytest.mark.slow
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


def test_a_stopped_command_does_not_wait_for_a_long_work_item(tmp_path):
    """Nothing of a work item that is not done would be kept."""
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
