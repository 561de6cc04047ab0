"""Ctrl-C and SIGTERM: an orderly end; a second signal, or some seconds without an end, cut it short."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

GRACE_S = 5.0
"""What a store holds is safe at any moment, so there is little to wait for."""
STOPPED = "interrupted; give the command again to resume"


class Stopped(BaseException):
    """A signal asked the command to stop; `exit_code` is the shell's for it: 130 for Ctrl-C, 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Within the block SIGINT and SIGTERM raise `Stopped` in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler()
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    hook, sys.unraisablehook = sys.unraisablehook, handler.swallowed
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, known in before.items():
            signal.signal(number, known)
        handler.timer.cancel()


class _Handler:
    """Raises at the first signal; cuts off at the second, or when the first was not followed by an end."""

    def __init__(self) -> None:
        self.timer = threading.Timer(GRACE_S, self._cut)
        self.timer.daemon = True
        self._exit_code = 0
        self._hook = sys.unraisablehook

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._exit_code:
            self._cut()
        stopped = Stopped(number)
        self._exit_code = stopped.exit_code
        self.timer.start()
        raise stopped

    def swallowed(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Python drops what is raised in a finaliser or callback; a signal that came in one must end the command."""
        if isinstance(unraisable.exc_value, Stopped):
            self._cut()
        self._hook(unraisable)

    def _cut(self) -> None:
        for child in multiprocessing.active_children():
            child.kill()
        # Straight to the file: the stream may be locked by what was interrupted. A terminal gets its cursor back.
        show = "\r\x1b[K\x1b[?25h" if sys.stderr.isatty() else ""
        os.write(2, f"{show}robustseg: {STOPPED}\n".encode())
        os._exit(self._exit_code)
