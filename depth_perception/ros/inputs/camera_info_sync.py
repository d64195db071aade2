"""Pairing of images with their CameraInfo."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from ..parameters.pinhole import Sync

ImageMessage = Image | CompressedImage

_KEPT_INFOS = 64
_WAITING_IMAGES = 4


@dataclass(frozen=True)
class Arrival:
    """An image to be processed.

    Attributes:
        message: the image.
        arrived_s: time of arrival, monotonic seconds.
        info: its CameraInfo, in nodes that need one; None if intrinsics are assumed.
    """

    message: ImageMessage
    arrived_s: float
    info: CameraInfo | None = None


class InfoMatcher:
    """Finds the CameraInfo of each image; of several complete images the newest one is used.

    With ``Sync.EXACT`` image and CameraInfo may arrive in either order; a few images wait. Times
    are arguments. Not thread-safe.

    Attributes:
        latest: the last CameraInfo; None before the first.
        unmatched_since_s: arrival of the first unmatched image since the last match; None while all
            are matched.
    """

    def __init__(self, sync: Sync) -> None:
        self.sync = sync
        self.latest: CameraInfo | None = None
        self.unmatched_since_s: float | None = None
        self._infos: OrderedDict[int, CameraInfo] = OrderedDict()
        self._images: OrderedDict[int, Arrival] = OrderedDict()

    def add_image(self, arrival: Arrival) -> tuple[Arrival | None, int]:
        """The image with its CameraInfo if that is known, and the number of images dropped."""
        stamp = stamp_ns(arrival.message.header)
        info = self.latest if self.sync is Sync.LATEST else self._infos.get(stamp)
        if info is not None:
            return self._matched(stamp, arrival, info)
        if self.unmatched_since_s is None:
            self.unmatched_since_s = arrival.arrived_s
        if self.sync is Sync.LATEST:  # later ones may be of another camera pose
            return None, 1
        self._images.pop(stamp, None)
        self._images[stamp] = arrival
        dropped = max(0, len(self._images) - _WAITING_IMAGES)
        for _ in range(dropped):
            self._images.popitem(last=False)
        return None, dropped

    def add_info(self, info: CameraInfo) -> tuple[Arrival | None, int]:
        """The image that this CameraInfo completes, and the number of older ones dropped."""
        self.latest = info
        if self.sync is Sync.LATEST:
            return None, 0
        stamp = stamp_ns(info.header)
        self._infos[stamp] = info
        while len(self._infos) > _KEPT_INFOS:
            self._infos.popitem(last=False)
        arrival = self._images.get(stamp)
        return (None, 0) if arrival is None else self._matched(stamp, arrival, info)

    def clear(self) -> int:
        """Clear all waiting messages but the latest CameraInfo; the number of images."""
        self._infos.clear()
        self.unmatched_since_s = None
        return self.clear_images()

    def clear_images(self) -> int:
        """Clear the waiting images; their number."""
        count = len(self._images)
        self._images.clear()
        return count

    def _matched(
        self, stamp: int, arrival: Arrival, info: CameraInfo
    ) -> tuple[Arrival | None, int]:
        self.unmatched_since_s = None
        self._images.pop(stamp, None)
        older = [k for k, image in self._images.items() if image.arrived_s <= arrival.arrived_s]
        for other in older:
            del self._images[other]
        return replace(arrival, info=info), len(older)


def stamp_ns(header: Header) -> int:
    """The stamp of a header, nanoseconds."""
    return header.stamp.sec * 1_000_000_000 + header.stamp.nanosec
