"""How a command ends: exit codes by class of error, and the one line that says why."""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import NoReturn

from easel.core.errors import Cancelled, EaselError, RequestError

OK = 0
MACHINE = 1  # the machine, a model's file, or a fault of our own
REQUEST = 2  # what was asked; also click's code for a wrong command line
STOPPED = 130  # Ctrl-C, as shells count it: 128 + SIGINT
TERMINATED = 143  # 128 + SIGTERM

WIPE_LINE, SHOW_CURSOR = b"\r\x1b[2K", b"\x1b[?25h"


def code_for(error: EaselError) -> int:
    """Return the exit code that an error deserves."""
    if isinstance(error, RequestError):
        return REQUEST
    return STOPPED if isinstance(error, Cancelled) else MACHINE


def worst(codes: list[int]) -> int:
    """Return the code for parts that ended with `codes`: trouble with the machine outweighs a wrong request."""
    return next((code for code in (MACHINE, REQUEST) if code in codes), OK)


def leave_at_once(code: int) -> NoReturn:
    """End the process now, the bar wiped away and the cursor shown again.

    Not by sys.exit: Python would tear down its threads, and torch aborts when that happens in the middle of a forward.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
            if stream.isatty():
                os.write(stream.fileno(), WIPE_LINE + SHOW_CURSOR)
    os._exit(code)


def trace(error: BaseException) -> None:
    """Show where an error came from, for those who set EASEL_DEBUG."""
    if os.environ.get("EASEL_DEBUG"):
        traceback.print_exception(error)


def say_error(message: str) -> None:
    """Say on stderr, in one line, what went wrong."""
    say(f"error: {message}")


def say(message: str) -> None:
    """Say something on stderr, in one line; silent when nobody can hear it."""
    try:
        print(" ".join(message.splitlines()), file=sys.stderr, flush=True)
    except BrokenPipeError:
        return
