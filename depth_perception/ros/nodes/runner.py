"""Running executables: start, spin, end with exit code 0 on SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from ... import interrupts
from ...limits import printable
from ..compat.large_messages import keep_large_buffers
from ..parameters.given import ParameterFileError, check_files
from .supervision import describe

_SLICE_S = 0.1
_ERRORS_IN_A_ROW = 100

INTERRUPTS = (KeyboardInterrupt, ExternalShutdownException)


class StartError(RuntimeError):
    """ROS cannot start with these arguments; the text says why."""


@contextmanager
def ros(arguments: Sequence[str] | None = None) -> Iterator[None]:
    """A ROS context without handlers of signals; further signals are ignored when the body ends.

    The handlers of rclpy only wake an executor that already waits, so a signal during start would
    be lost: :mod:`~depth_perception.interrupts` has others. Code that waits in C++ must return now
    and then.

    Raises:
        StartError: the arguments, or a file with parameters, are wrong.
    """
    begin(sys.argv if arguments is None else list(arguments))
    try:
        yield
    finally:
        interrupts.ignore()
        rclpy.try_shutdown()


def begin(arguments: Sequence[str], context: Context | None = None) -> None:
    """Initialise a context of ROS, without handlers of signals; None is the default one.

    Raises:
        StartError: the arguments, or a file with parameters, are wrong.
    """
    try:
        check_files(arguments)
        rclpy.init(
            args=list(arguments), context=context, signal_handler_options=SignalHandlerOptions.NO
        )
    except (ParameterFileError, RuntimeError, ValueError) as error:  # RCLError is a RuntimeError
        text = str(error).partition(", at /")[0].removeprefix("failed to initialize rcl: ")
        text = printable(text.replace(". Error: ", ": "), 1000)
        raise StartError(f"{text}; correct the file or the argument") from error


def run(
    make_node: Callable[[], Any],
    arguments: Sequence[str] | None = None,
    *,
    keep_buffers: bool = True,
) -> NoReturn:
    """Run one node with ``start()`` and ``close()`` until it is interrupted, then end the process.

    The exit code is 0, or 1 if ROS cannot start. The interpreter is not torn down, see
    :func:`~depth_perception.interrupts.end_process`. After the bounded wait of ``close`` nothing
    waits for a thread that is inside a native library.

    Args:
        make_node: makes the node.
        arguments: of the process and ROS; None takes those of the command line.
        keep_buffers: keep the memory of large buffers, see :mod:`..compat.large_messages`.
    """
    interrupts.end_at_once()
    is_idle = True
    if keep_buffers:
        keep_large_buffers()
    try:
        with ros(arguments):
            is_idle = _run(make_node())
    except INTERRUPTS:
        pass
    except StartError as error:
        print(f"cannot start: {error}", file=sys.stderr)
        interrupts.end_process(1)
    if is_idle:
        atexit._run_exitfuncs()
    interrupts.end_process(0)


def _run(node: Any) -> bool:
    """Spin until interrupted; whether nothing is still busy."""
    try:
        interrupts.interrupt()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.start()
        errors = 0
        while node.context.ok() and not interrupts.requested.is_set():
            try:
                executor.spin_once(timeout_sec=_SLICE_S)
                errors = 0
            except INTERRUPTS:
                raise
            except Exception as error:  # of one callback: the node must go on
                errors += 1
                node.get_logger().error(f"error in a callback: {describe(error)}")
                if errors >= _ERRORS_IN_A_ROW:
                    raise
    except INTERRUPTS:
        pass
    finally:
        interrupts.ignore()
        is_idle = node.close()
        node.destroy_node()
    return is_idle
