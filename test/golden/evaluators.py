"""What published evaluation programs do beyond our protocols, for golden cases of their code."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch import Tensor

from depth_perception.evaluation.loop import Values, evaluate
from depth_perception.evaluation.metrics import Metrics, photo_metrics
from depth_perception.evaluation.panda import clamp_metric
from depth_perception.evaluation.panoptic import (
    PanopticCounts,
    PanopticQuality,
    PanopticRules,
    match_segments,
    panoptic_quality,
    with_good_depth,
)
from depth_perception.evaluation.spherical import OmniDepthProtocol


class PanopticPair(NamedTuple):
    """Prediction and ground truth of a frame, each (H, W).

    Attributes:
        segments: integer segment map, predicted; negative without a segment.
        ground_truth: integer segment map, ground truth.
        depth: integers in 1/256 m, predicted, see :func:`depth_steps`.
        ground_truth_depth: ground truth of ``depth``, 0 where unknown.
    """

    segments: Tensor
    ground_truth: Tensor
    depth: Tensor | None = None
    ground_truth_depth: Tensor | None = None


def metrics_dav2(target: Tensor, pred: Tensor) -> Metrics:
    """The nine metrics of Depth Anything V2 on flat vectors (N,) of positive depth, metres.

    Its silog halves the squared mean, and is not multiplied by 100.
    """
    metrics = photo_metrics(pred, target)
    mean = float((pred.double().log() - target.double().log()).mean())
    names = ("d1", "d2", "d3", "abs_rel", "sq_rel", "rmse", "rmse_log", "log10")
    silog = math.sqrt((metrics["silog"] / 100) ** 2 + mean**2 / 2)
    return {**{name: metrics[name] for name in names}, "silog": silog}


def clamped_as_released(target: Tensor, pred: Tensor) -> tuple[Tensor, Tensor]:
    """The released code raises the truth to 10 m where the prediction is beyond it."""
    return torch.where(pred > 10, 10, clamp_metric(target)), pred.clamp_min(0.1)


def spiral(height: int, width: int, fraction: float) -> Tensor:
    """(H, W) bool, pixels that lie evenly on the sphere, about ``fraction`` of all.

    The generalised spiral of Rakhmanov, Saff and Zhou, "Minimizing Discrete Energy on the Sphere"
    (1994), without its last point and one pixel to the upper left, as the authors have it.
    """
    count = int(height * width * fraction)
    if count < 3:
        raise ValueError(f"{fraction} of {height} x {width} pixels are too few for a spiral")
    heights = -1 + 2 * torch.arange(count - 1, dtype=torch.float64) / (count - 1)
    step = 3.6 / math.sqrt(count) / (1 - heights.square()).clamp_min(1e-12).sqrt()
    step[0] = 0
    turn = torch.remainder(step.cumsum(0), 2 * math.pi)
    row = (torch.acos(heights) / math.pi * height).long() - 1
    column = (turn / (2 * math.pi) * width).long() - 1
    chosen = torch.zeros(height, width, dtype=torch.bool)
    chosen[row % height, column % width] = True
    return chosen


def omnidepth_report(
    targets: Sequence[Tensor], preds: Sequence[Tensor], masks: Sequence[Tensor]
) -> Metrics:
    """OmniDepth's protocol on ranges, predictions and masks (1, H, W), without images."""
    frames = [
        SimpleNamespace(rgb=torch.zeros(3, *t.shape[-2:]), range_m=torch.where(m, t, 0)[0], pred=p)
        for t, p, m in zip(targets, preds, masks, strict=True)
    ]
    protocol = OmniDepthProtocol(max_depth_m=1e9)
    return evaluate("x", lambda sample: Values(sample.frame.pred[0]), frames, protocol).metrics


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
    maps = [
        with_good_depth(p.segments, p.depth, p.ground_truth_depth, threshold, rules) for p in pairs
    ]
    counts = PanopticCounts.none(rules.classes)
    for start in range(len(pairs) - frames + 1):
        window = slice(start, start + frames)
        counts += match_segments(
            torch.cat(maps[window], -1),
            torch.cat([p.ground_truth for p in pairs[window]], -1),
            rules,
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
        if pair.depth is None or pair.ground_truth_depth is None:
            raise ValueError("a frame has no depth or no true depth")
        yield pair.depth.double(), pair.ground_truth_depth.double()
