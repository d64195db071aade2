"""Range measurements and static transforms from ROS 2 bags, without ROS."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .bag_reader import Bag, BagReadError, deserialize
from .bags import BagFrame, messages_of
from .range_messages import RangeMessageError, cloud_points, scan_points, transform_matrix

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
SCAN_TYPE = "sensor_msgs/msg/LaserScan"
TRANSFORM_TYPE = "tf2_msgs/msg/TFMessage"
_READERS = {CLOUD_TYPE: cloud_points, SCAN_TYPE: scan_points}


@dataclass(frozen=True)
class BagRanges:
    """One measurement.

    Attributes:
        stamp_ns: stamp of the header, or time of recording if the header has none.
        frame_id: frame of the header.
        points: (N, 3) float32 metres in that frame.
    """

    stamp_ns: int
    frame_id: str
    points: np.ndarray


class RangeReader:
    """The measurements of a topic, requested in temporal order: ``with RangeReader(...) as r``.

    Args:
        path: the bag.
        topic: of PointCloud2 or LaserScan messages.
        tolerance_s: largest difference in time between a measurement and the requested moment.

    Raises:
        BagReadError: the bag cannot be read or has no such topic.
    """

    def __init__(self, path: str | Path, topic: str, tolerance_s: float) -> None:
        self.topic = topic
        self.is_scan = False
        self._path = path
        self._tolerance_ns = round(tolerance_s * 1e9)
        self._stack = ExitStack()
        self._messages: Iterator[BagFrame] = iter(())
        self._waiting: deque[BagFrame] = deque()
        self._is_over = False

    def __enter__(self) -> RangeReader:
        reader = self._stack.enter_context(Bag(self._path))
        able = [c for c in reader.connections if c.msgtype in _READERS]
        found = [c for c in able if c.topic.strip("/") == self.topic.strip("/")]
        if not found:
            self._stack.close()
            names = ", ".join(sorted({f"{c.topic} ({c.msgtype})" for c in able}))
            raise BagReadError(
                f"{self._path} has no topic {self.topic!r} of PointCloud2 or LaserScan messages; "
                f"it has {names or 'none at all'}"
            )
        self.is_scan = found[0].msgtype == SCAN_TYPE
        self._messages = (m for m in messages_of(reader, found) if m.message is not None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def nearest(self, moment_ns: int) -> BagRanges:
        """The measurement nearest to a moment, which must not precede the last one.

        Raises:
            LookupError: none within the tolerance.
            RangeMessageError: it is inconsistent.
        """
        while not self._is_over and (
            not self._waiting or self._waiting[-1].stamp_ns <= moment_ns + self._tolerance_ns
        ):
            message = next(self._messages, None)
            if message is None:
                self._is_over = True
            else:
                self._waiting.append(message)
        while self._waiting and self._waiting[0].stamp_ns < moment_ns - self._tolerance_ns:
            self._waiting.popleft()
        best = min(self._waiting, key=lambda item: abs(item.stamp_ns - moment_ns), default=None)
        if best is None or abs(best.stamp_ns - moment_ns) > self._tolerance_ns:
            raise LookupError(
                f"nothing on {self.topic} within {self._tolerance_ns * 1e-9:g} s of the image: "
                "choose another topic or a larger tolerance"
            )
        try:
            points = _READERS[best.message.__msgtype__](best.message)
        except RangeMessageError as error:
            raise RangeMessageError(
                f"a message on {self.topic} was rejected: {error}; correct its driver"
            ) from error
        return BagRanges(best.stamp_ns, best.frame_id, points)


class StaticFrames:
    """The transforms on ``/tf_static`` of a bag.

    Raises:
        BagReadError: the bag cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self._parents: dict[str, tuple[str, Tensor]] = {}
        with Bag(path) as reader:
            found = [c for c in reader.connections
                     if c.topic == "/tf_static" and c.msgtype == TRANSFORM_TYPE]  # fmt: skip
            for connection, _, raw in reader.messages(found):
                try:
                    transforms = deserialize(connection, raw).transforms
                except Exception:  # of every kind, for damaged bytes: as if it had not come
                    continue
                for item in transforms:
                    names = (item.header.frame_id, item.child_frame_id)
                    parent, child = (name.lstrip("/") for name in names)
                    self._parents[child] = parent, transform_matrix(item.transform)

    def between(self, source: str, target: str) -> Tensor:
        """(4, 4) float64 transform of points from ``source`` to ``target``.

        Raises:
            LookupError: the frames are not connected.
        """
        above, below = (self._chain(name.lstrip("/")) for name in (source, target))
        common = next((frame for frame in above if frame in below), None)
        if common is None:
            raise LookupError(
                f"no transform from {source!r} to {target!r} on /tf_static of the bag: give the "
                "extrinsics"
            )
        return torch.linalg.inv(below[common]) @ above[common]

    def _chain(self, frame: str) -> dict[str, Tensor]:
        """All ancestors of a frame, nearest first, with the transform of points from it to them."""
        chain = {frame: torch.eye(4, dtype=torch.float64)}
        while frame in self._parents:
            parent, matrix = self._parents[frame]
            if parent in chain:
                raise LookupError(f"the frames on /tf_static form a circle at {parent!r}")
            chain[parent] = matrix @ chain[frame]
            frame = parent
        return chain
