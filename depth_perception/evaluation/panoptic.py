"""Panoptic quality, alone (PQ), with depth (DPQ) and over several frames (DVPQ).

PQ: Kirillov et al., CVPR 2019 (arXiv 1801.00868), section 4. DVPQ: Qiao et al., CVPR 2021
(ViP-DeepLab, arXiv 2012.05258), section 3.2; DPQ is DVPQ of single frames, as PanopticDepth (CVPR
2022) reports it.

A segment map holds ``class * divisor + id`` in each pixel.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from .metrics import Metrics, photo_metrics, tensor_mean_of

DEPTH_STEPS_PER_METRE = 256
DPQ_THRESHOLDS = (0.5, 0.25, 0.1)
_LEAST_IOU = 0.5


@dataclass(frozen=True)
class PanopticRules:
    """Which segments are scored, and how counts become percentages.

    Attributes:
        classes: classes 0 .. classes - 1 are scored; other predicted classes never are.
        things: those of them whose instances are separate segments.
        divisor: of segment maps.
        ignored_class: of the ground truth; its segments are neither matched nor missed.
        most_ignored: a predicted segment is no false positive if a larger share of it than this
            lies on the ignored class.
        averaged: classes of a mean: ``all`` classes, where those that never occur count as 0, or
            the ``occurring`` ones.
        slack: added to every denominator; None raises denominators of 0 to 1.
    """

    classes: int = 19
    things: tuple[int, ...] = tuple(range(11, 19))
    divisor: int = 1000
    ignored_class: int = 32
    most_ignored: float = 0.5
    averaged: Literal["all", "occurring"] = "all"
    slack: float | None = None

    def __post_init__(self) -> None:
        if not all(0 <= thing < self.classes for thing in self.things):
            raise ValueError(f"things must lie within 0 .. {self.classes - 1}, got {self.things}")
        if 0 <= self.ignored_class < self.classes:
            raise ValueError(f"ignored_class {self.ignored_class} is a class that is scored")

    @property
    def void(self) -> int:
        """Segment of pixels without a label, which are left out of the union of a match."""
        return self.ignored_class * self.divisor

    @property
    def stuff(self) -> tuple[int, ...]:
        """The classes that are not things."""
        return tuple(c for c in range(self.classes) if c not in self.things)


CITYSCAPES_PQ = PanopticRules(averaged="occurring")
"""Rules of the COCO tools, as used for Cityscapes; classes are train ids."""
CITYSCAPES_DVPS = PanopticRules()
"""Rules of PanopticDepth's evaluator for Cityscapes-DVPS."""
COCO_PQ = PanopticRules(classes=133, things=tuple(range(80)), ignored_class=133)
"""Rules of EoMT's evaluation on COCO: classes that never occur count as 0."""
SEMKITTI_DVPS = PanopticRules(
    things=tuple(range(8)), divisor=2**20, ignored_class=255, most_ignored=1.0, slack=1e-10
)
"""Rules of ViP-DeepLab's evaluator for SemKITTI-DVPS; unmatched segments are false positives."""


@dataclass(frozen=True)
class PanopticCounts:
    """By class, each (classes,) float64 on the CPU: sum of the IoU over the matches, number of
    matches, of missed segments and of false positives."""

    iou: Tensor
    tp: Tensor
    fn: Tensor
    fp: Tensor

    @classmethod
    def none(cls, classes: int) -> PanopticCounts:
        """Zero counts."""
        return cls(*torch.zeros((4, classes), dtype=torch.float64))

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return PanopticCounts(*(a + b for a, b in pairs))


@dataclass(frozen=True)
class PanopticQuality:
    """Percentages.

    Attributes:
        per_class: (classes, 3) float64 panoptic, segmentation and recognition quality.
        occurs: (classes,) bool, classes in the ground truth or in a prediction.
        pq, sq, rq: means over (all, things, stuff); NaN over no class.
    """

    per_class: Tensor
    occurs: Tensor
    pq: tuple[float, float, float]
    sq: tuple[float, float, float]
    rq: tuple[float, float, float]


def match_segments(
    segments: Tensor, ground_truth: Tensor, rules: PanopticRules, crowds: Sequence[int] = ()
) -> PanopticCounts:
    """Match the predicted segments of one frame (or of several side by side) to the ground truth.

    Two segments of one class match when they share more than half of their union, from which
    pixels without a label are left out.

    Args:
        segments: (H, W) integers, predicted; negative without a segment.
        ground_truth: (H, W) integers.
        crowds: ground truth segments that are groups. They are neither matched nor missed, and a
            predicted segment of their class that lies on them is no false positive.

    Raises:
        ValueError: the maps differ in shape.
    """
    if segments.shape != ground_truth.shape:
        shapes = f"{tuple(segments.shape)}, ground truth {tuple(ground_truth.shape)}"
        raise ValueError(f"segments are {shapes}")
    found, found_at = torch.unique(segments.long(), return_inverse=True)
    true, true_at = torch.unique(ground_truth.long(), return_inverse=True)
    pairs = torch.bincount((found_at * len(true) + true_at).flatten(), None, len(found) * len(true))
    shared = pairs.reshape(len(found), len(true)).cpu().double()
    found, true = found.cpu(), true.cpu()
    areas, true_areas = shared.sum(1), shared.sum(0)
    classes = torch.div(found, rules.divisor, rounding_mode="floor")
    true_classes = torch.div(true, rules.divisor, rounding_mode="floor")
    counted = (classes >= 0) & (classes < rules.classes)
    is_crowd = torch.isin(true, torch.tensor(tuple(crowds), dtype=true.dtype))
    wanted = ~is_crowd & (true_classes >= 0) & (true_classes < rules.classes)
    same = classes[:, None] == true_classes
    on_void = shared[:, true == rules.void].sum(1)
    union = areas[:, None] + true_areas - shared - on_void[:, None]
    iou = torch.where(same & counted[:, None] & wanted, shared / union.clamp_min(1), 0)
    match = iou > _LEAST_IOU
    ignored = shared[:, true_classes == rules.ignored_class].sum(1)
    ignored += (shared * (same & is_crowd)).sum(1)
    wrong = counted & ~match.any(1) & ~(ignored / areas > rules.most_ignored)
    missed = wanted & ~match.any(0)

    def by_class(values: Tensor, of: Tensor) -> Tensor:
        return torch.bincount(of, values, rules.classes).double()

    where_found, where_true = match.nonzero(as_tuple=True)
    ious = iou[where_found, where_true]
    matched = classes[where_found]
    return PanopticCounts(
        by_class(ious, matched),
        by_class(torch.ones_like(ious), matched),
        by_class(torch.ones(int(missed.sum())), true_classes[missed]),
        by_class(torch.ones(int(wrong.sum())), classes[wrong]),
    )


def panoptic_quality(counts: PanopticCounts, rules: PanopticRules) -> PanopticQuality:
    """Quality from counts that were summed over all frames."""
    occurs = counts.tp + counts.fn + counts.fp > 0
    candidates = counts.tp + counts.fn / 2 + counts.fp / 2

    def lifted(denominator: Tensor) -> Tensor:
        if rules.slack is None:
            return torch.where(denominator > 0, denominator, 1)
        return denominator + rules.slack

    sq, rq = counts.iou / lifted(counts.tp), counts.tp / lifted(candidates)
    per_class = 100 * torch.stack((sq * rq, sq, rq), 1)
    means = []
    for group in (range(rules.classes), rules.things, rules.stuff):
        chosen = torch.zeros(rules.classes, dtype=torch.bool)
        chosen[list(group)] = True
        if rules.averaged == "occurring":
            chosen &= occurs
        means.append(per_class[chosen].mean(0).tolist())
    pq, sq, rq = zip(*means, strict=True)
    return PanopticQuality(per_class, occurs, pq, sq, rq)


def depth_steps(depth_m: Tensor) -> Tensor:
    """Depth as in 16-bit depth maps: int64 in 1/256 m, truncated, not rounded."""
    return (depth_m * DEPTH_STEPS_PER_METRE).clamp(0, 65535).long()


def with_good_depth(
    segments: Tensor,
    depth: Tensor | None,
    ground_truth_depth: Tensor | None,
    threshold: float,
    rules: PanopticRules,
) -> Tensor:
    """The segment map (H, W) without the pixels whose relative depth error exceeds a threshold.

    They get a class that is not scored. Both depths are :func:`depth_steps`; pixels of unknown
    ground truth (0) are kept. A threshold of 0 or less keeps all. Raises ValueError: there is no
    depth.
    """
    if threshold <= 0:
        return segments
    if depth is None or ground_truth_depth is None:
        raise ValueError(f"a threshold of {threshold} needs depth and its ground truth")
    truth = ground_truth_depth.double()
    error = (depth.double() - truth).abs() / torch.where(truth > 0, truth, 1)
    wrong = (truth > 0) & (error > threshold)
    return torch.where(wrong, rules.classes * rules.divisor, segments)


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
    """Counts frames in the order of their videos by the rules of the data set.

    In each of ``windows``, so many successive frames are matched as one image. The
    ``thresholds`` of DPQ, see :func:`with_good_depth`, are used if the model has depth. Raises
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
        """Count a frame; windows do not reach from one video into the next. ValueError: shapes
        differ."""
        if video != self._video:
            self._frames.clear()
            self._video = video
        depth = None if frame.depth_m is None else depth_steps(torch.nan_to_num(frame.depth_m))
        maps = (frame.segments, depth, depth_steps(frame.ground_truth_depth_m))
        kept = {t: with_good_depth(*maps, t, self.rules) for t in self.thresholds}
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
    """The result of a data set of so many ``frames``: sums of the counts by window and
    threshold, and mean metrics of the ``depth_frames`` with depth and its ground truth; None
    without any."""

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
        """Quality of one window and threshold, or KeyError; ``averaged`` None follows the rules."""
        rules = self.rules if averaged is None else replace(self.rules, averaged=averaged)
        return panoptic_quality(self.counts[window, threshold], rules)

    def dpq(self, *, window: int = 1, averaged: Average | None = None) -> Groups:
        """Mean over the depth thresholds, in percent; DVPQ for windows of several frames."""
        found = [self.quality(t, window=window, averaged=averaged).pq for t in self.thresholds]
        return tuple(torch.tensor(found, dtype=torch.float64).mean(0).tolist())
