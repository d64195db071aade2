"""Panoramas judged as OmniDepth and SphericalViewSynthesis print their numbers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from typing import Literal

import torch
from torch import Tensor

from ..data.frames import FrameReader
from ..geometry.corner_grid import latitude_weights
from .evaluate import Estimate
from .published_spherical import SphericalMetrics, omnidepth_mean, view_synthesis_metrics

Publication = Literal["omnidepth", "view-synthesis"]


@dataclass(frozen=True)
class SphericalEvaluation:
    """The mean over frames.

    Attributes:
        name: of what was judged.
        frames, skipped: frames that count, and frames without any pixel of truth.
        pixels: pixels that were compared.
        seconds: in the estimator, for all frames.
    """

    name: str
    frames: int
    skipped: int
    pixels: int
    seconds: float
    metrics: SphericalMetrics


def evaluate_spherical(
    name: str,
    estimate: Estimate,
    reader: FrameReader,
    publication: Publication,
    *,
    max_depth_m: float,
    median: bool = True,
    indices: Iterable[int] | None = None,
) -> SphericalEvaluation:
    """Judge an estimator of range in metres.

    ``omnidepth``: see :func:`~.published_spherical.omnidepth_report`; always scaled by the medians.
    ``view-synthesis``: errors weighed by :func:`~...geometry.corner_grid.latitude_weights`, see
    :func:`~.published_spherical.view_synthesis_metrics`; plain mean over the frames.

    Args:
        name: for the report.
        estimate: its values must be depth.
        reader: the frames; ``indices`` picks some of them, None takes all.
        max_depth_m: truth farther than this is unknown.
        median: scale each prediction by the medians.

    Raises:
        ValueError: no frame has truth, or OmniDepth's way is asked for without the medians.
    """
    if publication == "omnidepth" and not median:
        raise ValueError("the protocol omnidepth scales every prediction by the medians")
    run = _Run(estimate, reader, max_depth_m, range(len(reader)) if indices is None else indices)
    if publication == "omnidepth":
        metrics = omnidepth_mean(run)
    else:
        rows = [
            astuple(view_synthesis_metrics(*maps, weights=_weights(maps[0]), median=median))
            for maps in run
        ]
        if not rows:
            raise ValueError("no image has a known pixel")
        metrics = SphericalMetrics(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))
    return SphericalEvaluation(name, run.frames, run.skipped, run.pixels, run.seconds, metrics)


@dataclass(eq=False)
class _Run:
    """Truth, prediction and mask of one frame after the other, and what they cost."""

    estimate: Estimate
    reader: FrameReader
    max_depth_m: float
    indices: Iterable[int]
    frames: int = field(default=0, init=False)
    skipped: int = field(default=0, init=False)
    pixels: int = field(default=0, init=False)
    seconds: float = field(default=0.0, init=False)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for index in self.indices:
            frame = self.reader[index]
            mask = (frame.range_m > 0) & (frame.range_m <= self.max_depth_m)
            if not mask.any():
                self.skipped += 1
                continue
            start = time.perf_counter()
            said = self.estimate(frame.rgb.permute(1, 2, 0).contiguous())
            self.seconds += time.perf_counter() - start
            self.frames += 1
            self.pixels += int(mask.sum())
            yield torch.where(mask, frame.range_m, 0), said.values, mask


def _weights(target: Tensor) -> Tensor:
    height, width = target.shape
    if width != 2 * height:
        raise ValueError(f"panoramas must be twice as wide as high, got {width} x {height}")
    return latitude_weights(width).to(target)
