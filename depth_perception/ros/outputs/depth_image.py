"""The depth image with its CameraInfo and its scale."""

from __future__ import annotations

import math

from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from depth_perception.msg import DepthScale

from ...prediction import DepthSpace, Prediction
from ...scale import ScaleReport, ScaleStatus
from ..messages.buffers import PayloadBuffer
from ..messages.frames import info_message
from ..messages.images import depth_message
from .output import Frame, MakePublisher, Output, has_listener

_SPACES = {
    DepthSpace.DEPTH: DepthScale.KIND_DEPTH,
    DepthSpace.INVERSE_DEPTH: DepthScale.KIND_INVERSE_DEPTH,
    DepthSpace.LOG_DEPTH: DepthScale.KIND_LOG_DEPTH,
    DepthSpace.LOG1P_DEPTH: DepthScale.KIND_LOG1P_DEPTH,
}


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


def scale_message(
    header: Header, prediction: Prediction, report: ScaleReport | None = None
) -> DepthScale:
    """How the values of the network became metres: of their own, by a fit, or not at all.

    After a fit, ``kind`` is the space of the fit. If only the source is known, the numbers are NaN.
    A scale of earlier images alone has no inliers, and " (held)" after the name of its source.
    The sigma of ``report``, if any, replaces that of the fit.
    """
    unknown = dict.fromkeys(("scale", "shift", "sigma"), math.nan)
    message = DepthScale(header=header, **unknown, source="none", kind=_SPACES[prediction.space])
    message.is_metric = prediction.is_metric
    if not prediction.is_metric:
        return message
    fit = prediction.fit
    message.source = prediction.fit_source or ("model" if fit is None else "fit")
    if fit is not None:
        message.scale, message.shift, message.kind = fit.scale, fit.shift, _SPACES[fit.model.space]
        message.sigma = abs(fit.scale_sigma / fit.scale) if fit.scale else math.nan
        message.inliers = fit.inliers
    elif not prediction.fit_source:
        message.scale, message.shift = 1.0, 0.0
    if report is not None and math.isfinite(report.sigma_ratio):
        message.sigma = report.sigma_ratio
    if report is not None and report.status is ScaleStatus.HELD:
        message.source, message.inliers = f"{message.source} (held)", 0
    return message
