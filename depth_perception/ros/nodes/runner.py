"""Running executables: start, spin, end with exit code 0 on SIGINT and SIGTERM."""

from __future__ import annotations

import atexit
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from ..compat.large_messages import keep_large_buffers

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SLICE_S = 0.1

INTERRUPTS = (KeyboardInterrupt, ExternalShutdownException)


@contextmanager
def ros(arguments: Sequence[str] | None = None) -> Iterator[None]:
    """A ROS context in which SIGINT and SIGTERM raise KeyboardInterrupt, until the body ends.

    The handlers of rclpy only wake an executor that already waits, so a signal during start would
    be lost. Code that waits in C++ must return now and then so that the exception is raised.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)
    rclpy.init(
        args=None if arguments is None else list(arguments),
        signal_handler_options=SignalHandlerOptions.NO,
    )
    try:
        yield
    finally:
        ignore_signals()
        rclpy.try_shutdown()


def ignore_signals() -> None:
    """Ignore further interrupts; what remains to be done must be bounded in time."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run(
    make_node: Callable[[], Any],
    arguments: Sequence[str] | None = None,
    *,
    keep_buffers: bool = True,
) -> NoReturn:
    """Run one node with ``start()`` and ``close()`` until it is interrupted, then end the process.

    The exit code is 0. The interpreter is not torn down: with PyTorch loaded that takes seconds of
    processor time, and it may crash under a worker thread that is inside a native library and
    cannot be interrupted. After the bounded wait of ``close`` nothing waits for such a thread.

    Args:
        make_node: makes the node.
        arguments: of the process and ROS; None takes those of the command line.
        keep_buffers: keep the memory of large buffers, see :mod:`..compat.large_messages`.
    """
    is_idle = True
    if keep_buffers:
        keep_large_buffers()
    with ros(arguments):
        node = None
        try:
            node = make_node()
            executor = SingleThreadedExecutor()
            executor.add_node(node)
            node.start()
            while node.context.ok():
                executor.spin_once(timeout_sec=_SLICE_S)
        except INTERRUPTS:
            pass
        finally:
            ignore_signals()
            if node is not None:
                is_idle = node.close()
                node.destroy_node()
    if is_idle:
        atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    ctypes.CDLL(None).fflush(None)  # what libraries in C have written
    os._exit(0)
