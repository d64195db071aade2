"""Surface of recordings: mcap, sqlite3, ROS 1, their metadata and the messages inside."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.media import FileSurface, image_files
from fuzz.mutations import damaged
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_perception.io.bag_cameras import INFO_TYPE, BagCameras
from depth_perception.io.bag_ranges import (
    CLOUD_TYPE,
    SCAN_TYPE,
    TRANSFORM_TYPE,
    RangeReader,
    StaticFrames,
)
from depth_perception.io.bags import (
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    BagReadError,
    choose_image_topic,
    read_frames,
)
from depth_perception.io.encodings import EncodingError
from depth_perception.io.range_messages import RangeMessageError
from depth_perception.limits import LimitError

_STORE = get_typestore(Stores.ROS2_HUMBLE)
_KINDS = _STORE.types
_NS = 1_000_000_000


def recorded_messages() -> dict[str, Any]:
    """A valid message for each topic."""

    def header(frame: str) -> Any:
        return _KINDS["std_msgs/msg/Header"](_KINDS["builtin_interfaces/msg/Time"](5, 0), frame)

    pixels = np.random.default_rng(0).integers(0, 256, 4 * 8 * 3, dtype=np.uint8)
    region = _KINDS["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([6.0, 0, 4, 0, 6, 2, 0, 0, 1])
    p = np.array([6.0, 0, 4, 0, 0, 6, 2, 0, 0, 0, 1, 0])
    d = np.array([0.1, -0.05, 0, 0, 0])
    info = (4, 8, "plumb_bob", d, k, np.eye(3).ravel(), p, 0, 0, region)
    field = _KINDS["sensor_msgs/msg/PointField"]
    fields = [field(name, 4 * i, 7, 1) for i, name in enumerate("xyz")]
    points = np.ones((5, 3), np.float32).view(np.uint8).reshape(-1)
    turn = _KINDS["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    place = _KINDS["geometry_msgs/msg/Vector3"](0.0, 0.0, 1.0)
    transform = _KINDS["geometry_msgs/msg/TransformStamped"](
        header("lidar"), "camera", _KINDS["geometry_msgs/msg/Transform"](place, turn)
    )
    scan = (-1.0, 1.0, 0.5, 0.0, 0.0, 0.1, 9.0, np.ones(5, np.float32), np.zeros(0, np.float32))
    png = np.frombuffer(image_files()[0], np.uint8)
    return {
        "/image": _KINDS[IMAGE_TYPE](header("camera"), 4, 8, "rgb8", 0, 24, pixels),
        "/camera_info": _KINDS[INFO_TYPE](header("camera"), *info),
        "/small/compressed": _KINDS[COMPRESSED_TYPE](header("camera"), "png", png),
        "/points": _KINDS[CLOUD_TYPE](header("lidar"), 1, 5, fields, False, 12, 60, points, True),
        "/scan": _KINDS[SCAN_TYPE](header("lidar"), *scan),
        "/tf_static": _KINDS[TRANSFORM_TYPE]([transform]),
    }


class Bags(FileSurface):
    """Storage files of bags, or a whole bag folder whose metadata or messages are damaged."""

    name = "bags"
    refusals = (BagReadError, EncodingError, RangeMessageError, LimitError, ValueError, LookupError)
    suffixes = (".mcap", ".db3", ".bag")
    share = 2.0

    def make_samples(self) -> Sequence[bytes]:
        messages = recorded_messages()
        self.cdr = {
            topic: (m.__msgtype__, bytes(_STORE.serialize_cdr(m, m.__msgtype__)))
            for topic, m in messages.items()
        }
        files = []
        for name, storage in (("mcap", StoragePlugin.MCAP), ("db3", StoragePlugin.SQLITE3)):
            self._write(self.folder / name, storage, self.cdr)
            files.append(next((self.folder / name).glob(f"*.{name}")).read_bytes())
        self.metadata = [
            (self.folder / name / "metadata.yaml").read_bytes() for name in ("mcap", "db3")
        ]
        packed = self.folder / "packed"
        writer = Writer(packed, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            self._add(writer, self.cdr)
        files.append(next(packed.glob("*.mcap*")).read_bytes())
        return [*files, self._ros1(messages)]

    def _ros1(self, messages: dict[str, Any]) -> bytes:
        store = get_typestore(Stores.ROS1_NOETIC)
        kinds, image = store.types, messages["/image"]
        stamp = kinds["builtin_interfaces/msg/Time"](3, 4)
        head = kinds["std_msgs/msg/Header"](0, stamp, "front")
        old = kinds[IMAGE_TYPE](head, 4, 8, "rgb8", 0, 24, image.data)
        with Ros1Writer(self.folder / "old.bag") as writer:
            connection = writer.add_connection("/image", IMAGE_TYPE, typestore=store)
            writer.write(connection, 5, store.serialize_ros1(old, IMAGE_TYPE))
        return (self.folder / "old.bag").read_bytes()

    def _write(self, path: Path, storage: StoragePlugin, messages: dict[str, Any]) -> None:
        with Writer(path, version=9, storage_plugin=storage) as writer:
            self._add(writer, messages)

    def _add(self, writer: Writer, messages: dict[str, Any]) -> None:
        for topic, (kind, raw) in messages.items():
            connection = writer.add_connection(topic, kind, typestore=_STORE)
            writer.write(connection, 5 * _NS, raw)

    def make(self, rng: random.Random) -> tuple[str, Any]:
        kind = rng.random()
        if kind < 0.5:
            return super().make(rng)
        if kind < 0.65:
            return "metadata", damaged(rng, self.metadata)
        messages = dict(self.cdr)
        for topic in rng.sample(sorted(messages), rng.choice((1, 1, 6))):
            name, raw = messages[topic]
            messages[topic] = name, raw[:4] + damaged(rng, [raw[4:]])
        return "messages", messages

    def feed(self, item: tuple[str, Any]) -> list[Exception]:
        kind, content = item
        if kind == "metadata":
            path = self.folder / "mcap"
            (path / "metadata.yaml").write_bytes(content)
        elif kind == "messages":
            path = self.folder / "input.mcap"
            folder = self.folder / "made"
            self._write(folder, StoragePlugin.MCAP, content)
            next(folder.glob("*.mcap")).replace(path)
            (folder / "metadata.yaml").unlink()
            folder.rmdir()
        else:
            path = self.written(item)
        errors: list[Exception] = []
        for use in (_images, _cameras, _ranges, _frames):
            try:
                errors += use(path) or ()
            except self.refusals as error:
                errors.append(error)
        return errors


def _images(path: Path) -> list[Exception]:
    refusals: list[Exception] = []
    topics = set()
    for wanted in (None, "/image", "/small/compressed"):
        try:
            topics.add(choose_image_topic(path, wanted).name)
        except BagReadError as error:
            if "choose one with" not in str(error):  # two topics of images, as there should be
                refusals.append(error)
    for topic in topics:
        try:
            for frame in read_frames(path, topic):
                try:
                    frame.image()
                except EncodingError as error:
                    refusals.append(error)
        except BagReadError as error:
            refusals.append(error)
    return refusals


def _cameras(path: Path) -> None:
    cameras = BagCameras(path, "/image", "camera")
    cameras.view(5 * _NS, 4, 8)


def _ranges(path: Path) -> None:
    for topic in ("/points", "/scan"):
        with RangeReader(path, topic, 1e9) as reader:
            reader.nearest(5 * _NS)


def _frames(path: Path) -> None:
    StaticFrames(path).between("camera", "lidar")
