"""Bags of a walk through a world: images, camera info, depth and TF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rosbags import interfaces as qos
from rosbags.rosbag2 import StoragePlugin, Writer

from ...geometry import Camera, Equirectangular, Pinhole
from ...geometry.rotations import to_quaternion
from ...io.bags import IMAGE_TYPE, STORE, header_of, image_message, new_bag
from ..world_options import BagNames, Walk
from .looks import sensor_effects
from .render import Frame, render
from .world import BODY_OF_OPTICAL, World

STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_FOREVER = qos.QosTime(9223372036, 854775807)
_OPTICAL_IN_BODY = (-0.5, 0.5, -0.5, 0.5)  # x, y, z, w of the REP-103 optical rotation


def write_bag(
    path: str | Path,
    world: World,
    camera: Camera,
    walk: Walk | None = None,
    names: BagNames | None = None,
    *,
    device: torch.device | str = "cpu",
    on_frame: Callable[[int], None] | None = None,
) -> None:
    """Write the bag of a walk through a world; its folder appears when it is complete.

    Args:
        path: folder to create; it must not exist.
        world: the world in which the camera moves.
        camera: a panorama or a pinhole camera.
        walk: length, rate, speed, storage.
        names: names of topics and frames.
        device: device of the renderer.
        on_frame: called with the number of each written image.

    Raises:
        FileExistsError: ``path`` exists.
        TypeError: CameraInfo cannot describe this camera.
    """
    path, walk, names = Path(path), walk or Walk(), names or BagNames()
    path.parent.mkdir(parents=True, exist_ok=True)
    with new_bag(path, STORAGES[walk.storage]) as writer:
        bag = _Bag(writer, names)
        frames = names.body_frame, names.optical_frame
        fixed = bag.transform(walk.start_ns, *frames, (0.0, 0.0, 0.0), _OPTICAL_IN_BODY)
        bag.put("/tf_static", walk.start_ns, fixed)
        for index in range(walk.frames):
            stamp_ns = walk.stamp_ns(index)
            pose = walk_pose(world, walk, index)
            frame = render(world, camera, pose, device=device, antialias=walk.antialias)
            bag.put("/tf", stamp_ns, bag.body_transform(stamp_ns, pose))
            bag.put(names.camera_info, stamp_ns, bag.camera_info(stamp_ns, camera))
            bag.put(names.image, stamp_ns, bag.image(stamp_ns, frame, walk, (world.seed, 9, index)))
            bag.put(names.depth, stamp_ns, bag.depth(stamp_ns, frame))
            if on_frame is not None:
                on_frame(index)


def walk_pose(world: World, walk: Walk, index: int) -> torch.Tensor:
    """Pose (4, 4) of image ``index`` of a walk, back and forth along the path."""
    length = world.path_length_m
    place = (index / walk.rate_hz * walk.speed_mps) % (2 * length)
    return world.pose(min(place, 2 * length - place))


class _Bag:
    """Messages of one bag."""

    def __init__(self, writer: Writer, names: BagNames) -> None:
        self.writer, self.names, self.types = writer, names, STORE.types
        kinds = {
            names.image: IMAGE_TYPE,
            names.camera_info: "sensor_msgs/msg/CameraInfo",
            names.depth: IMAGE_TYPE,
            "/tf": "tf2_msgs/msg/TFMessage",
            "/tf_static": "tf2_msgs/msg/TFMessage",
        }
        self.connections = {
            topic: writer.add_connection(
                topic, kind, typestore=STORE, offered_qos_profiles=[_quality(topic)]
            )
            for topic, kind in kinds.items()
        }

    def put(self, topic: str, stamp_ns: int, message: Any) -> None:
        connection = self.connections[topic]
        self.writer.write(connection, stamp_ns, STORE.serialize_cdr(message, connection.msgtype))

    def image(self, stamp_ns: int, frame: Frame, walk: Walk, seed: tuple[int, ...]) -> Any:
        rgb = frame.rgb.cpu()
        if walk.sensor > 0:
            rgb = sensor_effects(rgb, seed, walk.sensor)
        return image_message(stamp_ns, self.names.optical_frame, rgb.numpy(), "rgb8")

    def depth(self, stamp_ns: int, frame: Frame) -> Any:
        is_pinhole = isinstance(frame.camera, Pinhole)
        depth = (frame.z_m if is_pinhole else frame.range_m).cpu()
        depth = torch.where(torch.isfinite(depth), depth, torch.nan)
        pixels = depth.numpy().astype("<f4")
        return image_message(stamp_ns, self.names.optical_frame, pixels, "32FC1")

    def camera_info(self, stamp_ns: int, camera: Camera) -> Any:
        k, p, model = (0.0,) * 9, (0.0,) * 12, "equirectangular"
        if isinstance(camera, Pinhole):
            k, distortion, model = tuple(camera.to_k()), (0.0,) * 5, "plumb_bob"
            p = (*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0)
        elif isinstance(camera, Equirectangular):
            distortion = (camera.longitude_min, camera.longitude_max)
            distortion += (camera.latitude_min, camera.latitude_max)
        else:
            raise TypeError(f"CameraInfo cannot describe a {type(camera).__name__}")
        values = (distortion, k, np.eye(3).ravel(), p)
        numbers = [np.array(value, dtype=np.float64) for value in values]
        region = self.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        header = header_of(stamp_ns, self.names.optical_frame)
        message = self.types["sensor_msgs/msg/CameraInfo"]
        return message(header, camera.height, camera.width, model, *numbers, 0, 0, region)

    def body_transform(self, stamp_ns: int, pose: torch.Tensor) -> Any:
        turn = to_quaternion(pose[:3, :3].double() @ BODY_OF_OPTICAL.T).tolist()
        frames = self.names.world_frame, self.names.body_frame
        return self.transform(stamp_ns, *frames, pose[:3, 3].tolist(), turn)

    def transform(self, stamp_ns: int, parent: str, child: str, place: Any, turn: Any) -> Any:
        transform = self.types["geometry_msgs/msg/Transform"](
            self.types["geometry_msgs/msg/Vector3"](*place),
            self.types["geometry_msgs/msg/Quaternion"](*turn),
        )
        stamped = self.types["geometry_msgs/msg/TransformStamped"]
        message = stamped(header_of(stamp_ns, parent), child, transform)
        return self.types["tf2_msgs/msg/TFMessage"]([message])


def _quality(topic: str) -> qos.Qos:
    durability, depth = qos.QosDurability.VOLATILE, 10
    if topic == "/tf_static":
        durability, depth = qos.QosDurability.TRANSIENT_LOCAL, 1
    history, reliable = (qos.QosHistory.KEEP_LAST, depth), qos.QosReliability.RELIABLE
    alive = qos.QosLiveliness.AUTOMATIC
    return qos.Qos(*history, reliable, durability, _FOREVER, _FOREVER, alive, _FOREVER, False)
