"""Pinhole views of a panorama."""

from __future__ import annotations

import torch
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from ...geometry import Panel
from ..messages.buffers import PayloadBuffer
from ..messages.frames import derived_optical_frame, info_message
from ..messages.images import depth_message, image_message
from .output import Frame, MakePublisher, Output, has_listener


class PanelOutput(Output):
    """``panels/NAME/{image,depth,camera_info}``: pinhole views of a panorama."""

    def __init__(self, make: MakePublisher, panel: Panel) -> None:
        self.panel = panel
        self._image = make(Image, f"panels/{panel.name}/image")
        self._depth = make(Image, f"panels/{panel.name}/depth")
        self._info = make(CameraInfo, f"panels/{panel.name}/camera_info")
        self._image_buffer, self._depth_buffer = PayloadBuffer(), PayloadBuffer()
        super().__init__(self._image, self._depth, self._info)

    def publish(self, frame: Frame) -> None:
        prediction, header = frame.prediction, self.header(frame.header)
        if has_listener(self._image):
            height, width = frame.image.shape[:2]
            planes = frame.image.to(prediction.values.device).permute(2, 0, 1)
            view = self.panel.cut_image(planes, prediction.camera.resize(height, width))
            message = image_message(header, view.permute(1, 2, 0), "rgb8", self._image_buffer)
            self._image.publish(message)
        if has_listener(self._depth) and prediction.is_metric:
            distance = torch.where(prediction.valid, prediction.depth, torch.nan)
            z = self.panel.cut_depth(distance, prediction.camera, prediction.kind, "bilinear")
            self._depth.publish(depth_message(header, z, torch.isfinite(z), self._depth_buffer))
        if has_listener(self._info):
            self._info.publish(info_message(header, self.panel.camera))

    def header(self, source: Header) -> Header:
        """Header of the panel: its own optical frame, the stamp of the image."""
        frame = derived_optical_frame(source.frame_id, self.panel.name)
        return Header(stamp=source.stamp, frame_id=frame)
