"""Images from ROS 2 bags, and depth maps into them, without ROS (package ``rosbags``)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import StoragePlugin, Writer

from ..limits import printable
from .atomic import clean_once, new_folder
from .bag_reader import STORE, Bag, BagReadError, deserialize
from .encodings import EncodingError, decode_message, is_depth
from .suffixes import is_bag

IMAGE_TYPE = "sensor_msgs/msg/Image"
COMPRESSED_TYPE = "sensor_msgs/msg/CompressedImage"


@dataclass(frozen=True)
class ImageTopic:
    """A topic of images.

    Attributes:
        name, type_name: topic and message type.
        count: number of messages.
        encoding: encoding or compressed format of the first message, "" without any.
        remark: what is unusual about the recording.
    """

    name: str
    type_name: str
    count: int
    encoding: str
    remark: str = ""

    @property
    def holds_images(self) -> bool:
        """Whether the first message is a camera image rather than a depth or label map."""
        return self.count > 0 and not is_depth(self.encoding)


@dataclass(frozen=True)
class BagFrame:
    """One image message; its pixels are decoded when asked for.

    Attributes:
        stamp_ns: stamp of the header, or time of recording if the header has none.
        frame_id: frame of the header.
        message: the deserialised message; None if its bytes are damaged.
    """

    stamp_ns: int
    frame_id: str
    message: Any

    def image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB. Raises EncodingError where the message cannot be decoded."""
        if self.message is None:
            raise EncodingError(
                f"the message of {self.stamp_ns} ns is damaged: its bytes do not fit its type; "
                "record it again"
            )
        return decode_message(self.message)


def stamp_ns(message: Any) -> int:
    """Header stamp of a message, nanoseconds."""
    stamp = message.header.stamp
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def header_of(stamp_ns: int, frame_id: str) -> Any:
    """A std_msgs/Header."""
    stamp = STORE.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    return STORE.types["std_msgs/msg/Header"](stamp, frame_id)


def image_message(stamp_ns: int, frame_id: str, pixels: np.ndarray, encoding: str) -> Any:
    """A sensor_msgs/Image of little-endian pixels (H, W) or (H, W, C)."""
    height, width = pixels.shape[:2]
    data = np.ascontiguousarray(pixels).view(np.uint8).reshape(-1)
    header, step = header_of(stamp_ns, frame_id), data.size // height
    return STORE.types[IMAGE_TYPE](header, height, width, encoding, 0, step, data)


def image_topics(path: str | Path) -> tuple[ImageTopic, ...]:
    """The topics of images of a bag, by name.

    Raises:
        BagReadError: the bag cannot be read.
    """
    return _topics_and_remark(path)[0]


def _topics_and_remark(path: str | Path) -> tuple[tuple[ImageTopic, ...], str]:
    with Bag(path) as bag:
        topics = []
        for name in sorted({c.topic for c in _image_connections(bag)}):
            connections = [c for c in _image_connections(bag) if c.topic == name]
            count = sum(c.msgcount for c in connections)
            first = next((frame.message for frame in messages_of(bag, connections)), None)
            encoding = getattr(first, "encoding", None) or getattr(first, "format", "")
            topics.append(ImageTopic(name, connections[0].msgtype, count, printable(encoding, 60)))
        return tuple(replace(topic, remark=bag.remark) for topic in topics), bag.remark


def choose_image_topic(path: str | Path, wanted: str | None = None) -> ImageTopic:
    """The topic ``wanted``, or the only one with camera images.

    Raises:
        BagReadError: there is no such topic, it holds no camera images, or there are several to
            choose from.
    """
    topics, remark = _topics_and_remark(path)
    listing = ", ".join(f"{t.name} ({t.count} x {t.encoding or t.type_name})" for t in topics)
    listing = printable(listing, 1000) or "no images at all"
    ending = f" ({remark})" if remark else ""
    if wanted is None:
        candidates = [t for t in topics if t.holds_images]
        if len(candidates) != 1:
            choose = "; choose one with --topic" if candidates else "; name another bag"
            raise BagReadError(
                f"{path} has {len(candidates)} camera image topics ({listing}){choose}{ending}"
            )
        return candidates[0]
    chosen = next((t for t in topics if t.name.strip("/") == wanted.strip("/")), None)
    if chosen is None:
        raise BagReadError(f"{path} has no image topic {wanted!r}; it has {listing}{ending}")
    if not chosen.count:
        raise BagReadError(f"{path} has no images on {chosen.name}; it has {listing}{ending}")
    if not chosen.holds_images:
        raise BagReadError(
            f"{chosen.name} of {path} holds depth ({chosen.encoding}), not camera images; it has "
            f"{listing}"
        )
    return chosen


def read_frames(path: str | Path, topic: str) -> Iterator[BagFrame]:
    """The images of a topic in the order of recording.

    Raises:
        BagReadError: the bag cannot be read, at the start or at a damaged place later.
    """
    with Bag(path) as bag:
        yield from messages_of(bag, [c for c in _image_connections(bag) if c.topic == topic])


def _image_connections(bag: Bag) -> list[Connection]:
    return [c for c in bag.connections if c.msgtype in (IMAGE_TYPE, COMPRESSED_TYPE)]


def messages_of(bag: Bag, connections: list[Connection]) -> Iterator[BagFrame]:
    """The messages of some connections, which have a header, in the order of recording."""
    for connection, recorded_ns, raw in bag.messages(connections):
        try:
            message = deserialize(connection, raw)
        except Exception:  # of every kind, for damaged bytes
            yield BagFrame(recorded_ns, "", None)
            continue
        yield BagFrame(stamp_ns(message) or recorded_ns, message.header.frame_id, message)


@contextmanager
def new_bag(
    path: str | Path, storage: StoragePlugin = StoragePlugin.MCAP, *, overwrite: bool = False
) -> Iterator[Writer]:
    """The writer of a bag whose folder appears under its name when the block ends without an error.

    Args:
        path: folder to make; it must not exist, unless ``overwrite``.
        storage: kind of its file.
        overwrite: replace a bag that is there.

    Raises:
        FileExistsError: ``path`` exists, or exists and is no bag, at the start or at the end.
    """
    _check_new(path, overwrite)
    # The storage file is named after its folder.
    with new_folder(path, overwrite=overwrite) as made:
        with Writer(made, version=9, storage_plugin=storage) as writer:
            yield writer
        _check_new(path, overwrite)


def _check_new(path: str | Path, overwrite: bool) -> None:
    clean_once(Path(path).parent)  # a bag that was about to be replaced may come back
    if os.path.lexists(path) and not (overwrite and is_bag(path)):
        raise FileExistsError(f"{path} exists already; name another folder for the bag")


class DepthBagWriter:
    """Writes depth maps as 32FC1 images into a new MCAP bag: ``with DepthBagWriter(path) as bag``.

    The folder appears under its name when the block ends without an error.

    Args:
        path: folder to make; it must not exist, unless ``overwrite``.
        topic: topic of the images.
        overwrite: replace a bag that is there.

    Raises:
        FileExistsError: ``path`` exists, or exists and is no bag, at the start or at the end.
    """

    def __init__(
        self, path: str | Path, topic: str = "/depth/image", *, overwrite: bool = False
    ) -> None:
        _check_new(path, overwrite)
        self._topic = topic
        self._bag = new_bag(path, overwrite=overwrite)
        self._stack = ExitStack()

    def __enter__(self) -> DepthBagWriter:
        self._writer = self._stack.enter_context(self._bag)
        self._connection = self._writer.add_connection(self._topic, IMAGE_TYPE, typestore=STORE)
        return self

    def write(self, depth: np.ndarray, stamp_ns: int, frame_id: str) -> None:
        """Append a depth map (H, W) float32 metres, NaN where unknown (REP-118)."""
        message = image_message(stamp_ns, frame_id, np.ascontiguousarray(depth, "<f4"), "32FC1")
        self._writer.write(self._connection, stamp_ns, STORE.serialize_cdr(message, IMAGE_TYPE))

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
