"""The nodes that benches start as processes: ours with a clock in it, and a plain one.

``python -m depth_perception.bench.ros.processes VARIANT FILE SAMPLE_EVERY --ros-args ...``: VARIANT
is ``identity`` (ours without a network), ``model`` (ours as it is) or ``plain``; what the clock
recorded is written to FILE when the node ends.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image, PointCloud2, PointField
from torch import Tensor

from ...prediction import Prediction
from ...ros.inputs.camera_info_sync import Arrival, stamp_ns
from ...ros.nodes.depth_node import Loaded
from ...ros.nodes.panoramic import PanoramicNode
from ...ros.nodes.qos import input_profile, output_profile
from ...ros.nodes.runner import run
from ...ros.parameters.outputs import CloudSettings
from ...ros.parameters.panoramic import PanoramicSettings
from ..frame_clock import FrameClock
from ..identity import IdentityEstimator, identity_depth
from ..plain_messages import plain_cloud, plain_depth, plain_pixels

_DEFAULT_ROWS = 504


class TimedNode(PanoramicNode):
    """``panoramic_depth`` with a clock around model, publishing and the whole."""

    def __init__(self, clock: FrameClock, file: Path, *, is_identity: bool) -> None:
        self._watch, self._file, self._is_identity = clock, file, is_identity
        super().__init__()

    def load(self, settings: PanoramicSettings) -> Loaded:
        if self._is_identity:
            self.load_reference(settings.scale, torch.device("cpu"), "equirectangular")
            self._estimator = IdentityEstimator(settings.height or _DEFAULT_ROWS)
            loaded = Loaded("identity", "cpu", "float32")
        else:
            loaded = super().load(settings)
        self._estimator = _Timed(self._estimator, self._watch)
        return loaded

    def make_publisher(self, message_type: type[Any], topic: str) -> Publisher:
        publisher = super().make_publisher(message_type, topic)
        publisher.publish = self._watch.part("publish")(publisher.publish)
        return publisher

    def _process(self, arrival: Arrival) -> None:
        with self._watch.frame(stamp_ns(arrival.message.header)):
            super()._process(arrival)

    def close(self) -> bool:
        is_idle = super().close()
        figures = self.statistics.snapshot(time.monotonic())
        self._watch.write(
            self._file,
            frames_in=figures.frames_in,
            frames_out=figures.frames_out,
            lost=self._losses.total,
            drops=dict(figures.drops),
        )
        return is_idle


class PlainNode(Node):
    """Everything in the callback, new arrays for every message, every conversion a copy."""

    def __init__(self, clock: FrameClock, file: Path) -> None:
        super().__init__("panoramic_depth")
        self._watch, self._file, self._frames_in = clock, file, 0
        self._settings = CloudSettings()
        self._rows = self.declare_parameter("height", _DEFAULT_ROWS).value
        self._depth = self.create_publisher(Image, "depth/image", output_profile())
        self._cloud = self.create_publisher(PointCloud2, "depth/points", output_profile())
        for publisher in (self._depth, self._cloud):
            publisher.publish = clock.part("publish")(publisher.publish)
        self.create_subscription(Image, "image", self._on_image, input_profile())

    def start(self) -> None:
        self.get_logger().info("plain is ready on cpu")

    def close(self) -> bool:
        self._watch.write(self._file, frames_in=self._frames_in, drops={})
        return True

    def _on_image(self, message: Image) -> None:
        self._frames_in += 1
        with self._watch.frame(stamp_ns(message.header)):
            pixels = plain_pixels(message.height, message.width, message.data)
            with self._watch.part("model"):
                depth = identity_depth(torch.from_numpy(pixels), self._rows).numpy()
            valid = depth == depth
            height, width = depth.shape
            image = Image(header=message.header, height=height, width=width, step=4 * width)
            image.encoding, image.data = "32FC1", plain_depth(depth, valid)
            self._depth.publish(image)
            limits = (self._settings.min_range_m, self._settings.max_range_m)
            data = plain_cloud(pixels, depth, valid, self._settings.edge_threshold, limits)
            cloud = PointCloud2(header=message.header, height=1, width=len(data) // 16)
            cloud.point_step, cloud.row_step, cloud.is_dense = 16, len(data), True
            cloud.fields = [
                PointField(name=name, offset=4 * k, datatype=PointField.FLOAT32, count=1)
                for k, name in enumerate(("x", "y", "z", "rgb"))
            ]
            cloud.data = data
            self._cloud.publish(cloud)


class _Timed:
    """An estimator whose time is noted."""

    def __init__(self, estimator: Any, clock: FrameClock) -> None:
        self._estimator, self._watch = estimator, clock

    def __call__(self, image: Tensor, camera: Any) -> Prediction:
        with self._watch.part("model"):
            return self._estimator(image, camera)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._estimator, name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a node until it is interrupted; the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    variant, file, sample_every = given[0], Path(given[1]), int(given[2])
    clock = FrameClock(sample_every)
    if variant == "plain":
        return run(lambda: PlainNode(clock, file), given, keep_buffers=False)
    return run(lambda: TimedNode(clock, file, is_identity=variant == "identity"), given)


if __name__ == "__main__":
    sys.exit(main())
