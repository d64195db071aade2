"""Nodes as real processes, and a probe in the test process that talks to them over DDS."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN
from typing import Any

import numpy as np
from depth_perception.msg import DepthScale, InstanceDepthArray
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2
from visualization_msgs.msg import MarkerArray

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0  # on a busy machine; nothing waits longer than it must
ANSWER_S = 20.0  # after which an answer may be lost
MOST_LOST = 3  # answers of one node: more are no accident
OUTPUTS: Mapping[str, type[Any]] = {
    "depth/image": Image,
    "depth/relative": Image,
    "depth/camera_info": CameraInfo,
    "depth/scale": DepthScale,
    "depth/points": PointCloud2,
    "scan": LaserScan,
    "panels/right/image": Image,
    "panels/right/depth": Image,
    "panels/right/camera_info": CameraInfo,
    "panoptic/image": Image,
    "panoptic/camera_info": CameraInfo,
    "panoptic/overlay": Image,
    "instances": InstanceDepthArray,
    "instances/markers": MarkerArray,
}
FRAME = "head_optical_frame"
READY = "is ready on cpu"
TRANSITIONS = {  # and the state they lead to
    "configure": (Transition.TRANSITION_CONFIGURE, "inactive"),
    "cleanup": (Transition.TRANSITION_CLEANUP, "unconfigured"),
    "activate": (Transition.TRANSITION_ACTIVATE, "active"),
    "deactivate": (Transition.TRANSITION_DEACTIVATE, "inactive"),
}


class NodeProcess:
    """``panoramic_depth`` (or another module) in a process of its own, output in a file."""

    def __init__(
        self,
        log: Path,
        parameters: Mapping[str, Any] | None = None,
        remappings: Mapping[str, str] | None = None,
        module: str = "panoramic_depth",
        arguments: Sequence[str] = (),
    ) -> None:
        """``module`` is the name of an executable, a module, or the path of a script."""
        options: list[str] = []
        for name, value in (parameters or {}).items():
            options += ["-p", f"{name}:={_yaml(value)}"]
        for source, target in (remappings or {}).items():
            options += ["-r", f"{source}:={target}"]
        program = [module] if module.endswith(".py") else ["-m", module]
        if "." not in module:
            program = ["-m", "depth_perception.ros.executables", module]
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *program, *arguments, "--ros-args", *options],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def wait_for(self, text: str, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.text.count(text) < count:
            assert self.is_alive(), f"the process ended:\n{self.text}"
            is_hopeless = "cannot be configured" in self.text and text == READY
            assert not is_hopeless, self.text
            assert time.monotonic() < deadline, f"{text!r} was not said:\n{self.text}"
            time.sleep(0.05)

    def stop(self) -> tuple[int, float]:
        """SIGINT; exit code and the seconds of processor time until the end."""
        before, children = _processor_s(self.process.pid), resource.getrusage(RUSAGE_CHILDREN)
        if self.is_alive():
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"SIGINT did not end the process:\n{self.text}") from None
        after = resource.getrusage(RUSAGE_CHILDREN)
        life = after.ru_utime + after.ru_stime - children.ru_utime - children.ru_stime
        return self.process.returncode, life - before


def _processor_s(pid: int) -> float:
    """Seconds that a process has computed so far; 0 where Linux does not tell."""
    path = Path(f"/proc/{pid}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Probe(Node):
    """Publishes images to a node, hears its outputs and diagnostics, calls its services."""

    def __init__(
        self,
        name: str,
        namespace: str = "",
        outputs: Sequence[str] = (),
        node: str = "panoramic_depth",
    ) -> None:
        super().__init__(name)
        self.heard: dict[str, list[Any]] = defaultdict(list)
        self.statuses: list[dict[str, str]] = []
        self.lost: list[str] = []
        self._target = f"{namespace}/{node}"
        self._callers: dict[str, Client] = {}
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, f"{namespace}/image", reliable)
        self._compressed = self.create_publisher(
            CompressedImage, f"{namespace}/image/compressed", reliable
        )
        self._infos = self.create_publisher(CameraInfo, f"{namespace}/camera_info", reliable)
        for topic in outputs:
            self.create_subscription(
                OUTPUTS[topic], f"{namespace}/{topic}", self.heard[topic].append, reliable
            )
        self.create_subscription(DiagnosticArray, "/diagnostics", self._on_diagnostics, 10)
        self._next_stamp_s = 100

    def close(self) -> None:
        self._executor.shutdown()
        self.destroy_node()

    def spin_until(self, is_done: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while not is_done():
            if time.monotonic() > deadline:
                status = self.statuses[-1] if self.statuses else None
                raise AssertionError(f"{what} did not happen within {timeout_s:.0f} s: {status}")
            self._executor.spin_once(timeout_sec=0.05)

    def resend_until(
        self, send: Callable[[], None], is_done: Callable[[], bool], what: str
    ) -> None:
        """Send a message, again every ANSWER_S seconds, until it has an effect."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            send()
            again = min(time.monotonic() + ANSWER_S, deadline)
            while not is_done() and time.monotonic() < again:
                self._executor.spin_once(timeout_sec=0.05)
            if is_done():
                return
            assert time.monotonic() < deadline, f"{what} did not happen: {self.statuses[-1:]}"

    def spin_for(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def wait_matched(self) -> None:
        """Until the node hears our images and we hear its outputs."""
        subscriptions = [s for s in self.subscriptions if s.topic_name != "/diagnostics"]
        subscriptions = [s for s in subscriptions if not s.topic_name.startswith("/parameter")]

        def is_matched() -> bool:
            inputs = (self._images, self._compressed)
            return any(p.get_subscription_count() > 0 for p in inputs) and all(
                self.count_publishers(s.topic_name) > 0 for s in subscriptions
            )

        self.spin_until(is_matched, "discovery")
        count = len(self.statuses)

        def is_discovered() -> bool:  # by the other side too, else the first image is lost
            status = self.statuses[-1] if len(self.statuses) > count else {}
            heard = int(status.get("outputs heard", 0))
            return heard >= len(subscriptions) and status["image publishers"] != "0"

        self.spin_until(is_discovered, "discovery by the node")

    def send(self, message: Image | CompressedImage, info: CameraInfo | None = None) -> int:
        """Publish an image, and its CameraInfo, under a new stamp, whose seconds are returned."""
        self._next_stamp_s += 1
        message.header.frame_id = message.header.frame_id or FRAME
        message.header.stamp.sec, message.header.stamp.nanosec = self._next_stamp_s, 5
        if info is not None:
            self.send_info(info, self._next_stamp_s)
        is_raw = isinstance(message, Image)
        (self._images if is_raw else self._compressed).publish(message)
        return self._next_stamp_s

    def send_info(self, info: CameraInfo, stamp_s: int) -> None:
        """Publish a CameraInfo alone."""
        info.header.frame_id = info.header.frame_id or FRAME
        info.header.stamp.sec, info.header.stamp.nanosec = stamp_s, 5
        self._infos.publish(info)

    def ask(
        self,
        message: Image | CompressedImage,
        topics: Sequence[str],
        info: CameraInfo | None = None,
    ) -> dict[str, Any]:
        """Publish an image and wait for its outputs; again where one is lost, as the first message
        of a new publisher can be."""
        stamps: list[int] = []

        def complete() -> int | None:
            return next((s for s in stamps if all(self._outputs(s, topics).values())), None)

        self.resend_until(
            lambda: stamps.append(self.send(message, info)),
            lambda: complete() is not None,
            f"output of {', '.join(topics)}",
        )
        return self._outputs(complete() or 0, topics)

    def wait_outputs(self, stamp_s: int, topics: Sequence[str]) -> dict[str, Any]:
        """Wait for the outputs of an image that was sent."""
        self.spin_until(
            lambda: all(self._outputs(stamp_s, topics).values()), f"output of {', '.join(topics)}"
        )
        return self._outputs(stamp_s, topics)

    def _outputs(self, stamp_s: int, topics: Sequence[str]) -> dict[str, Any]:
        """The outputs of an image by topic; None where there is none yet."""
        return {
            topic: next((m for m in self.heard[topic] if _stamp_s(m) == stamp_s), None)
            for topic in topics
        }

    def status(self) -> dict[str, str]:
        """The next diagnostic status of the node."""
        count = len(self.statuses)
        self.spin_until(lambda: len(self.statuses) > count, "a diagnostic message")
        return self.statuses[-1]

    def wait_status(self, key: str, contains: str) -> dict[str, str]:
        """The next diagnostic status whose value of ``key`` holds a text."""
        count = len(self.statuses)

        def found() -> dict[str, str] | None:
            return next((s for s in self.statuses[count:] if contains in s.get(key, "")), None)

        self.spin_until(lambda: found() is not None, f"{contains!r} in the {key} of diagnostics")
        status = found()
        assert status is not None
        return status

    def set_parameters(self, **values: Any) -> str:
        """Set parameters (``__`` for a dot); "" or why they were refused."""
        request = SetParameters.Request()
        for name, value in values.items():
            dotted = name.replace("__", ".")
            message: ParameterMessage = Parameter(dotted, value=value).to_parameter_msg()
            request.parameters.append(message)
        response = self._call(SetParameters, "set_parameters", request)
        return "; ".join(r.reason for r in response.results if not r.successful)

    def transition(self, name: str) -> bool:
        request, goal = ChangeState.Request(), TRANSITIONS[name][1]
        request.transition.id = TRANSITIONS[name][0]
        deadline = time.monotonic() + PATIENCE_S
        while (response := self._answer(ChangeState, "change_state", request)) is None:
            if self.lifecycle() == goal:  # only the answer was lost
                return True
            assert time.monotonic() < deadline, f"no answer to {name}"
        return response.success

    def lifecycle(self) -> str:
        return self._call(GetState, "get_state", GetState.Request()).current_state.label

    def call(self, kind: type[Any], service: str, **values: Any) -> Any:
        return self._call(kind, service, kind.Request(**values))

    def _call(self, kind: type[Any], service: str, request: Any) -> Any:
        """The answer to a request that may be sent again."""
        deadline = time.monotonic() + PATIENCE_S
        while (response := self._answer(kind, service, request)) is None:
            assert time.monotonic() < deadline, f"no answer of {service}"
        return response

    def _answer(self, kind: type[Any], service: str, request: Any) -> Any | None:
        """None if none comes in time.

        The middleware drops an answer whose reader the server has not discovered yet, which
        happens on a busy machine although the client sees the service. So clients are kept, too.
        """
        if service not in self._callers:
            self._callers[service] = self.create_client(kind, f"{self._target}/{service}")
        client = self._callers[service]
        self.spin_until(client.service_is_ready, f"service {service}")
        future = client.call_async(request)
        deadline = time.monotonic() + ANSWER_S
        self.spin_until(
            lambda: future.done() or time.monotonic() > deadline, f"answer of {service}"
        )
        if not future.done():
            client.remove_pending_request(future)
            self.lost.append(service)
            print(f"no answer of {service} within {ANSWER_S:.0f} s")
            assert len(self.lost) <= MOST_LOST, f"answers are missing again and again: {self.lost}"
            return None
        return future.result()

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == f"{self._target.lstrip('/')}: depth":
                values = {pair.key: pair.value for pair in status.values}
                level = int.from_bytes(status.level, "little")
                self.statuses.append({**values, "level": str(level), "message": status.message})


def _stamp_s(message: Any) -> int:
    header = message.markers[0].header if isinstance(message, MarkerArray) else message.header
    return header.stamp.sec


def image(pixels: np.ndarray, encoding: str = "rgb8", **fields: Any) -> Image:
    """A message of an array; ``fields`` replace what would be right."""
    height, width = pixels.shape[:2]
    right = {
        "height": height,
        "width": width,
        "encoding": encoding,
        "step": pixels.nbytes // height if height else 0,
        "is_bigendian": 0,
        "data": array("B", np.ascontiguousarray(pixels).tobytes()),
    }
    return Image(**{**right, **fields})


def panorama(height: int = 56, seed: int = 0, width: int | None = None) -> np.ndarray:
    """(H, W, 3) uint8, smooth and without symmetry."""
    width = width or 2 * height
    v, u = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    phase = 0.7 * seed
    channels = [
        np.sin(7 * v + 3 * np.cos(2 * np.pi * u) + phase),
        np.cos(5 * v - 2 * np.sin(4 * np.pi * u) + 2 * phase),
        np.sin(9 * v * v + 2 * np.pi * u + phase),
    ]
    return np.rint(127.5 + 127.5 * np.stack(channels, -1)).astype(np.uint8)


def depth_of(message: Image) -> np.ndarray:
    """(H, W) float32 of a 32FC1 message."""
    assert message.encoding == "32FC1"
    return np.frombuffer(message.data, np.float32).reshape(message.height, message.width)


def cloud_of(message: PointCloud2) -> tuple[np.ndarray, np.ndarray | None]:
    """Points (H, W, 3) and colours (H, W, 3) uint8, read by field offset."""
    offsets = {field.name: field.offset for field in message.fields}
    raw = np.frombuffer(message.data, np.uint8).reshape(
        message.height, message.width, message.point_step
    )

    def column(name: str, kind: type) -> np.ndarray:
        at = offsets[name]
        return np.ascontiguousarray(raw[..., at : at + 4]).view(kind)[..., 0]

    points = np.stack([column(axis, np.float32) for axis in "xyz"], -1)
    if "rgb" not in offsets:
        return points, None
    packed = column("rgb", np.uint32)
    return points, np.stack([packed >> 16, packed >> 8 & 255, packed & 255], -1).astype(np.uint8)


def _yaml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return f'"{value}"' if isinstance(value, (str, Path)) else str(value)
