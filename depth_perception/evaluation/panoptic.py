"""Panoptic quality, alone (PQ), with depth (DPQ) and over several frames (DVPQ).

PQ: Kirillov et al., CVPR 2019 (arXiv 1801.00868), section 4. DVPQ: Qiao et al., CVPR 2021
(ViP-DeepLab, arXiv 2012.05258), section 3.2; DPQ is DVPQ of single frames, as PanopticDepth (CVPR
2022) reports it.

A segment map holds ``class * divisor + id`` in each pixel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

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
SEMKITTI_DVPS = PanopticRules(
    things=tuple(range(8)), divisor=2**20, ignored_class=255, most_ignored=1.0, slack=1e-10
)
"""Rules of ViP-DeepLab's evaluator for SemKITTI-DVPS; unmatched segments are false positives."""


@dataclass(frozen=True)
class PanopticCounts:
    """Matches by class, each (classes,) float64 on the CPU.

    Attributes:
        iou: sum over the matches. tp: matches. fn: missed segments. fp: false positives.
    """

    iou: Tensor
    tp: Tensor
    fn: Tensor
    fp: Tensor

    @classmethod
    def none(cls, classes: int) -> PanopticCounts:
        """Zero counts."""
        return cls(*torch.zeros((4, classes), dtype=torch.float64))

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        return PanopticCounts(
            self.iou + other.iou, self.tp + other.tp, self.fn + other.fn, self.fp + other.fp
        )


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


@dataclass(frozen=True)
class PanopticPair:
    """Prediction and ground truth of a frame.

    Attributes:
        segments: (H, W) integer segment map, predicted; negative without a segment.
        ground_truth: (H, W) integer segment map, ground truth.
        depth: (H, W) integers in 1/256 m, predicted, see :func:`depth_steps`.
        ground_truth_depth: ground truth of ``depth``, 0 where unknown.
    """

    segments: Tensor
    ground_truth: Tensor
    depth: Tensor | None = None
    ground_truth_depth: Tensor | None = None


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


def with_good_depth(pair: PanopticPair, threshold: float, rules: PanopticRules) -> Tensor:
    """The segment map (H, W) without the pixels whose relative depth error is too large.

    They get a class that is not scored. Pixels of unknown ground truth are kept.

    Args:
        threshold: of \\|d - d*\\| / d*; 0 or less keeps all pixels.

    Raises:
        ValueError: the pair has no depth.
    """
    if threshold <= 0:
        return pair.segments
    if pair.depth is None or pair.ground_truth_depth is None:
        raise ValueError(f"a threshold of {threshold} needs depth and its ground truth")
    truth = pair.ground_truth_depth.double()
    error = (pair.depth.double() - truth).abs() / torch.where(truth > 0, truth, 1)
    wrong = (truth > 0) & (error > threshold)
    return torch.where(wrong, rules.classes * rules.divisor, pair.segments)
