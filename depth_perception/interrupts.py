"""SIGINT, SIGTERM and SIGHUP, from the first import of an executable or command on.

Python loses a KeyboardInterrupt that arrives inside a callback of the garbage collection or of a
library. So until something needs to be closed, the handler itself ends the process; later it also
sets :data:`requested`, which all loops look at, and ends the process if nobody does so in time.
Executables of ROS end with exit code 0 then, commands with 128 and the number of the signal.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
import threading
import time
from typing import Any, NoReturn

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_GRACE_S = 4.0  # `ros2 launch` kills after 5
_COMMAND_GRACE_S, _COMMAND_CPU_S = 15.0, 0.6
_STEP_S = 0.02

requested = threading.Event()
"""Set when the process is to end."""

code = 0
"""Exit code of a command that is to end: 128 and the number of the signal."""


def end_at_once(code: int | None = 0) -> None:
    """From now on a signal ends the process, whatever it does.

    Args:
        code: exit code; None for 128 and the number of the signal.
    """
    _handle(lambda number, frame: end_process(128 + number if code is None else code))


def interrupt() -> None:
    """From now on a signal sets :data:`requested` and raises KeyboardInterrupt.

    If the process has not ended after four seconds, it is ended with exit code 0.
    """

    def handle(number: int, frame: Any) -> None:
        request(within_s=_GRACE_S)
        raise KeyboardInterrupt

    _handle(handle)


def interrupt_command() -> None:
    """Like :func:`interrupt`, for commands, which may wait longer for processes they started.

    What is left unfinished after 0.6 s of processor time, or 15 s, is abandoned; the next run
    removes it. A second signal ends the process at once. Exit codes are 128 and the number of the
    signal.
    """

    def handle(number: int, frame: Any) -> None:
        global code
        code = 128 + number
        end_at_once(None)
        request(_COMMAND_GRACE_S, _COMMAND_CPU_S, code)
        raise KeyboardInterrupt

    _handle(handle)


def only_request() -> None:
    """From now on a signal only sets :data:`requested`: a file is open that must be closed."""
    _handle(lambda number, frame: requested.set())


def ignore() -> None:
    """Ignore further signals; what remains to be done must be bounded in time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def request(within_s: float, cpu_s: float = math.inf, exit_code: int = 0) -> None:
    """Set :data:`requested`; the process ends after this time at the latest.

    Args:
        within_s: seconds.
        cpu_s: seconds of processor time of this process.
        exit_code: of a process that had to be ended.
    """
    requested.set()
    until_s, until_cpu_s = time.monotonic() + within_s, time.process_time() + cpu_s

    def watch() -> None:
        while time.monotonic() < until_s and time.process_time() < until_cpu_s:
            time.sleep(_STEP_S)
        end_process(exit_code)

    threading.Thread(target=watch, name="interrupt", daemon=True).start()


def end_process(code: int) -> NoReturn:
    """End the process now: buffers are flushed, the interpreter is not torn down.

    With PyTorch loaded that takes seconds of processor time, and it may crash under a thread that
    is inside a native library and cannot be interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # in a handler, it may be in use
            stream.flush()
    ctypes.CDLL(None).fflush(None)  # what libraries in C have written
    os._exit(code)


def _handle(handler: Any) -> None:
    for number in SIGNALS:
        if number != getattr(signal, "SIGHUP", None) or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)  # `nohup` ignores SIGHUP: so it stays
