"""Recorded depth against ground truth, frame by frame, without any alignment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
    """Scores of all frames that have both a depth image and a ground truth."""

    frames: tuple[FrameScore, ...]

    @property
    def abs_rel(self) -> float:
        """Mean over the frames, NaN when there are none."""
        return _mean([frame.abs_rel for frame in self.frames])

    @property
    def delta1(self) -> float:
        """Mean over the frames, NaN when there are none."""
        return _mean([frame.delta1 for frame in self.frames])

    @property
    def coverage(self) -> float:
        """Mean over the frames, NaN when there are none."""
        return _mean([frame.coverage for frame in self.frames])

    @property
    def is_finite(self) -> bool:
        """Whether every figure is a number."""
        return all(map(math.isfinite, (self.abs_rel, self.delta1, self.coverage)))


def score_frame(
    stamp_ns: int, predicted_m: Depth, truth_m: Depth, max_depth_m: float = MAX_DEPTH_M
) -> FrameScore:
    """Judge one depth image, (h, w) metres, by its ground truth, (H, W) metres.

    Pixels count where 0 < truth <= ``max_depth_m``. The prediction is read at the nearest of its
    own pixels when the grids differ. Pixels without a prediction (NaN, infinite or not positive)
    lower ``coverage`` and are left out of the errors; with none left those are NaN.
    """
    predicted = on_grid(predicted_m, truth_m.shape[0], truth_m.shape[1]).astype(np.float64)
    wanted = np.isfinite(truth_m) & (truth_m > 0) & (truth_m <= max_depth_m)
    covered = wanted & np.isfinite(predicted) & (predicted > 0)
    if not covered.any():
        return FrameScore(stamp_ns, math.nan, math.nan, 0.0)
    answer, truth = predicted[covered], truth_m[covered].astype(np.float64)
    ratio = np.maximum(answer / truth, truth / answer)
    return FrameScore(
        stamp_ns=stamp_ns,
        abs_rel=float(np.mean(np.abs(answer - truth) / truth)),
        delta1=float(np.mean(ratio < DELTA1_RATIO)),
        coverage=float(covered.sum() / wanted.sum()),
    )


def compare(
    predicted_m: Mapping[int, Depth], truth_m: Mapping[int, Depth], max_depth_m: float = MAX_DEPTH_M
) -> Comparison:
    """Judge all depth images that have a ground truth of the same stamp, in order of time.

    Both mappings go from the header stamp in nanoseconds to a depth map in metres.
    """
    return Comparison(
        tuple(
            score_frame(stamp, predicted_m[stamp], truth_m[stamp], max_depth_m)
            for stamp in sorted(predicted_m.keys() & truth_m.keys())
        )
    )


def relative_error(predicted_m: Depth, truth_m: Depth, max_depth_m: float = MAX_DEPTH_M) -> Depth:
    """Signed relative error (predicted - true) / true, (H, W); NaN where a pixel does not count."""
    predicted = on_grid(predicted_m, truth_m.shape[0], truth_m.shape[1])
    counts = np.isfinite(truth_m) & (truth_m > 0) & (truth_m <= max_depth_m)
    counts &= np.isfinite(predicted) & (predicted > 0)
    error = np.full(truth_m.shape, np.nan, np.float32)
    np.divide(predicted - truth_m, truth_m, out=error, where=counts)
    return error


def on_grid(values: Depth, height: int, width: int) -> Depth:
    """Nearest-pixel resampling of (h, w) values to (height, width)."""
    if values.shape == (height, width):
        return values
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(np.intp)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(np.intp)
    return values[rows[:, None], columns[None, :]]


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
