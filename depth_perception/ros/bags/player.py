"""Executable ``bag_player``: publish the messages of a bag at their recorded rate.

For machines without rosbag2. Messages are published as the bytes in the bag.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

from ... import interrupts
from ...io.bag_reader import Bag, BagReadError, is_cdr
from ..nodes.runner import INTERRUPTS, StartError, ros
from .types import UnknownTypeError, from_bag_qos, message_class

_SLICE_S = 0.02


@dataclass(frozen=True)
class PlayOptions:
    """What to play and how.

    Attributes:
        rate: speed, 1.0 as recorded.
        loop: start again at the end until interrupted.
        clock_hz: rate of ``/clock``; 0 publishes none.
        topics: names to play; empty means all.
        wait_s: longest time to wait for subscribers.
        wait_for: topics that must have one before the first message; empty means all played.
        delay_s: pause before the first message.
        duration_s: length of the played part of the recording; 0 plays all.
        linger_s: time to stay after the last message, so that it is delivered.
    """

    rate: float = 1.0
    loop: bool = False
    clock_hz: float = 0.0
    topics: tuple[str, ...] = ()
    wait_s: float = 5.0
    wait_for: tuple[str, ...] = ()
    delay_s: float = 0.0
    duration_s: float = 0.0
    linger_s: float = 0.5


class BagPlayer(Node):
    """Plays one bag."""

    def __init__(self, bag: Path, options: PlayOptions) -> None:
        super().__init__("bag_player")
        self._options = options
        self._reader = Bag(bag).__enter__()
        if self._reader.remark:
            self.get_logger().warning(self._reader.remark)
        self._publishers_by_connection = self._make_publishers()
        self._clock_publisher = None
        if options.clock_hz > 0:
            self._clock_publisher = self.create_publisher(Clock, "/clock", 1)
        self._next_clock_s = 0.0
        self.published = 0

    def play(self) -> int:
        """Play until the end, or for ever with ``loop``; the number of messages published."""
        if not self._publishers_by_connection:
            self.get_logger().error("nothing to play: the bag has none of the given topics")
            return 0
        self._wait_for_subscribers()
        self._pause(self._options.delay_s)
        self._play_once()
        while self._options.loop:
            self._play_once()
        self._pause(self._options.linger_s)
        return self.published

    def _make_publishers(self) -> dict[int, Publisher]:
        made: dict[tuple[str, str], Publisher] = {}
        by_connection = {}
        for connection in self._reader.connections:
            key = (connection.topic, connection.msgtype)
            if self._options.topics and connection.topic not in self._options.topics:
                continue
            if key not in made:
                if not is_cdr(connection):
                    self.get_logger().warning(
                        f"skipping {connection.topic}: its messages are those of ROS 1; "
                        "rosbags-convert makes a ROS 2 bag of them"
                    )
                    continue
                try:
                    message_type = message_class(connection.msgtype)
                except UnknownTypeError as error:
                    self.get_logger().warning(f"skipping {connection.topic}: {error}")
                    continue
                profile = from_bag_qos(connection.ext.offered_qos_profiles)
                made[key] = self.create_publisher(message_type, connection.topic, profile)
            by_connection[id(connection)] = made[key]
        return by_connection

    def _wait_for_subscribers(self) -> None:
        deadline = time.monotonic() + self._options.wait_s
        names = {self.resolve_topic_name(name) for name in self._options.wait_for}
        publishers = set(self._publishers_by_connection.values())
        waiting = {p for p in publishers if not names or p.topic_name in names}
        while waiting and time.monotonic() < deadline:
            self._pause(_SLICE_S)
            waiting = {p for p in waiting if p.get_subscription_count() == 0}
        if waiting:
            unheard = ", ".join(sorted(p.topic_name for p in waiting))
            self.get_logger().info(f"nobody listens to {unheard}")

    def _play_once(self) -> None:
        first_ns: int | None = None
        start_s = time.monotonic()
        played = self._publishers_by_connection
        connections = [c for c in self._reader.connections if id(c) in played]
        for connection, stamp_ns, raw in self._reader.messages(connections):
            first_ns = stamp_ns if first_ns is None else first_ns
            if 0 < self._options.duration_s * 1e9 < stamp_ns - first_ns:
                break
            due_s = start_s + (stamp_ns - first_ns) / 1e9 / self._options.rate
            self._wait_until(due_s, first_ns, start_s)
            played[id(connection)].publish(bytes(raw))
            self.published += 1

    def _wait_until(self, deadline_s: float, first_ns: int, start_s: float) -> None:
        while True:
            self._tick_clock(first_ns, start_s)
            remaining = deadline_s - time.monotonic()
            if remaining <= 0:
                return
            self._pause(min(remaining, _SLICE_S))

    def _tick_clock(self, first_ns: int, start_s: float) -> None:
        now = time.monotonic()
        if self._clock_publisher is None or now < self._next_clock_s:
            return
        self._next_clock_s = now + 1.0 / self._options.clock_hz
        elapsed_ns = int((now - start_s) * self._options.rate * 1e9)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(first_ns + elapsed_ns, 1_000_000_000)
        self._clock_publisher.publish(message)

    def _pause(self, seconds: float) -> None:
        if interrupts.requested.is_set() or not self.context.ok():
            raise ExternalShutdownException
        time.sleep(max(0.0, seconds))


def main(arguments: Sequence[str] | None = None) -> int:
    """Play a bag; 0 when played or interrupted, 1 when there was nothing to play."""
    arguments = list(sys.argv if arguments is None else ["bag_player", *arguments])
    options = vars(_parser().parse_args(remove_ros_args(arguments)[1:]))
    player: BagPlayer | None = None
    try:
        with ros(arguments):
            interrupts.interrupt()
            try:
                player = BagPlayer(options.pop("bag"), PlayOptions(**options))
                count = player.play()
                player.get_logger().info(f"played {count} messages")
            finally:
                interrupts.ignore()
                if player is not None:
                    player.destroy_node()
            return 0 if count else 1
    except (BagReadError, StartError) as error:
        print(f"bag_player: {error}", file=sys.stderr)
        return 1
    except INTERRUPTS:
        return 0


def _parser() -> argparse.ArgumentParser:
    text = "Publish the messages of a bag (mcap or sqlite3)."
    statuses = "Exit statuses: 0 played or interrupted, 1 nothing to play, 2 wrong usage."
    parser = argparse.ArgumentParser("bag_player", description=text, epilog=statuses)
    seconds = {"metavar": "S"}
    add = parser.add_argument
    add("bag", type=Path, help="folder of the bag")
    add("--rate", type=_positive, default=1.0, help="playback speed; 1 is as recorded")
    add("--loop", action="store_true", help="start again at the end")
    text = "publish /clock with the time of the recording (100 Hz unless given)"
    hertz = {"nargs": "?", "const": 100.0, "default": 0.0, "metavar": "HZ"}
    add("--clock", dest="clock_hz", type=_positive, **hertz, help=text)
    add("--topics", nargs="+", default=[], help="only these topics")
    text = "longest time to wait until every topic has a subscriber"
    add("--wait", dest="wait_s", type=float, default=5.0, **seconds, help=text)
    text = "wait for subscribers of these topics only"
    add("--wait-for", nargs="+", default=[], metavar="TOPIC", help=text)
    text = "pause before the first message"
    add("--delay", dest="delay_s", type=float, default=0.0, **seconds, help=text)
    text = "play only the first S seconds"
    add("--duration", dest="duration_s", type=_positive, default=0.0, **seconds, help=text)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
