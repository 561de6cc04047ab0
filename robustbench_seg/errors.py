"""The one exception tree. Every error a user can cause says what, where and how to fix it, in one line."""

from __future__ import annotations


class RobustsegError(Exception):
    """Base of all errors shown to the user as one line; `exit_code` is what the command returns."""

    exit_code = 3


class UsageError(RobustsegError):
    """The command or call was wrong: an unknown name, an option that does not fit (exit code 2)."""

    exit_code = 2


class InputError(RobustsegError):
    """Something read from outside is wrong: a file, an image, a weight, a card (exit code 3)."""

    exit_code = 3
