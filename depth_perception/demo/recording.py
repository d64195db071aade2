"""Recorded depth maps, clouds and diagnostics as arrays and plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader

from ..io.bags import STORE, stamp_ns
from ..io.encodings import pixel_fields, raw_pixels

_FIELD_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}


@dataclass(frozen=True)
class Topic:
    """One topic of a bag."""

    name: str
    type_name: str
    count: int


@dataclass(frozen=True)
class Cloud:
    """Points of a PointCloud2 that have a position.

    Attributes:
        points: (N, 3) float32 metres in the frame of the message.
        colours: (N, 3) uint8 RGB, grey if the message has none.
        instances: (N,) ids of the segments they belong to; None if the message has none.
    """

    points: NDArray[np.float32]
    colours: NDArray[np.uint8]
    instances: NDArray[np.uint32] | None = None


@dataclass(frozen=True)
class Status:
    """The last diagnostic status of one name: level 0 OK, 1 WARN, 2 ERROR, 3 STALE."""

    name: str
    level: int
    message: str
    values: Mapping[str, str]


def topics(bag: Path) -> tuple[Topic, ...]:
    """All topics of a bag, by name. Raises the errors of rosbags for a folder that is not a bag."""
    with AnyReader([bag], default_typestore=STORE) as reader:
        return tuple(
            Topic(name, info.msgtype or "mixed types", info.msgcount)
            for name, info in sorted(reader.topics.items())
        )


def messages(bag: Path, topic: str) -> Iterator[Any]:
    """The messages of one topic in recorded order; empty if the bag lacks the topic."""
    with AnyReader([bag], default_typestore=STORE) as reader:
        wanted = [c for c in reader.connections if c.topic == topic]
        if wanted:
            for connection, _, raw in reader.messages(wanted):
                yield reader.deserialize(raw, connection.msgtype)


def stamps(bag: Path, topic: str) -> tuple[int, ...]:
    """Header stamps of a topic in recorded order, nanoseconds."""
    return tuple(stamp_ns(message) for message in messages(bag, topic))


def depth_maps(bag: Path, topic: str) -> Mapping[int, NDArray[np.float32]]:
    """Depth maps of a topic by header stamp, (H, W) float32 metres, 0 or NaN where unknown."""
    return {stamp_ns(m): decode_depth(m) for m in messages(bag, topic)}


def decode_depth(message: Any) -> NDArray[np.float32]:
    """(H, W) float32 metres of a 32FC1 (metres) or 16UC1 (millimetres) image (REP-118).

    Raises:
        ValueError: another encoding, or inconsistent sizes.
    """
    units = {"32FC1": 1.0, "16UC1": 0.001, "mono16": 0.001}
    if message.encoding not in units:
        raise ValueError(f"a depth image is 32FC1 or 16UC1, got {message.encoding!r}")
    values = raw_pixels(*pixel_fields(message))
    return values.astype(np.float32) * np.float32(units[message.encoding])


def decode_cloud(message: Any) -> Cloud:
    """Points and colours of a PointCloud2, organised or not; points with NaN are left out."""
    offsets = {field.name: (field.offset, field.datatype) for field in message.fields}
    missing = {"x", "y", "z"} - offsets.keys()
    if missing:
        raise ValueError(f"the cloud has no field {', '.join(sorted(missing))}")
    colour = next((name for name in ("rgb", "rgba") if name in offsets), None)
    names = ["x", "y", "z", *([colour] if colour else [])]
    names += ["instance"] if "instance" in offsets else []
    byte_order = ">" if message.is_bigendian else "<"
    kinds = ["u4" if name == colour else _FIELD_TYPES[offsets[name][1]] for name in names]
    record = np.dtype({
        "names": names, "formats": [byte_order + kind for kind in kinds],
        "offsets": [offsets[name][0] for name in names], "itemsize": message.point_step,
    })  # fmt: skip
    data = np.ascontiguousarray(message.data, np.uint8).reshape(message.height, message.row_step)
    data = np.ascontiguousarray(data[:, : message.width * message.point_step])
    cells = data.view(record).reshape(-1)
    points = np.stack([cells[axis] for axis in "xyz"], axis=-1).astype(np.float32)
    usable = np.isfinite(points).all(-1)
    packed = cells[colour][usable] if colour else np.full(int(usable.sum()), 0x808080, np.uint32)
    colours = np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)
    ids = cells["instance"][usable].astype(np.uint32) if "instance" in offsets else None
    return Cloud(points[usable], colours.astype(np.uint8), ids)


def cloud_at(bag: Path, topic: str, wanted_ns: int) -> Cloud:
    """The cloud of a stamp, or the one nearest in time (clouds may come at a lower rate).

    Raises:
        ValueError: the bag has no cloud on this topic.
    """
    best = min(messages(bag, topic), key=lambda m: abs(stamp_ns(m) - wanted_ns), default=None)
    if best is None:
        raise ValueError(f"{bag} has no cloud on {topic}")
    return decode_cloud(best)


def statuses(bag: Path, topic: str = "/diagnostics") -> tuple[Status, ...]:
    """All diagnostic statuses of a bag in recorded order."""
    found = (status for message in messages(bag, topic) for status in message.status)
    return tuple(
        Status(s.name, int(s.level), s.message, {pair.key: pair.value for pair in s.values})
        for s in found
    )
