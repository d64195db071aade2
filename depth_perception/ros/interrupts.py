"""SIGINT, SIGTERM and SIGHUP, from the first import of an executable on. Imports no ROS.

Python loses a KeyboardInterrupt that arrives inside a callback of the garbage collection or of a
library. So until something needs to be closed, the handler itself ends the process; later it also
sets :data:`requested`, which all loops look at, and ends the process if nobody does so in time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from typing import Any, NoReturn

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_GRACE_S = 4.0  # `ros2 launch` kills after 5

requested = threading.Event()
"""Set when the process is to end."""


def end_at_once() -> None:
    """From now on a signal ends the process with exit code 0, whatever it does."""
    _handle(lambda number, frame: end_process(0))


def interrupt() -> None:
    """From now on a signal sets :data:`requested` and raises KeyboardInterrupt.

    If the process has not ended after four seconds, it is ended.
    """

    def handle(number: int, frame: Any) -> None:
        request(within_s=_GRACE_S)
        raise KeyboardInterrupt

    _handle(handle)


def only_request() -> None:
    """From now on a signal only sets :data:`requested`: a file is open that must be closed."""
    _handle(lambda number, frame: requested.set())


def ignore() -> None:
    """Ignore further signals; what remains to be done must be bounded in time."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def request(within_s: float) -> None:
    """Set :data:`requested`; the process ends after this time at the latest."""
    requested.set()
    timer = threading.Timer(within_s, end_process, (0,))
    timer.daemon = True
    timer.start()


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
