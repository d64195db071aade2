"""A world that needs no renderer: the inside of a box, as a bag with ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_perception.geometry import Equirectangular

HEIGHT, WIDTH = 64, 128
LOW, HIGH = np.array([-3.0, -2.0, -4.0]), np.array([4.0, 1.5, 6.0])
BEGIN_NS, STEP_NS = 1_700_000_000_000_000_000, 250_000_000

IMAGE_TYPE = "sensor_msgs/msg/Image"


def box_seen_from_inside() -> tuple[np.ndarray, np.ndarray]:
    """Picture (H, W, 3) uint8 and range (H, W) float32 in metres."""
    rays = Equirectangular(HEIGHT, WIDTH).rays().numpy().astype(np.float64)
    with np.errstate(divide="ignore"):
        range_m = np.where(rays > 0, HIGH / rays, LOW / rays).min(-1).astype(np.float32)
    image = np.clip(127 + 40 * rays * range_m[..., None], 0, 255).astype(np.uint8)
    return image, range_m


def write_box_bag(bag: Path, frames: int = 6, topic: str = "/camera/panorama") -> None:
    """Panoramas on ``topic`` and their ranges on /camera/depth, 4 Hz."""
    image, range_m = box_seen_from_inside()
    store = get_typestore(Stores.ROS2_HUMBLE)
    header_type, time_type, image_type = (
        store.types[name]
        for name in ("std_msgs/msg/Header", "builtin_interfaces/msg/Time", IMAGE_TYPE)
    )
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        pictures = writer.add_connection(topic, IMAGE_TYPE, typestore=store)
        truths = writer.add_connection("/camera/depth", IMAGE_TYPE, typestore=store)
        for stamp_ns in range(BEGIN_NS, BEGIN_NS + frames * STEP_NS, STEP_NS):
            header = header_type(time_type(*divmod(stamp_ns, 10**9)), "camera_optical_frame")
            picture = image_type(header, HEIGHT, WIDTH, "rgb8", 0, 3 * WIDTH, image.reshape(-1))
            truth = image_type(
                header, HEIGHT, WIDTH, "32FC1", 0, 4 * WIDTH, range_m.view(np.uint8).reshape(-1)
            )
            writer.write(pictures, stamp_ns, store.serialize_cdr(picture, IMAGE_TYPE))
            writer.write(truths, stamp_ns, store.serialize_cdr(truth, IMAGE_TYPE))
