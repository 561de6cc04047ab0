import subprocess
import sys

import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.lock import sole_writer


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
