"""The calibrations of an image topic of a bag."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..geometry.calibration import Calibration, View
from ..limits import CALIBRATION_MESSAGES
from .bag_reader import Bag, BagReadError
from .bags import messages_of

INFO_TYPE = "sensor_msgs/msg/CameraInfo"


class BagCameras:
    """The cameras of the images of a topic, from its CameraInfo, as the nodes use them.

    The CameraInfo topic is the sibling ``camera_info`` of the image topic, else the only one with
    the frame of the images. Images on topics named ``image_rect...`` are rectified already.

    Args:
        path: the bag.
        image_topic: of the images.
        frame_id: of the images.
        info_topic: the CameraInfo topic, if its name does not say whose it is.
        rectify: whether distorted images are rectified; if not, they are rejected.

    Attributes:
        topic: the CameraInfo topic; "" without one.
        remark: what is used, or why none is.

    Raises:
        BagReadError: the bag has no topic ``info_topic`` of CameraInfo messages.
    """

    def __init__(
        self,
        path: str | Path,
        image_topic: str,
        frame_id: str,
        info_topic: str | None = None,
        *,
        rectify: bool = True,
    ) -> None:
        self.remark = ""
        self._stamps: list[int] = []
        self._calibrations: list[Calibration] = []
        with Bag(path) as bag:
            infos = [c for c in bag.connections if c.msgtype == INFO_TYPE and c.msgcount]
            names = sorted({c.topic for c in infos})
            frames = {} if info_topic else {n: _frame_of(bag, infos, n) for n in names}
            self.topic = _choose(path, names, frames, image_topic, frame_id, info_topic)
            if not self.topic:
                if names:
                    self.remark = (
                        f"the camera_info on {', '.join(names)} is not used: none is that of "
                        f"{image_topic} by name or frame; --info-topic names it"
                    )
                return
            found = [c for c in infos if c.topic == self.topic]
            CALIBRATION_MESSAGES.check(sum(c.msgcount for c in found), f"{self.topic} is too long")
            is_rectified = _base(image_topic).rsplit("/", 1)[-1].startswith("image_rect")
            for frame in messages_of(bag, found):
                if frame.message is not None:
                    self._add(frame.stamp_ns, frame.message, rectify, is_rectified)
        if self._calibrations and all(c.is_empty for c in self._calibrations):
            self._calibrations.clear()
            self.remark = f"{self.topic} is that of an uncalibrated camera (K = 0) and not used"

    def view(self, stamp_ns: int, height: int, width: int) -> View | None:
        """How an image becomes that of a pinhole camera; None if nothing is known about it.

        The calibration is the last one up to the time of the image, else the first.

        Raises:
            ValueError: it does not describe a pinhole camera, or that of an image of another size.
        """
        if not self._calibrations:
            return None
        order = max(0, bisect_right(self._stamps, stamp_ns) - 1)
        calibration = self._calibrations[order]
        if not (calibration.height or calibration.width):
            calibration = replace(calibration, height=height, width=width)
        try:
            view = _view(calibration, (height, width))
        except ValueError as error:
            raise ValueError(
                f"{self.topic}: {error} (--info-topic names another topic, --fov replaces it)"
            ) from error
        kind = "" if view.grid is None else f", rectified ({calibration.model})"
        self.remark = f"camera from {self.topic}{kind}"
        return view

    def _add(self, stamp_ns: int, message: Any, rectify: bool, is_rectified: bool) -> None:
        calibration = Calibration.of(message, rectify=rectify, is_rectified=is_rectified)
        if not self._calibrations or calibration != self._calibrations[-1]:
            self._stamps.append(stamp_ns)
            self._calibrations.append(calibration)


@lru_cache(maxsize=2)
def _view(calibration: Calibration, size: tuple[int, int]) -> View:
    return calibration.view(size)


def _base(image_topic: str) -> str:
    """The topic without the suffix of a transport."""
    base, _, last = image_topic.rpartition("/")
    return base if last in ("compressed", "theora", "ffmpeg", "zstd") else image_topic


def _frame_of(bag: Bag, infos: Sequence[Any], topic: str) -> str:
    first = next(messages_of(bag, [c for c in infos if c.topic == topic]), None)
    return "" if first is None else first.frame_id.strip("/")


def _choose(
    path: str | Path,
    names: Sequence[str],
    frames: dict[str, str],
    image_topic: str,
    frame_id: str,
    wanted: str | None,
) -> str:
    if wanted is not None:
        if found := [name for name in names if name.strip("/") == wanted.strip("/")]:
            return found[0]
        raise BagReadError(
            f"{path} has no camera_info topic {wanted!r}; it has {', '.join(names) or 'none'}"
        )
    sibling = f"{_base(image_topic).rpartition('/')[0]}/camera_info"
    if sibling in names:
        return sibling
    same = [name for name in names if frame_id and frames[name] == frame_id.strip("/")]
    return same[0] if len(same) == 1 else ""
