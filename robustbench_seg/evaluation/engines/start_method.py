"""How worker processes start: forked from a server that has imported everything, where the system has such servers.

Imports nothing heavy, so that a command can start the server before it does the same imports itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Iterator
from multiprocessing import forkserver, resource_tracker

_FORKSERVER = "forkserver"
METHOD = _FORKSERVER if _FORKSERVER in multiprocessing.get_all_start_methods() else "spawn"
_WORKER = "robustbench_seg.evaluation.engines.local"


def warm_up() -> None:
    """Start the server, if it is not running: it is ready when the first worker is wanted, or soon after."""
    if METHOD == _FORKSERVER:
        # First, because its start takes the block off again.
        resource_tracker.ensure_running()
        with ignoring_interrupts():
            forkserver.set_forkserver_preload([_WORKER])
            forkserver.ensure_running()


@contextlib.contextmanager
def ignoring_interrupts() -> Iterator[None]:
    """Processes started in this block never see Ctrl-C, not even while they import: it goes to the parent alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Blocked, not ignored: what they inherit is the same, and a Ctrl-C of this moment reaches the parent after it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
