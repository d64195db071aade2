"""The depth image with its CameraInfo and its scale."""

from __future__ import annotations

from sensor_msgs.msg import CameraInfo, Image

from depth_perception.msg import DepthScale

from ..messages.buffers import PayloadBuffer
from ..messages.depth_scale import scale_message
from ..messages.images import depth_message
from .output import Frame, MakePublisher, Output, has_listener, info_message


class DepthOutput(Output):
    """``depth/image`` (or ``depth/relative``), ``depth/camera_info`` and ``depth/scale``."""

    def __init__(self, make: MakePublisher) -> None:
        self._image = make(Image, "depth/image")
        self._relative = make(Image, "depth/relative")
        self._info = make(CameraInfo, "depth/camera_info")
        self._scale = make(DepthScale, "depth/scale")
        self._buffer = PayloadBuffer()
        super().__init__(self._image, self._relative, self._info, self._scale)

    def publish(self, frame: Frame) -> None:
        prediction = frame.prediction
        publisher = self._image if prediction.is_metric else self._relative
        if has_listener(publisher):
            values = prediction.depth if prediction.is_metric else prediction.values
            publisher.publish(depth_message(frame.header, values, prediction.valid, self._buffer))
        if has_listener(self._info):
            self._info.publish(info_message(frame.header, prediction.camera))
        if has_listener(self._scale):
            self._scale.publish(scale_message(frame.header, prediction, frame.report))
