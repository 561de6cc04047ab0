"""Every kind of bad image, label and depth file: one line, exit code 3, nothing run, memory bounded."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.bad_images import BAD, BOMBS, IDS, IDS_OF_THREE, IMAGE, LABEL, ODD, PIXELS, encoded

ROOT = Path(__file__).parents[2]
MEBIBYTES = 48
"""What reading may take: a chunk that unpacks to 64 MiB must not be unpacked."""


def sound_but_for(case, root: Path) -> Path:
    """A folder of one image and its label that is sound, but that the case's file is still to be put there."""
    for name, data in ((IMAGE, encoded(PIXELS)), (LABEL, encoded(IDS))):
        (root / name).parent.mkdir(parents=True)
        if Path(name).parent != Path(case.path).parent:
            (root / name).write_bytes(data)
    (root / "dataset.toml").write_text(case.config)
    (root / case.path).parent.mkdir(exist_ok=True)
    return root


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_one_line(name, tmp_path, robustseg):
    case = BAD[name]
    root = sound_but_for(case, tmp_path / "farm")
    case.put(root / case.path)
    code, out, err = robustseg("data", "check", root)
    assert code == 3, out + err
    assert err.count("\n") == 1, err
    assert err.startswith(f"robustseg: {root}")
    assert case.says in err
    assert "Traceback" not in out + err
    assert not list(root.rglob("marker"))


@pytest.mark.parametrize("name", ODD)
def test_odd_files_are_fine(name, tmp_path, robustseg):
    case = ODD[name]
    root = sound_but_for(case, tmp_path / "farm")
    (root / case.path).write_bytes(case.data)
    code, _, err = robustseg("data", "check", root)
    assert (code, err) == (0, "")


NAMES = ("日本 語", "été", "👩\u200d🚀", "a.b.c", "-rf", "100%", "[bold]x", "' OR 1=1", "b..", "$x_y$", "x" * 200)


@pytest.mark.parametrize("name", NAMES)
def test_odd_names_are_fine(name, tmp_path, robustseg):
    for folder, data in (("images", PIXELS), ("labels", IDS)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.png").write_bytes(encoded(data))
    (tmp_path / "dataset.toml").write_text(IDS_OF_THREE)
    code, out, err = robustseg("data", "check", tmp_path, "--json", "-o", tmp_path / "sheet.png")
    assert (code, err) == (0, "")
    assert json.loads(out)["images"] == 1


def test_links_are_followed(tmp_path, robustseg):
    """Images elsewhere, each linked, and a folder of labels linked as a whole."""
    root, store = tmp_path / "root", tmp_path / "store"
    (root / "images").mkdir(parents=True)
    (store / "labels").mkdir(parents=True)
    (store / "17.png").write_bytes(encoded(PIXELS))
    (store / "labels" / "a.png").write_bytes(encoded(IDS))
    (root / "images" / "a.png").symlink_to(store / "17.png")
    (root / "labels").symlink_to(store / "labels")
    (root / "dataset.toml").write_text(IDS_OF_THREE)
    assert robustseg("data", "check", root)[0] == 0


READ = """
import sys
from pathlib import Path
from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

Folder(sys.argv[1])[0]
before = peak()
for root in sys.argv[2:]:
    try:
        Folder(root)[0]
    except InputError:
        print(Path(root).name, peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_memory_is_bounded(tmp_path):
    sound = sound_but_for(ODD["grey"], tmp_path / "sound")
    (sound / IMAGE).write_bytes(ODD["grey"].data)
    roots = [sound_but_for(case, tmp_path / name) for name, case in BOMBS.items()]
    for root, case in zip(roots, BOMBS.values(), strict=True):
        case.put(root / case.path)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(sound), *map(str, roots)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    grown = {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in done.stdout.splitlines()}
    assert grown.keys() == BOMBS.keys()
    assert max(grown.values()) < MEBIBYTES, grown
