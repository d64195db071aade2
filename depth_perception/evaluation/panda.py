"""The protocol of PanDA (Cao et al., CVPR 2025) on panoramas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..data.frames import PanoramaFrame
from ..data.panoramas import nearest_map, resize_cubic
from .alignment import Alignment, aligned_depth
from .loop import EvaluationProtocol, Sample, Values
from .metrics import Metrics, depth_metrics
from .plain import range_sample

NETWORK_HEIGHT = 504
METRIC_HEIGHT = 512
"""Rows of image and ground truth where metres are scored; for relative models they are 504."""
MAX_DEPTH_M = 10.0
_METRIC_RANGE_M = (0.1, MAX_DEPTH_M)


@dataclass(frozen=True)
class PandaProtocol(EvaluationProtocol):
    """The nine metrics, plain mean over the panoramas; ground truth up to 10 m is scored.

    Relative values (scale and shift) are fitted to each panorama at 504 x 1008 and not clamped.
    Metres are compared at 512 x 1024 with both sides clamped to 0.1 .. 10 m, without a fit. (The
    released code raises the ground truth where a prediction exceeds 10 m, which those of its models
    cannot.) Images are resized by bicubic, range by nearest interpolation.

    Attributes:
        alignment: of each prediction to the ground truth of its frame.
        height: rows of image and ground truth; None takes the published ones.
    """

    alignment: Alignment
    height: int | None = None

    def sample(self, frame: Any) -> Sample:
        height = self.height
        if height is None:
            height = METRIC_HEIGHT if self.alignment is Alignment.NONE else NETWORK_HEIGHT
        return range_sample(at_height(frame, height), MAX_DEPTH_M)

    def score(self, prediction: Values, sample: Sample) -> Metrics:
        target, mask = sample.ground_truth, sample.mask
        depth = aligned_depth(prediction, target, mask, self.alignment, MAX_DEPTH_M)
        if self.alignment is Alignment.NONE:
            target, depth = clamp_metric(target), clamp_metric(depth)
        return depth_metrics(target[mask], depth[mask])


def clamp_metric(depth_m: Tensor) -> Tensor:
    """Depth within 0.1 .. 10 m, the range of PanDA's metric models."""
    return depth_m.clamp(*_METRIC_RANGE_M)


def at_height(frame: PanoramaFrame, height: int) -> PanoramaFrame:
    """A panorama resized to ``height`` x ``2 height``."""
    range_m = nearest_map(frame.range_m, height)
    name = getattr(frame, "name", "")
    return PanoramaFrame(resize_cubic(frame.rgb, height), torch.as_tensor(range_m), name)
