"""Surfaces of ROS: messages into nodes of this process, and files with parameters."""

from __future__ import annotations

import copy
import math
import os
import random
import time
from array import array
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from fuzz.media import image_files
from fuzz.mutations import damaged
from fuzz.surfaces import Surface, text_faults
from fuzz.texts import Texts
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, LaserScan, PointCloud2, PointField

from depth_perception.bench.identity import IdentityEstimator
from depth_perception.geometry import DepthKind
from depth_perception.geometry.camera import Camera
from depth_perception.io.encodings import EncodingError
from depth_perception.limits import LimitError
from depth_perception.prediction import Prediction
from depth_perception.ros.nodes.depth_node import Loaded
from depth_perception.ros.nodes.diagnostics import status_message
from depth_perception.ros.nodes.panoramic import PanoramicNode
from depth_perception.ros.nodes.pinhole import PinholeNode
from depth_perception.ros.nodes.runner import StartError, begin
from depth_perception.ros.nodes.supervision import describe
from depth_perception.ros.parameters.given import file_remarks
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.table import ParameterTable

Message = Any
Item = list[tuple[str, Message]]  # topics and messages, in the order of arrival

_RANGES = {
    "int8": (-(2**7), 2**7 - 1), "uint8": (0, 2**8 - 1), "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1), "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1),
}  # fmt: skip
_REALS = (0.0, -1.0, 1e-30, 1e30, 3e38, math.nan, math.inf, -math.inf, 1e-3, 360.0)
_TEXTS = (
    "", "/", "rgb8", "bgr8", "mono16", "32FC1", "bayer_rggb8", "yuv422", "nv12", "16UC1", "64FC4",
    "plumb_bob", "equidistant", "rational_polynomial", "none", "equirectangular", "x", "rgb", "é",
    "\x1b[31mred\n", "a" * 5000, "/robot/camera", "png", "jpeg", "%s{}", "8UC2", "intensity",
)  # fmt: skip


def scrambled(rng: random.Random, message: Message) -> Message:
    """A copy of a message some of whose fields have other values of their type."""
    changed = copy.deepcopy(message)
    for _ in range(rng.choice((1, 1, 2, 3))):
        _scramble(rng, changed)
    return changed


def _scramble(rng: random.Random, message: Message) -> None:
    kinds = message.get_fields_and_field_types()
    name, kind = rng.choice(sorted(kinds.items()))
    value = getattr(message, name)
    if hasattr(value, "get_fields_and_field_types"):
        _scramble(rng, value)
    elif isinstance(value, list) and value and hasattr(value[0], "get_fields_and_field_types"):
        if rng.random() < 0.7:
            _scramble(rng, rng.choice(value))
        else:
            setattr(message, name, rng.choice((value[:-1], value * 2, value[::-1], [])))
    elif kind in _RANGES:
        low, high = _RANGES[kind]
        near = (value + rng.choice((-1, 1)), 2 * value, value // 2)
        choice = rng.choice((low, high, 0, 1, *near, 4000, 65536, 10**7))
        setattr(message, name, min(max(choice, low), high))
    elif kind == "boolean":
        setattr(message, name, not value)
    elif kind in ("float", "double"):
        setattr(message, name, rng.choice(_REALS))
    elif kind == "string":
        setattr(message, name, rng.choice(_TEXTS))
    else:
        setattr(message, name, _list(rng, kind, value))


def _list(rng: random.Random, kind: str, value: Any) -> Any:
    """Another list of numbers; one of a fixed length keeps it."""
    values = list(value)
    if values and rng.random() < 0.6:
        places = [rng.randrange(len(values)) for _ in range(rng.choice((1, 3)))]
        for place in places:
            is_byte = "int8" in kind
            values[place] = rng.randrange(256) if is_byte else rng.choice(_REALS)
    elif "[" not in kind:
        values = rng.choice((values[:-1], values + values[:1], values[: len(values) // 2], []))
    if isinstance(value, np.ndarray):
        return np.array(values, value.dtype)
    if isinstance(value, array) and value.typecode == "f":
        values = [max(-3.4e38, min(3.4e38, v)) if math.isfinite(v) else v for v in values]
    return array(value.typecode, values) if isinstance(value, array) else values


def valid_messages(rng: random.Random) -> dict[str, Message]:
    """One valid message for each topic."""
    height, width = 24, 48
    pixels = np.random.default_rng(rng.randrange(4)).integers(0, 256, (height, width, 3), np.uint8)
    image = Image(height=height, width=width, encoding="rgb8", step=3 * width)
    image.data = array("B", pixels.tobytes())
    small = CompressedImage(format="jpeg")
    small.data = array("B", cv2.imencode(".jpg", pixels)[1].tobytes())
    info = CameraInfo(height=height, width=width, distortion_model="plumb_bob")
    info.k = [40.0, 0.0, 24.0, 0.0, 40.0, 12.0, 0.0, 0.0, 1.0]
    info.p = [40.0, 0.0, 24.0, 0.0, 0.0, 40.0, 12.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.d = array("d", rng.choice(([0.0] * 5, [-0.1, 0.02, 0.0, 0.0, 0.0], [0.0] * 8)))
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32) * 4
    cloud = PointCloud2(height=1, width=60, point_step=12, row_step=720, is_dense=True)
    cloud.fields = [
        PointField(name=axis, offset=4 * k, datatype=PointField.FLOAT32, count=1)
        for k, axis in enumerate("xyz")
    ]
    cloud.data = array("B", points.tobytes())
    scan = LaserScan(angle_min=-1.5, angle_max=1.5, angle_increment=0.05, range_max=30.0)
    scan.ranges = array("f", [2.0 + 0.1 * k for k in range(60)])
    found = {"image": image, "image/compressed": small, "camera_info": info}
    found |= {"scale/points": cloud, "scale/scan": scan}
    for message in found.values():
        message.header.frame_id = "camera"
        message.header.stamp.sec = 100
    return found


class _Heard:
    """A publisher with a listener."""

    def __init__(self, topic: str) -> None:
        self.topic_name = topic

    def get_subscription_count(self) -> int:
        return 1

    def publish(self, message: Message) -> None:
        pass


class _Direct:
    """A node that works on an image as it arrives, in the calling thread, and keeps its errors."""

    errors: list[BaseException]

    def load(self, settings: Any) -> Loaded:
        self.load_reference(settings.scale, torch.device("cpu"), "pinhole")
        self._estimator = _Estimator(16) if isinstance(self, PinholeNode) else IdentityEstimator(16)
        return Loaded("identity", "cpu", "float32")

    def make_publisher(self, _kind: type, topic: str) -> Any:
        return _Heard(topic)

    def offer(self, arrival: Any) -> None:
        self._process(arrival)

    def _on_failure(self, error: BaseException) -> None:
        self.errors.append(error)


class _Estimator(IdentityEstimator):
    def __call__(self, image: torch.Tensor, camera: Camera | None = None) -> Prediction:
        return replace(super().__call__(image, camera), kind=DepthKind.Z)


class _Panoramic(_Direct, PanoramicNode):
    pass


class _Pinhole(_Direct, PinholeNode):
    pass


class Nodes(Surface):
    """Messages into the panoramic and the pinhole node, with and without a range sensor."""

    name = "node messages"
    refusals = (EncodingError, LimitError, ValueError)
    share = 6.0
    _SET_UPS = (
        (_Panoramic, {"scale.source": "points"}),
        (_Panoramic, {"scale.source": "scan", "image_transport": "compressed"}),
        (_Pinhole, {"scale.source": "points", "camera_info.fallback_fov_deg": 60.0}),
        (_Pinhole, {"camera_info.sync": "latest", "image_transport": "compressed"}),
    )

    def __init__(self, folder: Path) -> None:
        self.files = image_files()
        self.context = Context()
        self.context.init(args=[], domain_id=1 + os.getpid() % 100)
        self.nodes: list[Any] = []
        for number, (kind, parameters) in enumerate(self._SET_UPS):
            arguments = ["--ros-args", "-r", f"__ns:=/fuzz{number}", "-p", "device:=cpu"]
            for name, value in {"scale.transform": "given", **parameters}.items():
                arguments += ["-p", f"{name}:={value}"]
            node = kind(context=self.context, cli_args=arguments)
            node.errors = []
            node.start()
            assert node._lifecycle_label() == "active", node._setup_error
            self.nodes.append(node)

    def close(self) -> None:
        for node in self.nodes:
            node.close()
            node.destroy_node()
        self.context.try_shutdown()

    def make(self, rng: random.Random) -> tuple[int, Item]:
        number = rng.randrange(len(self.nodes))
        messages = valid_messages(rng)
        topics = [t for t in ("scale/points", "scale/scan", "camera_info") if self._has(number, t)]
        topics.append("image/compressed" if self._is_compressed(number) else "image")
        item = [(topic, messages[topic]) for topic in topics]
        for place in rng.sample(range(len(item)), rng.choice((1, 1, len(item)))):
            topic, message = item[place]
            if topic == "image/compressed" and rng.random() < 0.7:
                message.data = array("B", damaged(rng, self.files))
            else:
                message = scrambled(rng, message)
            item[place] = topic, message
        if rng.random() < 0.1:
            rng.shuffle(item)
        return number, item

    def _is_compressed(self, number: int) -> bool:
        return self.nodes[number].settings.image_transport == "compressed"

    def _has(self, number: int, topic: str) -> bool:
        return any(name.endswith(topic) for name in self.nodes[number]._inputs)

    def feed(self, item: tuple[int, Item]) -> list[BaseException]:
        number, messages = item
        node = self.nodes[number]
        node.errors.clear()
        info = {"publication_sequence_number": 1, "publisher_gid": b"x"}
        for topic, message in messages:
            name = "image" if topic.startswith("image") else topic
            for key, subscription in node._inputs.items():
                if key == name or key.endswith(f"/{name}"):
                    subscription.callback(message, info)
        status = status_message(node._state("fuzz"), node.statistics.snapshot(time.monotonic()))
        assert len(status.message) < 20_000
        assert all(len(pair.value) < 5000 for pair in status.values)
        for error in node.errors:
            describe(error)
        texts = [node._ranges.refusal] if node._ranges is not None and node._ranges.refusal else []
        faults = [fault for text in texts for fault in text_faults(text)]
        assert not faults, faults
        return list(node.errors)


class ParameterFiles(Texts):
    """Parameter files, up to the parameters of a node."""

    name = "parameter files"
    refusals = (StartError,)
    suffixes = (".yaml",)
    share = 0.6

    def make_samples(self) -> Sequence[bytes]:
        folder = Path(__file__).resolve().parents[2] / "config"
        files = [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]
        files.append(
            b"/**:\n  ros__parameters:\n    model: panda-tiny\n    max_rate_hz: 10.0\n"
            b"    cloud: {stride: 2}\n    panels.names: [front, left]\n    scan:\n      height: 3\n"
            b"    scale.extrinsics.xyz: [0.0, 0.1, 0.2]\n    autostart: true\n"
        )
        return files

    def feed(self, item: tuple[str, bytes]) -> list[Exception]:
        arguments = ["node", "--ros-args", "--params-file", str(self.written(item))]
        remarks = list(file_remarks(arguments, "/panoramic_depth"))
        context = Context()
        errors: list[Exception] = []
        try:
            begin(arguments, context)
            node = Node("panoramic_depth", context=context)
            table = ParameterTable(node, PanoramicSettings, lambda: False)
            remarks += [*table.problems, *table.unread(ready=False)]
            node.destroy_node()
        except StartError as error:
            errors.append(error)
        finally:
            context.try_shutdown()
        faults = [fault for text in remarks for fault in text_faults(text)]
        assert not faults, faults[:3]
        return errors
