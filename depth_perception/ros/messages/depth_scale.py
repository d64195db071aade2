"""The message DepthScale: how the values of a depth map became metres.

Its content comes from ``fit`` and ``fit_source`` of the prediction, which
:mod:`depth_perception.scale` sets.
"""

from __future__ import annotations

import math

from std_msgs.msg import Header

from depth_perception.msg import DepthScale

from ...prediction import DepthSpace, Prediction
from ...scale import ScaleReport, ScaleStatus

_SPACES = {
    DepthSpace.DEPTH: DepthScale.KIND_DEPTH,
    DepthSpace.INVERSE_DEPTH: DepthScale.KIND_INVERSE_DEPTH,
    DepthSpace.LOG_DEPTH: DepthScale.KIND_LOG_DEPTH,
    DepthSpace.LOG1P_DEPTH: DepthScale.KIND_LOG1P_DEPTH,
}


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
