"""Running executables: start, spin, end with exit code 0 on SIGINT and SIGTERM."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


class Runnable(Protocol):
    """What :func:`run` needs beside an ``rclpy.node.Node``."""

    def start(self) -> None:
        """Called once, before spinning."""

    def close(self) -> bool:
        """End threads within a bounded time; false if one is still busy."""


def run(make_node: Callable[[], Node], arguments: Sequence[str] | None = None) -> int:
    """Run one node until it is interrupted; the exit code.

    A worker thread may be inside a long computation that cannot be interrupted. After the bounded
    wait of ``close`` the process then leaves at once instead of waiting for it: an interpreter
    that shuts down under a thread of a native library may crash.
    """
    rclpy.init(args=None if arguments is None else list(arguments))
    node: Node | None = None
    idle = True
    try:
        node = make_node()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        node.start()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            idle = node.close()
            node.destroy_node()
        rclpy.try_shutdown()
    if not idle:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
    return 0
