"""Nodes whose network is the truth, distorted as the first pixel of an image tells.

Run as a script by the tests; arguments: ``panoramic`` or ``pinhole``, and ``tf`` for a buffer of
transforms that knows where the frame ``lidar`` is. ``checkpoint`` is a depth map (.npy).
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import torch
from geometry_msgs.msg import TransformStamped

from depth_perception.geometry import Camera, DepthKind, Equirectangular
from depth_perception.geometry.rotations import to_quaternion
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind, Scene
from depth_perception.ros.compat.transforms import BufferLookup
from depth_perception.ros.nodes.depth_node import Loaded
from depth_perception.ros.nodes.panoramic import PanoramicNode
from depth_perception.ros.nodes.pinhole import PinholeNode
from depth_perception.ros.nodes.runner import run
from depth_perception.scale import Extrinsics

MOUNT = Extrinsics(x=0.1, y=0.05, z=0.15, yaw=0.3)
AFFINE, METRIC, FLOOR = 0, 1, 2


def distortion(red: int, green: int) -> tuple[float, float]:
    """Scale and shift of which the values make the truth."""
    return math.exp((red - 128) / 128), (green - 128) / 64


class Distorted:
    """An estimator that answers with one depth map (H, W) in a scale of its own."""

    device = torch.device("cpu")

    def __init__(self, path: str) -> None:
        self.depth = torch.from_numpy(np.load(path))

    def __call__(self, image: torch.Tensor, camera: Camera) -> Prediction:
        red, green, kind = image[0, 0].tolist()
        scale, shift = distortion(red, green)
        panoramic = isinstance(camera, Equirectangular)
        return Prediction(
            values=(self.depth - shift) / scale,
            valid=torch.ones_like(self.depth, dtype=torch.bool),
            camera=camera.resize(*self.depth.shape),
            kind=DepthKind.RANGE if panoramic else DepthKind.Z,
            space=DepthSpace.DEPTH,
            scale=ScaleKind.METRIC if kind else ScaleKind.AFFINE_INVARIANT,
            scene=Scene(0.01, is_at_floor=True) if kind == FLOOR else None,
        )


class UnknownFrameError(Exception):
    """As tf2 raises it."""


class Buffer:
    """A buffer of tf2_ros that knows one frame."""

    def lookup_transform(self, target: str, source: str, time: Any) -> TransformStamped:
        if source != "lidar" or time.nanoseconds <= 0:
            raise UnknownFrameError(f'"{source}" passed to lookupTransform does not exist.')
        matrix = MOUNT.matrix()
        found = TransformStamped(child_frame_id=source)
        found.header.frame_id = target
        moved, turned = found.transform.translation, found.transform.rotation
        moved.x, moved.y, moved.z = matrix[:3, 3].tolist()
        turned.x, turned.y, turned.z, turned.w = to_quaternion(matrix[:3, :3]).tolist()
        return found


class TruthMixin:
    """What is replaced in both nodes."""

    def load(self, settings: Any) -> Loaded:
        self._estimator = Distorted(settings.checkpoint)
        camera = "pinhole" if isinstance(self, PinholeNode) else "equirectangular"
        self.load_reference(settings.scale, torch.device("cpu"), camera)
        return Loaded("truth", "cpu", settings.precision)

    def make_lookup(self) -> BufferLookup | None:
        if "tf" not in sys.argv:
            return super().make_lookup()
        return BufferLookup(Buffer(), UnknownFrameError)


class TruthPanoramic(TruthMixin, PanoramicNode):
    """``panoramic_depth`` around it."""


class TruthPinhole(TruthMixin, PinholeNode):
    """``pinhole_depth`` around it."""


if __name__ == "__main__":
    sys.exit(run(TruthPanoramic if "panoramic" in sys.argv else TruthPinhole))
