"""glibc's allocator set for networks on a CPU."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""mallopt's parameters (malloc.h)."""
_LARGEST = 2**31 - 1
_LARGEST_OLD = 32 * 2**20
"""What versions of glibc with a limit take."""


def keep_freed_memory() -> None:
    """Keep what is freed for the next allocation; a process calls it once, before it starts threads.

    By default glibc hands tensors of some MB back to the system and gets them again, page by page, in every layer of
    every step: a fifth of the time of a gradient on small networks. Does nothing where the C library is another one.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    # Threads with separate arenas would get large blocks from the system all the same.
    mallopt(_ARENA_MAX, 1)
    mallopt(_TRIM_THRESHOLD, _LARGEST)
    if not mallopt(_MMAP_THRESHOLD, _LARGEST):
        mallopt(_MMAP_THRESHOLD, _LARGEST_OLD)
