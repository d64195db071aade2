"""Panoptic quality and depth of a model over a data set, counted frame after frame.

Validation in training and ``depth-perception eval`` count by this code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .nyu_kitti import PhotoMetrics, photo_metrics
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

MOST_DEPTH_M = 80.0
_LEAST_DEPTH_M = 1e-3  # what a prediction is raised to, as the logarithms of errors need it
Average = Literal["all", "occurring"]
Groups = tuple[float, float, float]
"""Of all classes, things and stuff."""


@dataclass(frozen=True, eq=False)
class JudgedFrame:
    """What was found in a frame, and what is true.

    Attributes:
        segments: (H, W) integer segment map that was predicted; negative where nothing is.
        truth: (H, W) integer segment map.
        depth_m: (H, W) predicted z-depth; None of models without depth.
        truth_depth_m: (H, W), 0 where unknown.
        crowds: true segments that are groups of objects; they count in windows of one frame.
    """

    segments: Tensor
    truth: Tensor
    depth_m: Tensor | None
    truth_depth_m: Tensor
    crowds: tuple[int, ...] = ()

    def pair(self) -> PanopticPair:
        """The frame as the evaluator of DPQ reads it from files."""
        if self.depth_m is None:
            return PanopticPair(self.segments, self.truth)
        depth = depth_steps(torch.nan_to_num(self.depth_m))
        return PanopticPair(self.segments, self.truth, depth, depth_steps(self.truth_depth_m))

    def depth_metrics(self) -> PhotoMetrics | None:
        """The numbers of monocular depth where the truth is known up to 80 m; None of nothing."""
        known = (self.truth_depth_m > 0) & (self.truth_depth_m <= MOST_DEPTH_M)
        if self.depth_m is None or not known.any():
            return None
        depth = torch.nan_to_num(self.depth_m).clamp_min(_LEAST_DEPTH_M)
        return photo_metrics(depth[known], self.truth_depth_m[known])


@dataclass(frozen=True)
class PanopticRow:
    """What is counted when a frame has come.

    Attributes:
        counts: by length and threshold, of the window that ends with this frame; lengths for
            which the video is still too short are absent. At threshold 0 depth does not count.
        depth: of this frame.
    """

    counts: Mapping[tuple[int, float], PanopticCounts]
    depth: PhotoMetrics | None


class PanopticJudge:
    """Counts frames in the order of their videos.

    Args:
        rules: of the data set.
        depth: whether the model has depth.
        windows: numbers of successive frames that are matched as one picture.
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

    def row(self, frame: JudgedFrame, video: str = "") -> PanopticRow:
        """Count a frame; windows do not reach from one video into the next.

        Raises:
            ValueError: the maps differ in shape.
        """
        if video != self._video:
            self._frames.clear()
            self._video = video
        pair = frame.pair()
        kept = {t: with_good_depth(pair, t, self.rules) for t in self.thresholds}
        self._frames.append((frame.truth, kept))
        counts = {}
        for length in self.windows:
            if length > len(self._frames):
                continue
            window = list(self._frames)[-length:]
            truth = torch.cat([of_frame for of_frame, _ in window], -1)
            crowds = frame.crowds if length == 1 else ()
            for threshold in self.thresholds:
                segments = torch.cat([maps[threshold] for _, maps in window], -1)
                found = match_segments(segments, truth, self.rules, crowds)
                counts[length, threshold] = found
        return PanopticRow(counts, frame.depth_metrics())


@dataclass(frozen=True)
class PanopticScore:
    """The sum over a data set.

    Attributes:
        rules: by which was counted.
        counts: by window and threshold.
        frames: that were judged. depth_frames: those whose depth is known.
        depth: mean over these; None without any.
    """

    rules: PanopticRules
    counts: Mapping[tuple[int, float], PanopticCounts]
    frames: int
    depth_frames: int
    depth: PhotoMetrics | None

    @classmethod
    def of(cls, rows: Sequence[PanopticRow], rules: PanopticRules) -> PanopticScore:
        """All rows together."""
        counts: dict[tuple[int, float], PanopticCounts] = {}
        for row in rows:
            for key, found in row.counts.items():
                counts[key] = counts.get(key, PanopticCounts.none(rules.classes)) + found
        numbers = [astuple(row.depth) for row in rows if row.depth is not None]
        depth = None
        if numbers:
            depth = PhotoMetrics(*torch.tensor(numbers, dtype=torch.float64).mean(0).tolist())
        return cls(rules, counts, len(rows), len(numbers), depth)

    @property
    def windows(self) -> tuple[int, ...]:
        """The lengths that were counted."""
        return tuple(sorted({length for length, _ in self.counts}))

    @property
    def thresholds(self) -> tuple[float, ...]:
        """Those of depth, falling; none without depth."""
        return tuple(sorted({t for _, t in self.counts if t > 0}, reverse=True))

    def quality(
        self, threshold: float = 0.0, *, window: int = 1, averaged: Average | None = None
    ) -> PanopticQuality:
        """The numbers of one window and threshold; ``averaged`` None is as the rules have it.

        Raises:
            KeyError: nothing was counted so.
        """
        rules = self.rules if averaged is None else replace(self.rules, averaged=averaged)
        return panoptic_quality(self.counts[window, threshold], rules)

    def dpq(self, *, window: int = 1, averaged: Average | None = None) -> Groups:
        """Mean over the thresholds of depth, in percent; DVPQ for windows of several frames."""
        found = [self.quality(t, window=window, averaged=averaged).pq for t in self.thresholds]
        return tuple(torch.tensor(found, dtype=torch.float64).mean(0).tolist())
