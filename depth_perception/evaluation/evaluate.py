"""Runs what estimates depth over a data set and says how far it is from the truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.frames import FrameReader
from ..geometry import Equirectangular
from ..prediction import DepthSpace
from ..systems import Estimator
from .metrics import DepthMetrics, MetricMean, depth_metrics
from .protocols import Alignment, align

_LEAST_M = 1e-3


@dataclass(frozen=True)
class Values:
    """What an estimator says of one image: (H, W) float32 in a space, before any alignment."""

    values: Tensor
    space: DepthSpace = DepthSpace.DEPTH


Estimate = Callable[[Tensor], Values]
"""(H, W, 3) uint8 RGB to its values on the same grid."""


@dataclass(frozen=True)
class EvaluationProtocol:
    """How frames are judged.

    Attributes:
        max_depth_m: truth farther than this is left out, as is sky.
        alignment: what a prediction may borrow from the truth of its frame.
        solid_angle: weigh pixels by the part of the sphere that they see, so that the poles of
            the panorama do not count too much. The published numbers do not.
        clamp: predictions are brought into 1 mm to ``max_depth_m`` after the alignment.
        strict: see :func:`~depth_perception.evaluation.metrics.depth_metrics`.
    """

    max_depth_m: float = 20.0
    alignment: Alignment = Alignment.NONE
    solid_angle: bool = False
    clamp: bool = False
    strict: bool = True


@dataclass(frozen=True)
class Evaluation:
    """The mean over frames.

    Attributes:
        name: of what was judged.
        frames, skipped: frames that count, and frames without any pixel of truth.
        pixels: pixels that were compared.
        seconds: in the estimator, for all frames.
        metrics: plain mean over the frames.
        groups: the same for parts of the data set: label, frames, metrics.
    """

    name: str
    frames: int
    skipped: int
    pixels: int
    seconds: float
    metrics: DepthMetrics
    groups: tuple[tuple[str, int, DepthMetrics], ...] = ()


def evaluate(
    name: str,
    estimate: Estimate,
    reader: FrameReader,
    protocol: EvaluationProtocol,
    *,
    indices: Iterable[int] | None = None,
    groups: Sequence[str] | None = None,
) -> Evaluation:
    """Judge an estimator on a data set.

    Args:
        name: for the report.
        estimate: see :func:`of_estimator` and :mod:`.baselines`.
        reader: the frames; ``indices`` picks some of them, None takes all.
        groups: label of every frame of the reader, to report each label by itself too.

    Raises:
        ValueError: no frame has truth.
    """
    total, parts = MetricMean(), {}
    skipped = pixels = 0
    seconds = 0.0
    for index in range(len(reader)) if indices is None else indices:
        frame = reader[index]
        mask = (frame.range_m > 0) & (frame.range_m <= protocol.max_depth_m)
        if not mask.any():
            skipped += 1
            continue
        start = time.perf_counter()
        said = estimate(frame.rgb.permute(1, 2, 0).contiguous())
        seconds += time.perf_counter() - start
        depth = to_depth(said, frame.range_m, mask, protocol)
        if protocol.clamp:
            depth = depth.clamp(_LEAST_M, protocol.max_depth_m)
        weights = None
        if protocol.solid_angle:
            weights = Equirectangular(*mask.shape).solid_angles().expand(mask.shape)[mask]
        metrics = depth_metrics(frame.range_m[mask], depth[mask], weights, protocol.strict)
        total.add(metrics)
        pixels += int(mask.sum())
        if groups is not None:
            parts.setdefault(groups[index], MetricMean()).add(metrics)
    return Evaluation(
        name,
        total.count,
        skipped,
        pixels,
        seconds,
        total.mean(),
        tuple((label, part.count, part.mean()) for label, part in sorted(parts.items())),
    )


def of_estimator(estimator: Estimator, alignment: Alignment) -> Estimate:
    """What :func:`evaluate` asks of a loaded model.

    Without alignment it asks for metres and so raises what :attr:`Prediction.depth` raises for a
    model that has none. The estimator must return maps of the size of its input.
    """

    def estimate(image: Tensor) -> Values:
        prediction = estimator(image)
        if alignment is Alignment.SCALE_SHIFT:
            return Values(prediction.values.cpu(), prediction.space)
        return Values(prediction.depth.cpu())

    return estimate


def to_depth(said: Values, range_m: Tensor, mask: Tensor, protocol: EvaluationProtocol) -> Tensor:
    """Depth (H, W) in metres after the protocol's alignment, which happens in the values' space."""
    values, truth = said.values[None, None], range_m[None, None]
    if said.space is DepthSpace.DEPTH or protocol.alignment is not Alignment.SCALE_SHIFT:
        return align(truth, values, mask[None, None], protocol.alignment)[0, 0]
    forward, back = {
        "inverse_depth": (
            lambda d: 1 / d.clamp_min(1e-6),
            lambda v: 1 / v.clamp_min(1 / protocol.max_depth_m),
        ),
        "log_depth": (lambda d: d.clamp_min(1e-6).log(), torch.exp),
        "log1p_depth": (torch.log1p, torch.expm1),
    }[said.space.value]
    return back(align(forward(truth), values, mask[None, None], protocol.alignment))[0, 0]
