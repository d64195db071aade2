"""Running executables: start, spin, end with exit code 0 on SIGINT and SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from ..compat.allocator import keep_large_buffers

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_SLICE_S = 0.1

INTERRUPTS = (KeyboardInterrupt, ExternalShutdownException)


@contextmanager
def ros(arguments: Sequence[str] | None = None) -> Iterator[None]:
    """A ROS context in which SIGINT and SIGTERM raise KeyboardInterrupt, until the body ends.

    The handlers of rclpy only wake an executor that already waits, so a signal during start would
    be lost. Whatever waits in C++ must come back now and then for the exception to be raised.
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
    """Let nothing interrupt what remains to be done, which must be bounded in time."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def run(
    make_node: Callable[[], Any],
    arguments: Sequence[str] | None = None,
    *,
    keep_buffers: bool = True,
) -> int:
    """Run one node with ``start()`` and ``close()`` until it is interrupted; the exit code.

    ``keep_buffers`` leaves large buffers to the process, see :mod:`.compat.allocator`.

    A worker thread may be inside a long computation that cannot be interrupted. After the bounded
    wait of ``close`` the process then leaves at once instead of waiting for it: an interpreter
    that shuts down under a thread of a native library may crash.
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
    if not is_idle:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0
