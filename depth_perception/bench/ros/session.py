"""Nodes under test as processes, and the node that feeds them over DDS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image, PointCloud2

from ...ros.compat.large_messages import ALLOCATOR_VARIABLES, tuned_environment
from ..frame_clock import FrameTimes, MemorySample

_PATIENCE_S = 120.0
_READY = "is ready on"
_KINDS: Mapping[str, type[Any]] = {"depth/image": Image, "depth/points": PointCloud2}


class NodeError(RuntimeError):
    """A node under test ended or did not answer; the text holds its output."""


class NodeUnderTest:
    """One node of :mod:`.processes` in its own process and namespace."""

    def __init__(
        self, variant: str, parameters: Mapping[str, Any], folder: Path, sample_every: int = 0
    ) -> None:
        self.namespace = f"/{variant}"
        self._file, self._log = folder / f"{variant}.json", folder / f"{variant}.log"
        command = [sys.executable, "-m", "depth_perception.bench.ros.processes", variant]
        command += [str(self._file), str(sample_every)]
        command += ["--ros-args", "-r", f"__ns:={self.namespace}"]
        for name, value in parameters.items():
            command += ["-p", f"{name}:={value}"]
        # the memory of the plain node is managed by the C library
        left_out = ALLOCATOR_VARIABLES if variant == "plain" else ()
        environment = {k: v for k, v in os.environ.items() if k not in left_out}
        with self._log.open("wb") as output:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
            self.process = subprocess.Popen(command, env=environment, **pipes)

    def wait_ready(self) -> None:
        """Wait until its log says that it is ready."""
        deadline = time.monotonic() + _PATIENCE_S
        while _READY not in (text := self._log.read_text(errors="replace")):
            is_hopeless = self.process.poll() is not None or "cannot be configured" in text
            if is_hopeless or time.monotonic() > deadline:
                raise NodeError(f"the node of {self.namespace} did not become ready:\n{text}")
            time.sleep(0.05)

    def stop(self) -> dict[str, Any]:
        """End it and return what its clock recorded."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if not self._file.is_file():
            text = self._log.read_text(errors="replace")
            raise NodeError(f"the node of {self.namespace} wrote nothing:\n{text}")
        found = json.loads(self._file.read_text(encoding="utf-8"))
        found["frames"] = [FrameTimes(**frame) for frame in found["frames"]]
        found["samples"] = [MemorySample(**sample) for sample in found["samples"]]
        return found


class Feeder(Node):
    """Publishes one image again and again and receives depth and cloud, undecoded."""

    def __init__(self, namespace: str, pixels: np.ndarray, executor: SingleThreadedExecutor):
        super().__init__("bench", namespace=namespace)
        self.heard: dict[str, dict[int, int]] = {topic: {} for topic in _KINDS}
        self.last: dict[str, bytes] = {}
        self._executor = executor
        profile = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, "image", profile)
        for topic, kind in _KINDS.items():
            listen = partial(self._listen, topic)
            self.create_subscription(kind, topic, listen, profile, raw=True)
        self._message = image_message(pixels)
        self._message.header.frame_id = "camera"
        executor.add_node(self)

    def send(self) -> int:
        """Publish the image under the present time, which is returned, nanoseconds."""
        now = time.time_ns()
        stamp = self._message.header.stamp
        stamp.sec, stamp.nanosec = divmod(now, 1_000_000_000)
        self._images.publish(self._message)
        return now

    def wait_matched(self) -> None:
        """Wait until both sides have discovered each other."""

        def is_matched() -> bool:
            publishers = (self.count_publishers(s.topic_name) for s in self.subscriptions)
            return self._images.get_subscription_count() > 0 and all(publishers)

        self.spin_until(is_matched, "discovery")

    def has(self, stamp_ns: int) -> bool:
        """Whether all outputs of an image came."""
        return all(stamp_ns in heard for heard in self.heard.values())

    def spin_until(self, is_done: Callable[[], bool], what: str, timeout_s: float = _PATIENCE_S):
        """Receive messages until a condition holds.

        Raises:
            NodeError: it does not within the time.
        """
        deadline = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > deadline:
                raise NodeError(f"{what} did not happen within {timeout_s:.0f} s")
            self._executor.spin_once(timeout_sec=0.05)

    def spin_to(self, deadline_s: float) -> None:
        """Receive messages until a time of the monotonic clock."""
        while (left := deadline_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left)

    def _listen(self, topic: str, content: bytes) -> None:
        # CDR: 4 bytes of encapsulation, then the stamp
        seconds, nanoseconds = np.frombuffer(content[4:12], np.uint32).tolist()
        self.heard[topic][seconds * 1_000_000_000 + nanoseconds] = time.time_ns()
        self.last[topic] = content


def image_message(pixels: np.ndarray) -> Image:
    """The ``rgb8`` message of an image (H, W, 3) uint8."""
    height, width = pixels.shape[:2]
    data = array("B", pixels.tobytes())
    return Image(height=height, width=width, encoding="rgb8", step=3 * width, data=data)


@contextmanager
def session(*, is_tuned: bool) -> Iterator[tuple[SingleThreadedExecutor, Path]]:
    """ROS in this process on a domain of its own, and a folder for the nodes' files.

    ``is_tuned`` gives this process and those it starts the settings of the launch files, as far as
    the environment does not have its own.
    """
    before = dict(os.environ)
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    prefixes = os.environ.get("AMENT_PREFIX_PATH", "")
    for name, value in (tuned_environment(prefixes) if is_tuned else {}).items():
        os.environ.setdefault(name, value)
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield executor, Path(folder)
    finally:
        executor.shutdown()
        rclpy.try_shutdown()
        os.environ.clear()
        os.environ.update(before)
