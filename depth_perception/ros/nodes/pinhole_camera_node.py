"""Images of pinhole cameras with their CameraInfo, rectified; base of the nodes for them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import Pinhole
from ...geometry.calibration import Calibration, View
from ...limits import printable
from ..inputs.camera_info_sync import Arrival, InfoMatcher
from ..messages.buffers import Staging
from ..parameters.pinhole import PinholeCameraSettings, Sync
from .depth_node import DepthNode
from .qos import input_profile, profile

S = TypeVar("S", bound=PinholeCameraSettings)


@dataclass(frozen=True)
class PinholeImage:
    """A pinhole image, rectified if it was distorted.

    Attributes:
        image: (H, W, 3) uint8 RGB on the requested device.
        camera: its pixel grid.
        unseen: (H, W) bool, pixels without content after rectification; None: there are none.
    """

    image: Tensor
    camera: Pinhole
    unseen: Tensor | None


class PinholeCameraNode(DepthNode[S]):
    """A node whose images need intrinsics, from ``camera_info`` or assumed.

    The thread of the executor pairs messages; the worker thread reads the intrinsics of each pair.
    """

    def __init__(self, name: str, settings_type: type[S], **options: Any) -> None:
        self._matcher = InfoMatcher(Sync.EXACT)
        self._views: tuple[Calibration, View] | None = None
        self._view_device = torch.device("cpu")
        self._staging = Staging()
        self._notes: tuple[str, ...] = ()
        super().__init__(name, settings_type, **options)

    def subscribe(self, settings: S) -> None:
        self._matcher = InfoMatcher(Sync(settings.camera_info.sync))
        topic = (CameraInfo, "camera_info", self._on_info)
        self.make_subscription(*topic, input_profile(30))  # an image may wait for any of them
        if self._matcher.sync is Sync.LATEST:  # latched messages need a latched subscription
            self.make_subscription(*topic, profile(1, latched=True), is_optional=True)
        super().subscribe(settings)

    def receive(self, arrival: Arrival) -> None:
        settings, since_s = self.settings.camera_info, self._matcher.unmatched_since_s
        if (
            self._matcher.latest is None
            and settings.fallback_fov_deg > 0
            and since_s is not None
            and arrival.arrived_s - since_s >= settings.timeout_s
        ):  # the intrinsics are assumed
            self._take(arrival, self._matcher.clear_images())
        else:
            self._take(*self._matcher.add_image(arrival))

    def unload(self) -> None:
        super().unload()
        self._matcher = InfoMatcher(Sync.EXACT)
        self._views = None
        self._notes = ()

    def warnings(self) -> Sequence[str]:
        return [*self._notes, *self._unmatched()]

    def _unmatched(self) -> Sequence[str]:
        limit_s, now_s = self.settings.camera_info.timeout_s, time.monotonic()
        since_s, fov = self._matcher.unmatched_since_s, self.settings.camera_info.fallback_fov_deg
        if since_s is None or now_s - since_s < limit_s:
            return ()
        topic, waited = self.resolve_topic_name("camera_info"), f"{now_s - since_s:.0f} s"
        if self._matcher.latest is not None:
            return (
                f"no camera_info with the stamp of an image for {waited}, but others arrive on "
                f"{topic}: if the latest one is valid for all images, set camera_info.sync to "
                "latest",
            )
        if fov > 0:
            return (
                f"no camera_info on {topic} for {waited}: the intrinsics are assumed, with a "
                f"horizontal field of view of {fov:g} degrees",
            )
        return (
            f"no camera_info on {topic} for {waited}: images are dropped. Check the topic, or set "
            "camera_info.fallback_fov_deg",
        )

    def forget(self) -> None:
        for _ in range(self._matcher.clear()):
            self.statistics.dropped("clock jump")

    def pinhole_image(self, arrival: Arrival, settings: S, device: torch.device) -> PinholeImage:
        """The image of an arrival as that of a pinhole camera.

        Raises:
            ValueError: the image cannot be read, its CameraInfo is not that of a pinhole camera or
                belongs to another image, or it is distorted and ``rectify`` is false.
        """
        image = self._staging.upload(self.read(arrival.message, settings), device)
        info, notes, height, width = arrival.info, [], *image.shape[:2]
        if info is not None:
            notes += self._foreign_frame(arrival.message.header, info.header, settings)
            calibration = Calibration.of(
                info, rectify=settings.rectify, is_rectified=settings.image_is_rectified
            )
            if calibration.is_empty and settings.camera_info.fallback_fov_deg > 0:
                info = None
                notes.append(
                    f"camera_info on {self.resolve_topic_name('camera_info')} has K = 0 (not "
                    "calibrated): the intrinsics are assumed, with a horizontal field of view of "
                    f"{settings.camera_info.fallback_fov_deg:g} degrees"
                )
        self._notes = tuple(notes)
        if info is None:
            fov = math.radians(settings.camera_info.fallback_fov_deg)
            return PinholeImage(image, Pinhole.from_fov(height, width, fov), None)
        view = self._view(calibration, (height, width), device)
        return PinholeImage(view.apply(image), view.camera, view.unseen)

    def _foreign_frame(self, image: Header, info: Header, settings: S) -> Iterator[str]:
        """A warning if image and CameraInfo name different frames; ValueError if that matters."""
        frames = image.frame_id, info.frame_id.lstrip("/")
        if not all(frames) or frames[0] == frames[1]:
            return
        names = [repr(printable(name, 80)) for name in frames]
        text = f"the image is of frame {names[0]} but its camera_info of {names[1]}: "
        if settings.camera_info.require_same_frame:
            raise ValueError(f"{text}connect the camera_info of this camera")
        yield f"{text}the frame of the image is used; make sure that they are of one camera"

    def _view(self, calibration: Calibration, size: tuple[int, int], device: torch.device) -> View:
        """The last view, unless the message, the parameters or the device changed."""
        if self._views is None or self._views[0] != calibration or self._view_device != device:
            view = calibration.view(size).to(device)
            self._views, self._view_device = (calibration, view), device
        return self._views[1]

    def _on_info(self, info: CameraInfo) -> None:
        self._take(*self._matcher.add_info(info))

    def _take(self, complete: Arrival | None, given_up: int) -> None:
        for _ in range(given_up):
            self.statistics.dropped("no camera_info")
        if complete is not None:
            self.offer(complete)
