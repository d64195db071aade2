"""Metric depth of the frames of a video, with a scale that does not jitter."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ...prediction import DepthSpace, Prediction
from ...scale import FilterOptions, FilterStatus, FitModel, ScaleFilter, ScaleFit

# what differs between neighbouring frames is mostly the network that gives the metres
VIDEO_FILTER = FilterOptions(scale_noise=0.05, shift_noise=0.05)
_SAME_SCENE = 0.9  # correlation of two frames of one scene
_THUMBNAIL = (24, 32)
_LEAST_DEPTH_M = 1e-3


class SteadyScale:
    """Smooths the alignment of predictions that were fitted frame by frame in log(depth + 1).

    Pixel-Perfect Depth returns such predictions. With a fixed noise field its relative values
    hardly change from frame to frame, but the metric depths it is fitted to do. A jump of the fit
    is rejected at first, unless the values changed as well (a scene cut): then smoothing starts
    again. Predictions without such a fit, and those that are not metric, are returned unchanged.
    """

    def __init__(self, options: FilterOptions | None = None) -> None:
        self._filter = ScaleFilter(options or VIDEO_FILTER)
        self._pivot = 0.0
        self._last: Tensor | None = None

    def reset(self) -> None:
        """Clear all state."""
        self._filter.reset()
        self._last = None

    def update(self, prediction: Prediction, stamp_s: float) -> Prediction:
        """The prediction with the smoothed scale and shift.

        Args:
            prediction: of the next frame.
            stamp_s: its time in seconds; when it runs backwards, smoothing starts again.

        Raises:
            ValueError: the time is not finite.
        """
        fit = prediction.fit
        if (
            fit is None
            or fit.model is not FitModel.LOG1P_DEPTH
            or prediction.space is not DepthSpace.DEPTH
            or not prediction.is_metric
        ):
            return prediction
        values = (prediction.values.log1p() - fit.shift) / fit.scale
        usable = torch.where(prediction.valid, values, torch.nan)
        thumbnail = _thumbnail(usable)
        if self._last is None:
            self._pivot = float(usable.nanmedian())
        estimate = self._filter.update(self._pivoted(fit), stamp_s)
        if estimate.status is FilterStatus.HELD and not _alike(thumbnail, self._last):
            self._filter.reset()
            self._pivot = float(usable.nanmedian())
            estimate = self._filter.update(self._pivoted(fit), stamp_s)
        self._last = thumbnail
        smooth = estimate.fit
        smooth = replace(smooth, shift=smooth.shift - smooth.scale * self._pivot)
        depth = (smooth.scale * values + smooth.shift).expm1().clamp_min(_LEAST_DEPTH_M)
        return replace(prediction, values=depth, fit=smooth)

    def _pivoted(self, fit: ScaleFit) -> ScaleFit:
        """The fit with its shift at the pivot, where it does not depend on the scale."""
        return replace(fit, shift=fit.shift + fit.scale * self._pivot, shift_sigma=0.0)


def _thumbnail(values: Tensor) -> Tensor:
    """Few values of a map, NaN where not valid."""
    return F.interpolate(values[None, None], _THUMBNAIL, mode="nearest-exact")[0, 0]


def _alike(now: Tensor, before: Tensor | None) -> bool:
    """Whether two thumbnails show one scene."""
    if before is None:
        return True
    both = torch.isfinite(now) & torch.isfinite(before)
    if int(both.sum()) < 3:
        return False
    return float(torch.corrcoef(torch.stack((now[both], before[both])))[0, 1]) > _SAME_SCENE
