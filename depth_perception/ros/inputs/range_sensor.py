"""Range measurements at the time of an image, from a lidar or laser scanner."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import torch
from sensor_msgs.msg import LaserScan, PointCloud2
from std_msgs.msg import Header
from torch import Tensor

from ...io.range_messages import RangeMessageError, cloud_points, scan_points, transform_matrix
from ...scale import Measurement
from ..compat.transforms import BufferLookup
from ..parameters.scale import ScaleSettings
from .camera_info_sync import stamp_ns

_KEPT_MESSAGES = 64
_KEPT_BYTES = 128 * 2**20


class RangeInput:
    """The last messages of one sensor, decoded only when an image needs them. Thread-safe.

    Args:
        kind: ``PointCloud2`` or ``LaserScan``.
        topic: its name, for error texts.
        lookup: transforms; None without TF or if extrinsics are given.

    Attributes:
        received, refused: number of messages received; of those used and rejected.
        refusal: why the last one used was rejected; empty if it was not.
    """

    def __init__(self, kind: type[Any], topic: str, lookup: BufferLookup | None = None) -> None:
        self.kind = kind
        self.topic = topic
        self.received = self.refused = 0
        self.refusal = ""
        self._lookup = lookup
        self._lock = threading.Lock()
        self._messages: OrderedDict[int, PointCloud2 | LaserScan] = OrderedDict()
        self._bytes = 0

    def add(self, message: PointCloud2 | LaserScan) -> None:
        """Add a message."""
        stamp = stamp_ns(message.header)
        with self._lock:
            self.received += 1
            self._drop(stamp)
            self._messages[stamp] = message
            self._bytes += _size(message)
            while len(self._messages) > _KEPT_MESSAGES or (
                self._bytes > _KEPT_BYTES and len(self._messages) > 1
            ):
                self._drop(next(iter(self._messages)))

    def clear(self) -> None:
        """Clear all messages."""
        with self._lock:
            self._messages.clear()
            self._bytes = 0

    def at(self, header: Header, settings: ScaleSettings) -> tuple[Measurement | None, str]:
        """The measurement nearest to the stamp of an image, or None and the reason.

        A rejected message is dropped, and the next nearest one is used.
        """
        why, is_refused = f"no message on {self.topic} yet", False
        wanted = stamp_ns(header)
        while True:
            with self._lock:
                nearest = min(self._messages, key=lambda s: abs(s - wanted), default=None)
                message = None if nearest is None else self._messages[nearest]
            if nearest is None or message is None:
                return None, why
            apart_s = (nearest - wanted) * 1e-9
            if abs(apart_s) > settings.tolerance_s:
                if not is_refused:
                    why = (
                        f"no message on {self.topic} within {settings.tolerance_s:g} s of the "
                        f"image: the nearest is {abs(apart_s):.2f} s "
                        f"{'later' if apart_s > 0 else 'earlier'}"
                    )
                return None, why
            try:
                read = cloud_points if self.kind is PointCloud2 else scan_points
                points = torch.from_numpy(read(message))
            except RangeMessageError as error:
                is_refused = True
                with self._lock:
                    if self._messages.get(nearest) is message:
                        self._drop(nearest)
                    self.refused += 1
                    self.refusal = why = (
                        f"a message on {self.topic} was rejected: {error}; correct its driver"
                    )
                continue
            self.refusal = ""
            try:
                return Measurement(points, self._to_camera(message, header, settings)), ""
            except (LookupError, ValueError) as error:
                return None, str(error)

    def _to_camera(
        self, message: PointCloud2 | LaserScan, header: Header, settings: ScaleSettings
    ) -> Tensor:
        if settings.transform == "given":
            return settings.extrinsics.extrinsics().matrix()
        if self._lookup is None:
            raise LookupError(
                "tf2_ros is not installed, so the pose of the range sensor is unknown: set "
                "scale.transform to given and scale.extrinsics"
            )
        source, target = message.header.frame_id, header.frame_id
        if not source or not target:
            raise LookupError(
                f"no frame in the {'messages on ' + self.topic if not source else 'image'}: "
                "without one there is no transform"
            )
        found = self._lookup.find(target, source, message.header.stamp)
        return transform_matrix(found.transform)

    def _drop(self, stamp: int) -> None:
        message = self._messages.pop(stamp, None)
        if message is not None:
            self._bytes -= _size(message)


def _size(message: PointCloud2 | LaserScan) -> int:
    return len(message.data) if isinstance(message, PointCloud2) else 4 * len(message.ranges)
