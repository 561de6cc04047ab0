"""All that concerns a GPU, for a machine that has one for some minutes: tests, benchmarks and a short training.

    python tests/gpu/run.py OUT                      # 8 minutes; the machine needs no network
    python tests/gpu/run.py OUT --wheels DIR         # packages that it lacks, as wheels
    python tests/gpu/run.py OUT --toy                # the same code on a CPU, at a size that means nothing

Every part is a process of its own with a time limit, and leaves OUT/PART.log; OUT/parts.json is written after each.
Benchmarks write OUT/benchmarks figure by figure. Nothing but the standard library is imported here.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SECONDS = 480.0
_SAY = "import sys, torch; print(sys.version, torch.__version__, *map(torch.cuda.get_device_properties, {devices}))"


@dataclass(frozen=True)
class Part:
    """A command of Python and the most seconds it may take."""

    name: str
    limit: float
    command: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """What became of a part: its exit code, None where it was stopped at its limit or had no time left to begin."""

    name: str
    command: tuple[str, ...]
    limit: float
    seconds: float
    code: int | None


def parts(out: Path, toy: bool) -> tuple[Part, ...]:
    """What is run, the most important first."""
    device = "cpu" if toy else "cuda"
    recipe = (
        [str(HERE / "toy.toml"), "--plugin", "tests/plugins/toy.py"] if toy else ["street-single", "--steps", "100"]
    )
    tests = ["-m", "pytest", "tests/gpu", "-m", "not gpu" if toy else "gpu", "-p", "no:cacheprovider", "-W", "default"]
    limits = {
        "gpu-pgd-resnet18": 105.0,
        "gpu-grid-resnet18": 60.0,
        "gpu-evaluate": 70.0,
        "gpu-pgd-resnet101": 50.0,
        "gpu-grid-resnet101": 50.0,
    }
    bench = ("-m", "tests.bench", "-o", str(out / "benchmarks"), *(["--toy"] if toy else []))
    train = ("-m", "robustbench_seg", "train", *recipe, "--device", device, "--work", str(out / "training"))
    return (
        Part("machine", 20.0, ("-c", _SAY.format(devices="[]" if toy else "range(torch.cuda.device_count())"))),
        Part("tests", 90.0, (*tests, f"--junitxml={out / 'tests.xml'}")),
        *(Part(name, limit, (*bench, name)) for name, limit in limits.items()),
        Part("training", 40.0, train),
    )


def run(part: Part, out: Path, seconds: float) -> Ended:
    """Run a part for so many seconds at most, its words into a log."""
    command = (sys.executable, *part.command)
    start = time.monotonic()
    with (out / f"{part.name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=_environment(out), stdout=log, stderr=log, start_new_session=True
        )
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            # What it has started too.
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return Ended(part.name, command, seconds, round(time.monotonic() - start, 1), code)


def _environment(out: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), str(out / "site"), os.environ.get("PYTHONPATH"))))
    return {"ROBUSTSEG_CACHE": str(out / "cache"), **os.environ, "PYTHONPATH": path}


def _install(wheels: Path, out: Path) -> None:
    """Put every wheel of a folder where the parts find it; nothing is downloaded, nothing else is changed."""
    pip = (sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--find-links", str(wheels))
    subprocess.run((*pip, "--target", str(out / "site"), *map(str, sorted(wheels.glob("*.whl")))), check=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts; 0 where all of them ended well."""
    parser = argparse.ArgumentParser(description="Tests, benchmarks and a short training on a GPU.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all of them")
    parser.add_argument("--only", help="parts, with commas")
    parser.add_argument("--toy", action="store_true")
    given = parser.parse_args(arguments)
    out = given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + given.seconds
    if given.wheels is not None:
        _install(given.wheels.resolve(), out)
    ended: list[Ended] = []
    for part in parts(out, given.toy):
        if given.only is not None and part.name not in given.only.split(","):
            continue
        # A CPU takes as long as it takes.
        left = min(math.inf if given.toy else part.limit, end - time.monotonic())
        ended.append(run(part, out, left) if left > 0 else Ended(part.name, part.command, 0.0, 0.0, None))
        text = json.dumps([asdict(one) for one in ended], indent=1)
        (out / "parts.json").write_text(text + "\n", encoding="utf-8")
        print(
            f"{part.name}: {'stopped' if ended[-1].code is None else ended[-1].code}, {ended[-1].seconds:.0f} s",
            flush=True,
        )
    return int(any(one.code != 0 for one in ended))


if __name__ == "__main__":
    sys.exit(main())
