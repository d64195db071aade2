"""Panoptic quality and depth of a model over a data set, counted frame by frame.

Validation in training and ``depth-perception eval`` both use it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .metrics import Metrics, photo_metrics, tensor_mean_of
from .panoptic import (
    DPQ_THRESHOLDS,
    PanopticCounts,
    PanopticPair,
    PanopticQuality,
    PanopticRules,
    depth_steps,
    match_segments,
    panoptic_quality,
    with_good_depth,
)

MAX_DEPTH_M = 80.0
_LEAST_DEPTH_M = 1e-3  # what a prediction is raised to before its logarithm
Average = Literal["all", "occurring"]
Groups = tuple[float, float, float]
"""Values of all classes, things and stuff."""


@dataclass(frozen=True, eq=False)
class PanopticResult:
    """Prediction and ground truth of a frame, depth in metres.

    Attributes:
        segments: (H, W) integer segment map, predicted; negative without a segment.
        ground_truth: (H, W) integer segment map.
        depth_m: (H, W) predicted z-depth; None of models without depth.
        ground_truth_depth_m: (H, W), 0 where unknown.
        crowds: ground truth segments that are groups of objects, used in windows of one frame.
    """

    segments: Tensor
    ground_truth: Tensor
    depth_m: Tensor | None
    ground_truth_depth_m: Tensor
    crowds: tuple[int, ...] = ()

    def pair(self) -> PanopticPair:
        """The frame as the evaluator of DPQ reads it from files."""
        if self.depth_m is None:
            return PanopticPair(self.segments, self.ground_truth)
        depth = depth_steps(torch.nan_to_num(self.depth_m))
        ground_truth_depth = depth_steps(self.ground_truth_depth_m)
        return PanopticPair(self.segments, self.ground_truth, depth, ground_truth_depth)

    def depth_metrics(self) -> Metrics | None:
        """The ten metrics where the ground truth is known up to 80 m; None without such pixels."""
        target = self.ground_truth_depth_m
        known = (target > 0) & (target <= MAX_DEPTH_M)
        if self.depth_m is None or not known.any():
            return None
        depth = torch.nan_to_num(self.depth_m).clamp_min(_LEAST_DEPTH_M)
        return photo_metrics(depth[known], target[known])


@dataclass(frozen=True)
class PanopticRow:
    """What one frame adds to the counts.

    Attributes:
        counts: by length and threshold, of the window that ends with this frame; lengths for
            which the video is still too short are absent. At threshold 0 depth is ignored.
        depth: metrics of this frame.
    """

    counts: Mapping[tuple[int, float], PanopticCounts]
    depth: Metrics | None


class PanopticCounter:
    """Counts frames in the order of their videos.

    Args:
        rules: of the data set.
        depth: whether the model has depth.
        windows: numbers of successive frames that are matched as one image.
        thresholds: of DPQ, see :func:`~.panoptic.with_good_depth`.

    Raises:
        ValueError: a window is empty, or named twice.
    """

    def __init__(
        self,
        rules: PanopticRules,
        *,
        depth: bool,
        windows: Sequence[int] = (1,),
        thresholds: Sequence[float] = DPQ_THRESHOLDS,
    ) -> None:
        if not windows or min(windows) < 1 or len(set(windows)) < len(windows):
            raise ValueError(f"windows must be different numbers of frames, got {tuple(windows)}")
        self.rules, self.windows = rules, tuple(windows)
        self.thresholds = (0.0, *(thresholds if depth else ()))
        self._video: str | None = None
        self._frames: deque[tuple[Tensor, Mapping[float, Tensor]]] = deque(maxlen=max(windows))

    def row(self, frame: PanopticResult, video: str = "") -> PanopticRow:
        """Count a frame; windows do not reach from one video into the next.

        Raises:
            ValueError: the maps differ in shape.
        """
        if video != self._video:
            self._frames.clear()
            self._video = video
        pair = frame.pair()
        kept = {t: with_good_depth(pair, t, self.rules) for t in self.thresholds}
        self._frames.append((frame.ground_truth, kept))
        counts = {}
        for length in self.windows:
            if length > len(self._frames):
                continue
            window = list(self._frames)[-length:]
            ground_truth = torch.cat([of_frame for of_frame, _ in window], -1)
            crowds = frame.crowds if length == 1 else ()
            for threshold in self.thresholds:
                segments = torch.cat([maps[threshold] for _, maps in window], -1)
                found = match_segments(segments, ground_truth, self.rules, crowds)
                counts[length, threshold] = found
        return PanopticRow(counts, frame.depth_metrics())


@dataclass(frozen=True)
class PanopticScore:
    """The result of a data set.

    Attributes:
        rules: of the counts.
        counts: sums by window and threshold.
        frames: number of all frames. depth_frames: of those with depth and its ground truth.
        depth: mean metrics of the latter; None without any.
    """

    rules: PanopticRules
    counts: Mapping[tuple[int, float], PanopticCounts]
    frames: int
    depth_frames: int
    depth: Metrics | None

    @classmethod
    def of(cls, rows: Sequence[PanopticRow], rules: PanopticRules) -> PanopticScore:
        """The sum of rows."""
        counts: dict[tuple[int, float], PanopticCounts] = {}
        for row in rows:
            for key, found in row.counts.items():
                counts[key] = counts.get(key, PanopticCounts.none(rules.classes)) + found
        depths = [row.depth for row in rows if row.depth is not None]
        mean = tensor_mean_of(depths) if depths else None
        return cls(rules, counts, len(rows), len(depths), mean)

    @property
    def windows(self) -> tuple[int, ...]:
        """The window lengths."""
        return tuple(sorted({length for length, _ in self.counts}))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Depth thresholds in falling order; none without depth."""
        return tuple(sorted({t for _, t in self.counts if t > 0}, reverse=True))

    def quality(
        self, threshold: float = 0.0, *, window: int = 1, averaged: Average | None = None
    ) -> PanopticQuality:
        """Quality of one window and threshold; ``averaged`` None follows the rules.

        Raises:
            KeyError: there are no such counts.
        """
        rules = self.rules if averaged is None else replace(self.rules, averaged=averaged)
        return panoptic_quality(self.counts[window, threshold], rules)

    def dpq(self, *, window: int = 1, averaged: Average | None = None) -> Groups:
        """Mean over the depth thresholds, in percent; DVPQ for windows of several frames."""
        found = [self.quality(t, window=window, averaged=averaged).pq for t in self.thresholds]
        return tuple(torch.tensor(found, dtype=torch.float64).mean(0).tolist())
