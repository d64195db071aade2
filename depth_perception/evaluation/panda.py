"""Panoramas judged as PanDA (Cao et al., CVPR 2025) is: relative models aligned, others clamped."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch

from ..data.frames import FrameReader
from ..data.panoramas.base import PanoramaFrame
from ..data.panoramas.resize import cubic_picture, nearest_map
from .evaluate import Estimate, Evaluation, EvaluationProtocol, to_depth
from .metrics import MetricMean, depth_metrics
from .protocols import Alignment, clamp_metric

NETWORK_HEIGHT = 504
METRIC_HEIGHT = 512
"""Rows of the pictures and the truth where metres are judged; those of relative models have 504."""
MOST_M = 10.0


def evaluate_panda(
    name: str,
    estimate: Estimate,
    reader: FrameReader,
    how: Alignment,
    *,
    height: int | None = None,
    indices: Iterable[int] | None = None,
) -> Evaluation:
    """The nine numbers, plain mean over the panoramas; truth up to 10 m counts.

    Relative values (``how`` is scale and shift) are fitted to each panorama at 504 x 1008 and not
    clamped. Metres are compared at 512 x 1024 with both sides brought into 0.1 to 10 m, nothing
    is fitted. (The released code raises the truth where a prediction exceeds 10 m, which those of
    its models cannot.) Pictures are resized by cubic samples, range by the nearest.

    Args:
        name: for the report.
        estimate: see :func:`~.evaluate.of_estimator`, with the same alignment.
        reader: panoramas with range; ``indices`` picks some of them, None takes all.
        height: rows of pictures and truth, otherwise the published ones.

    Raises:
        ValueError: no panorama has truth.
    """
    if height is None:
        height = METRIC_HEIGHT if how is Alignment.NONE else NETWORK_HEIGHT
    rules = EvaluationProtocol(MOST_M, how)
    total, skipped, pixels, seconds = MetricMean(), 0, 0, 0.0
    for index in range(len(reader)) if indices is None else indices:
        frame = at_height(reader[index], height)
        mask = (frame.range_m > 0) & (frame.range_m <= MOST_M)
        if not mask.any():
            skipped += 1
            continue
        start = time.perf_counter()
        said = estimate(frame.rgb.permute(1, 2, 0).contiguous())
        seconds += time.perf_counter() - start
        truth, depth = frame.range_m, to_depth(said, frame.range_m, mask, rules)
        if how is Alignment.NONE:
            truth, depth = clamp_metric(truth, depth)
        total.add(depth_metrics(truth[mask], depth[mask]))
        pixels += int(mask.sum())
    return Evaluation(name, total.count, skipped, pixels, seconds, total.mean())


def at_height(frame: PanoramaFrame, height: int) -> PanoramaFrame:
    """A panorama at ``height`` x ``2 height``."""
    range_m = nearest_map(frame.range_m, height)
    name = getattr(frame, "name", "")
    return PanoramaFrame(cubic_picture(frame.rgb, height), torch.as_tensor(range_m), name)
