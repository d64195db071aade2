"""Recorded depth against ground truth, frame by frame, without alignment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Depth = NDArray[np.float32]

DELTA1_RATIO = 1.25
MAX_DEPTH_M = 20.0


@dataclass(frozen=True)
class FrameScore:
    """One frame against its ground truth.

    Attributes:
        stamp_ns: header stamp of the frame, nanoseconds.
        abs_rel: mean of \\|predicted - true\\| / true.
        delta1: share of pixels with max(predicted / true, true / predicted) < 1.25.
        coverage: share of the pixels with ground truth that also have a predicted depth.
    """

    stamp_ns: int
    abs_rel: float
    delta1: float
    coverage: float


@dataclass(frozen=True)
class Comparison:
    """Scores of all frames that have both a depth image and ground truth.

    Attributes:
        frames: in order of time.
        abs_rel, delta1, coverage: means over the frames, NaN without any.
    """

    frames: tuple[FrameScore, ...]
    abs_rel: float
    delta1: float
    coverage: float

    @property
    def is_finite(self) -> bool:
        """Whether all scores are finite."""
        return all(map(math.isfinite, (self.abs_rel, self.delta1, self.coverage)))


def score_frame(
    stamp_ns: int, predicted_m: Depth, ground_truth_m: Depth, max_depth_m: float = MAX_DEPTH_M
) -> FrameScore:
    """Scores of one depth image, (h, w) metres, against its ground truth, (H, W) metres.

    Pixels count where 0 < ground truth <= ``max_depth_m``. The prediction is sampled at the nearest
    pixel if the sizes differ. Pixels without a prediction (NaN, infinite or not positive)
    lower ``coverage`` and do not count in the errors, which are NaN without any pixel.
    """
    predicted = on_grid(predicted_m, *ground_truth_m.shape).astype(np.float64)
    wanted = usable(ground_truth_m, max_depth_m)
    covered = wanted & usable(predicted)
    if not covered.any():
        return FrameScore(stamp_ns, math.nan, math.nan, 0.0)
    answer, truth = predicted[covered], ground_truth_m[covered].astype(np.float64)
    ratio = np.maximum(answer / truth, truth / answer)
    return FrameScore(
        stamp_ns=stamp_ns,
        abs_rel=float(np.mean(np.abs(answer - truth) / truth)),
        delta1=float(np.mean(ratio < DELTA1_RATIO)),
        coverage=float(covered.sum() / wanted.sum()),
    )


def compare(
    predicted_m: Mapping[int, Depth],
    ground_truth_m: Mapping[int, Depth],
    max_depth_m: float = MAX_DEPTH_M,
) -> Comparison:
    """Scores of all depth images that have ground truth of the same stamp, in order of time.

    Both mappings go from the header stamp in nanoseconds to a depth map in metres.
    """
    frames = tuple(
        score_frame(stamp, predicted_m[stamp], ground_truth_m[stamp], max_depth_m)
        for stamp in sorted(predicted_m.keys() & ground_truth_m.keys())
    )
    means = (
        float(np.mean([getattr(frame, name) for frame in frames])) if frames else math.nan
        for name in ("abs_rel", "delta1", "coverage")
    )
    return Comparison(frames, *means)


def relative_error(
    predicted_m: Depth, ground_truth_m: Depth, max_depth_m: float = MAX_DEPTH_M
) -> Depth:
    """Signed relative error (predicted - true) / true, (H, W); NaN where either is unknown."""
    predicted = on_grid(predicted_m, *ground_truth_m.shape)
    counts = usable(ground_truth_m, max_depth_m) & usable(predicted)
    error = np.full(ground_truth_m.shape, np.nan, np.float32)
    np.divide(predicted - ground_truth_m, ground_truth_m, out=error, where=counts)
    return error


def usable(depth_m: Depth, max_depth_m: float = math.inf) -> NDArray[np.bool_]:
    """Which depths are finite, positive and at most ``max_depth_m``."""
    return np.isfinite(depth_m) & (depth_m > 0) & (depth_m <= max_depth_m)


def on_grid(values: Depth, height: int, width: int) -> Depth:
    """Nearest-pixel resampling of (h, w) values to (height, width)."""
    if values.shape == (height, width):
        return values
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(np.intp)
    return values[rows[:, None], columns[None, :]]
