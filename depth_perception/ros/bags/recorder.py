"""Executable ``bag_recorder``: write topics to a bag until interrupted.

For machines without rosbag2. Messages are stored as the received bytes. A topic is subscribed as
soon as it has a publisher, with a quality of service that matches all its publishers.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer, WriterError

from ... import interrupts
from ..nodes.qos import profile
from ..nodes.runner import INTERRUPTS, StartError, ros
from .types import UnknownTypeError, message_class, recording_store, register, to_bag_qos

_SEARCH_PERIOD_S = 0.2


class BagRecorder(Node):
    """Records topics: ``counts`` of messages so far, and those still ``missing`` a publisher."""

    def __init__(self, writer: Writer, topics: Sequence[str], depth: int = 50) -> None:
        super().__init__("bag_recorder")
        self._writer = writer
        self._store = recording_store(())
        self._depth = depth
        self.missing = {self.resolve_topic_name(name): None for name in topics}
        self.counts = dict.fromkeys(self.missing, 0)
        self._search_timer = self.create_timer(_SEARCH_PERIOD_S, self._search)
        self._search()

    def _search(self) -> None:
        types = dict(self.get_topic_names_and_types()) if self.missing else {}
        for topic in [name for name in self.missing if name in types]:
            self._record(topic, types[topic][0])
        if not self.missing:
            self._search_timer.cancel()

    def _record(self, topic: str, type_name: str) -> None:
        publishers = self.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        try:
            message_type = message_class(type_name)
            register(self._store, type_name)
        except UnknownTypeError as error:
            self.get_logger().error(f"cannot record {topic}: {error}")
            del self.missing[topic]
            return
        offered = [info.qos_profile for info in publishers]
        common = profile(  # the strictest subscription that all of them are compatible with
            self._depth,
            reliable=all(p.reliability == ReliabilityPolicy.RELIABLE for p in offered),
            latched=all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in offered),
        )
        connection = self._writer.add_connection(
            topic, type_name, typestore=self._store, offered_qos_profiles=[to_bag_qos(common)]
        )
        write = self._writing(topic, connection)
        self.create_subscription(message_type, topic, write, common, raw=True)
        del self.missing[topic]
        self.get_logger().info(f"recording {topic} ({type_name})")
        if not self.missing:
            self.get_logger().info("recording every topic")

    def _writing(self, topic: str, connection: Connection) -> Callable[[bytes], None]:
        def write(raw: bytes) -> None:
            self._writer.write(connection, self.get_clock().now().nanoseconds, raw)
            self.counts[topic] += 1

        return write


def main(arguments: Sequence[str] | None = None) -> int:
    """Record until interrupted or ``--duration`` is over; 1 if the bag cannot be written."""
    arguments = list(sys.argv if arguments is None else ["bag_recorder", *arguments])
    options = _parser().parse_args(remove_ros_args(arguments)[1:])
    storage = StoragePlugin.MCAP if options.storage == "mcap" else StoragePlugin.SQLITE3
    counts: dict[str, int] = {}
    interrupts.only_request()
    try:
        with (
            ros(arguments),
            Writer(options.bag, version=options.version, storage_plugin=storage) as writer,
        ):
            counts = _record(writer, options.topics, options.duration)
    except (WriterError, OSError, StartError) as error:
        print(f"bag_recorder: {error}", file=sys.stderr)
        return 1
    except INTERRUPTS:
        return 0
    for topic, count in counts.items():
        print(f"{count:6d} {topic}")
    return 0


def _record(writer: Writer, topics: Sequence[str], duration_s: float) -> dict[str, int]:
    """Record until a signal asks for the end; the bag is then closed."""
    deadline = time.monotonic() + duration_s if duration_s > 0 else float("inf")
    recorder = BagRecorder(writer, topics)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    while not interrupts.requested.is_set() and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=min(0.2, max(0.0, deadline - time.monotonic())))
    for topic in recorder.missing:
        print(f"bag_recorder: no publisher of {topic}", file=sys.stderr)
    recorder.destroy_node()
    return recorder.counts


def _parser() -> argparse.ArgumentParser:
    text = "Write topics to a bag until interrupted."
    statuses = "Exit statuses: 0 recorded or interrupted, 1 cannot be written, 2 wrong usage."
    parser = argparse.ArgumentParser("bag_recorder", description=text, epilog=statuses)
    add = parser.add_argument
    add("bag", type=Path, help="folder of the new bag; must not exist")
    add("--topics", nargs="+", required=True, help="topics to record")
    add("--storage", choices=("mcap", "sqlite3"), default="mcap")
    add("--version", type=int, choices=(8, 9), default=9, help="8 for readers before Jazzy")
    add("--duration", type=float, default=0.0, metavar="S", help="end after this time (0: never)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
