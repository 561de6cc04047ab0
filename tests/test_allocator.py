"""The allocator: large blocks come from the heap afterwards, seen from outside in a process of its own."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

_COUNT = """
import resource, sys
import numpy
from robustbench_seg.allocator import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
def step():
    for _ in range(50):
        numpy.ones(48 * 2**20, numpy.uint8)
step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _faults(how: str) -> int:
    """Pages that the system had to give again in a second round of the same work."""
    done = subprocess.run([sys.executable, "-c", _COUNT, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc")
@pytest.mark.slow
def test_freed_memory_is_used_again():
    """48 MB are above what glibc ever keeps by itself."""
    assert _faults("kept") < 50 < _faults("default")
