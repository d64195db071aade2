"""Topics with segments, one class for each group. Only topics with subscribers are computed.

They need frames whose prediction has segments, of pinhole cameras or panoramas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from sensor_msgs.msg import CameraInfo, Image
from torch import Tensor
from visualization_msgs.msg import MarkerArray

from depth_perception.msg import InstanceDepthArray

from ...io.segment_colours import overlay, segment_palette
from ...prediction import Prediction
from ...segment_classes import PanopticClass
from ..compat.optional import Detection3DArray
from ..messages.buffers import PayloadBuffer
from ..messages.frames import info_message
from ..messages.images import image_message
from ..messages.instance_depth import instance_statistics
from ..messages.instances import detection_array, instance_array, marker_array
from ..parameters.segments import InstanceSettings, MarkerSettings, SegmentSettings
from .cloud import CloudOutput
from .output import Frame, MakePublisher, Output, has_listener


class SegmentOutput(Output):
    """``panoptic/image``, ``panoptic/camera_info`` and ``panoptic/overlay``."""

    def __init__(
        self,
        make: MakePublisher,
        classes: Sequence[PanopticClass],
        settings: Callable[[], SegmentSettings],
    ) -> None:
        self._image = make(Image, "panoptic/image")
        self._info = make(CameraInfo, "panoptic/camera_info")
        self._overlay = make(Image, "panoptic/overlay")
        self._colours = [entry.colour for entry in classes]
        self._settings = settings
        self._image_buffer, self._overlay_buffer = PayloadBuffer(), PayloadBuffer()
        super().__init__(self._image, self._info, self._overlay)

    def publish(self, frame: Frame) -> None:
        prediction, header = frame.prediction, frame.header
        segments = prediction.segment_map
        if has_listener(self._image):
            self._image.publish(image_message(header, segments, "32SC1", self._image_buffer))
        if has_listener(self._info):
            self._info.publish(info_message(header, prediction.camera))
        if has_listener(self._overlay):
            palette = segment_palette(prediction.instances, self._colours)
            drawn = overlay(frame.image, segments, palette, self._settings().overlay_opacity)
            self._overlay.publish(image_message(header, drawn, "rgb8", self._overlay_buffer))


class LabelledCloudOutput(CloudOutput):
    """``depth/points`` with the fields ``label`` and ``instance``, both uint32.

    ``instance`` is the id of the segment, 0 for none. ``label`` is its class number, 4294967295 for
    none, which is -1 as int32.
    """

    def labels(self, prediction: Prediction) -> Tensor | None:
        segments = prediction.segment_map
        table = torch.full((1 + max((i.id for i in prediction.instances), default=0),), -1)
        for instance in prediction.instances:
            table[instance.id] = instance.class_id
        classes = table.to(segments.device, torch.int32)[segments.long()]
        return torch.stack((classes, segments), -1)


class InstanceOutput(Output):
    """``instances``, ``instances/markers`` and, with vision_msgs, ``instances/detections``.

    Markers and detections need metric depth.
    """

    def __init__(
        self,
        make: MakePublisher,
        classes: Sequence[PanopticClass],
        instances: Callable[[], InstanceSettings],
        markers: Callable[[], MarkerSettings],
    ) -> None:
        self._array = make(InstanceDepthArray, "instances")
        self._markers = make(MarkerArray, "instances/markers")
        self._detections = None
        if Detection3DArray is not None:
            self._detections = make(Detection3DArray, "instances/detections")
        super().__init__(*filter(None, (self._array, self._markers, self._detections)))
        self._colours = [entry.colour for entry in classes]
        self._instance_settings, self._marker_settings = instances, markers

    def publish(self, frame: Frame) -> None:
        if not self.is_wanted():
            return
        header, prediction, settings = frame.header, frame.prediction, self._instance_settings()
        found = instance_statistics(prediction, settings.options())
        if has_listener(self._array):
            self._array.publish(instance_array(header, prediction, found, settings.masks))
        placed = found if prediction.is_metric else ()
        if has_listener(self._markers):
            settings = self._marker_settings()
            self._markers.publish(marker_array(header, placed, self._colours, settings))
        if self._detections is not None and has_listener(self._detections):
            self._detections.publish(detection_array(header, placed))
