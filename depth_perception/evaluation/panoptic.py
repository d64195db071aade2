"""Panoptic quality, alone (PQ), with depth (DPQ) and over several frames (DVPQ).

PQ: Kirillov et al., CVPR 2019 (arXiv 1801.00868), section 4. DVPQ: Qiao et al., CVPR 2021
(ViP-DeepLab, arXiv 2012.05258), section 3.2; DPQ is DVPQ of single frames, as PanopticDepth (CVPR
2022) reports it.

A segment map holds ``class * divisor + id`` in each pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

DEPTH_STEPS_PER_METRE = 256
DPQ_THRESHOLDS = (0.5, 0.25, 0.1)
_LEAST_IOU = 0.5


@dataclass(frozen=True)
class PanopticRules:
    """What counts, and how counts become numbers.

    Attributes:
        classes: classes 0 .. classes - 1 count; others that are predicted never do.
        things: those of them whose objects are told apart.
        divisor: of segment maps.
        ignored_class: of the truth; neither found nor missed.
        most_ignored: a segment that lies on it with a larger share than this is no mistake.
        averaged: what a mean is taken over: ``all`` classes, where those that never occur count
            as 0, or the ``occurring`` ones.
        slack: added to every denominator; None keeps denominators at 1 or more.
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
            raise ValueError(f"ignored_class {self.ignored_class} is a class that counts")

    @property
    def void(self) -> int:
        """Segment without label in truth; its pixels leave the union of a match."""
        return self.ignored_class * self.divisor

    @property
    def stuff(self) -> tuple[int, ...]:
        """The classes that are no things."""
        return tuple(c for c in range(self.classes) if c not in self.things)


CITYSCAPES_PQ = PanopticRules(averaged="occurring")
"""Of the COCO tools, as used for Cityscapes; classes are train ids."""
CITYSCAPES_DVPS = PanopticRules()
"""Of PanopticDepth's evaluator for Cityscapes-DVPS."""
SEMKITTI_DVPS = PanopticRules(
    things=tuple(range(8)), divisor=2**20, ignored_class=255, most_ignored=1.0, slack=1e-10
)
"""Of ViP-DeepLab's evaluator for SemKITTI-DVPS, where every segment without match is a mistake."""


@dataclass(frozen=True)
class PanopticCounts:
    """Matches by class, each (classes,) float64 on the CPU.

    Attributes:
        iou: sum over the matches. tp: matches. fn: missed. fp: wrongly predicted segments.
    """

    iou: Tensor
    tp: Tensor
    fn: Tensor
    fp: Tensor

    @classmethod
    def none(cls, classes: int) -> PanopticCounts:
        """Of no frame at all."""
        return cls(*torch.zeros((4, classes), dtype=torch.float64))

    def __add__(self, other: PanopticCounts) -> PanopticCounts:
        return PanopticCounts(
            self.iou + other.iou, self.tp + other.tp, self.fn + other.fn, self.fp + other.fp
        )


@dataclass(frozen=True)
class PanopticQuality:
    """Numbers in percent.

    Attributes:
        per_class: (classes, 3) float64 panoptic, segmentation and recognition quality.
        occurs: (classes,) bool, classes that are in the truth or in a prediction.
        pq, sq, rq: means over (all, things, stuff); NaN over no class.
    """

    per_class: Tensor
    occurs: Tensor
    pq: tuple[float, float, float]
    sq: tuple[float, float, float]
    rq: tuple[float, float, float]


@dataclass(frozen=True)
class PanopticPair:
    """A frame as it is judged.

    Attributes:
        segments: (H, W) integer segment map that was predicted; negative where nothing is.
        truth: (H, W) integer segment map.
        depth: (H, W) integers in 1/256 m that were predicted, see :func:`depth_steps`.
        truth_depth: likewise, 0 where unknown.
    """

    segments: Tensor
    truth: Tensor
    depth: Tensor | None = None
    truth_depth: Tensor | None = None


def match_segments(
    segments: Tensor, truth: Tensor, rules: PanopticRules, crowds: Sequence[int] = ()
) -> PanopticCounts:
    """Match the segments of one frame (or of several side by side) with the true ones.

    Two segments of one class match when they share more than half of their union, from which
    pixels without label are left out.

    Args:
        segments: (H, W) integers, predicted; negative where nothing is.
        truth: (H, W) integers.
        crowds: true segments that are groups. They are neither found nor missed, and a predicted
            segment of their class that lies on them is no mistake.

    Raises:
        ValueError: the maps differ in shape.
    """
    if segments.shape != truth.shape:
        raise ValueError(f"segments are {tuple(segments.shape)}, truth {tuple(truth.shape)}")
    found, found_at = torch.unique(segments.long(), return_inverse=True)
    true, true_at = torch.unique(truth.long(), return_inverse=True)
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
    """The numbers of counts that were summed over all frames."""
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
    """Depth as depth maps of 16 bits hold it: int64 in 1/256 m, cut off, not rounded."""
    return (depth_m * DEPTH_STEPS_PER_METRE).clamp(0, 65535).long()


def with_good_depth(pair: PanopticPair, threshold: float, rules: PanopticRules) -> Tensor:
    """The segment map (H, W) without the pixels whose relative depth error is too large.

    They go to a class beyond those that count. Where the true depth is unknown all stay.

    Args:
        threshold: of \\|d - d*\\| / d*; at most 0 keeps all.

    Raises:
        ValueError: the pair has no depth.
    """
    if threshold <= 0:
        return pair.segments
    if pair.depth is None or pair.truth_depth is None:
        raise ValueError(f"a threshold of {threshold} needs depth and true depth")
    truth = pair.truth_depth.double()
    error = (pair.depth.double() - truth).abs() / torch.where(truth > 0, truth, 1)
    wrong = (truth > 0) & (error > threshold)
    return torch.where(wrong, rules.classes * rules.divisor, pair.segments)


def dvpq_counts(
    pairs: Sequence[PanopticPair], rules: PanopticRules, *, frames: int = 1, threshold: float = 0.0
) -> PanopticCounts:
    """Counts over all windows of ``frames`` successive pairs of one sequence.

    The frames of a window are matched as one picture, so ids must go through.

    Args:
        threshold: see :func:`with_good_depth`.

    Raises:
        ValueError: ``frames`` is not positive, or depth is missing.
    """
    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    maps = [with_good_depth(pair, threshold, rules) for pair in pairs]
    counts = PanopticCounts.none(rules.classes)
    for start in range(len(pairs) - frames + 1):
        window = slice(start, start + frames)
        counts += match_segments(
            torch.cat(maps[window], -1), torch.cat([p.truth for p in pairs[window]], -1), rules
        )
    return counts


def dvpq(
    sequences: Iterable[Sequence[PanopticPair]],
    rules: PanopticRules,
    *,
    frames: int = 1,
    threshold: float = 0.0,
) -> PanopticQuality:
    """Depth-aware video panoptic quality of one window length and one threshold.

    Args:
        sequences: windows do not reach from one into the next. On Cityscapes-DVPS these are the six
            frames of each video; SemKITTI's evaluator takes all frames of a folder as one.
    """
    counts = PanopticCounts.none(rules.classes)
    for pairs in sequences:
        counts += dvpq_counts(pairs, rules, frames=frames, threshold=threshold)
    return panoptic_quality(counts, rules)


def absolute_relative(pairs: Iterable[PanopticPair]) -> float:
    """Mean of \\|d - d*\\| / d* over all pixels of the frames whose depth is known; NaN of none."""
    errors, count = 0.0, 0
    for depth, truth in _depths(pairs):
        known = truth > 0
        errors += float(((depth - truth).abs()[known] / truth[known]).sum())
        count += int(known.sum())
    return errors / count if count else float("nan")


def _depths(pairs: Iterable[PanopticPair]) -> Iterator[tuple[Tensor, Tensor]]:
    for pair in pairs:
        if pair.depth is None or pair.truth_depth is None:
            raise ValueError("a frame has no depth or no true depth")
        yield pair.depth.double(), pair.truth_depth.double()
