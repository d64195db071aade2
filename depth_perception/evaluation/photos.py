"""The ten numbers of pinhole pictures over a data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from .nyu_kitti import PhotoMetrics

Frame = TypeVar("Frame")
FrameT = TypeVar("FrameT", covariant=True)


class Reader(Protocol[FrameT]):
    """A data set of frames of any kind."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> FrameT: ...


@dataclass(frozen=True)
class PhotoEvaluation:
    """Plain mean over the pictures that have truth.

    Attributes:
        name: of what was judged.
        frames, skipped: pictures that count, and pictures without any pixel of truth.
        seconds: in the estimator, for all pictures.
    """

    name: str
    frames: int
    skipped: int
    seconds: float
    metrics: PhotoMetrics


def evaluate_photos(
    name: str,
    depth_of: Callable[[Frame], Tensor],
    judge: Callable[[Tensor, Frame], PhotoMetrics | None],
    reader: Reader[Frame],
    *,
    indices: Iterable[int] | None = None,
) -> PhotoEvaluation:
    """Judge what estimates depth.

    Args:
        name: for the report.
        depth_of: a frame to its z-depth (H, W) in metres.
        judge: that depth and the frame to its numbers, None where nothing counts.
        reader: the frames; ``indices`` picks some of them, None takes all.

    Raises:
        ValueError: no picture has truth that counts.
    """
    rows, skipped, seconds = [], 0, 0.0
    for index in range(len(reader)) if indices is None else indices:
        frame = reader[index]
        start = time.perf_counter()
        depth_m = depth_of(frame).cpu()
        seconds += time.perf_counter() - start
        metrics = judge(depth_m, frame)
        if metrics is None:
            skipped += 1
        else:
            rows.append(astuple(metrics))
    if not rows:
        raise ValueError(f"none of {skipped} pictures has truth that counts")
    means = torch.tensor(rows, dtype=torch.float64).mean(0).tolist()
    return PhotoEvaluation(name, len(rows), skipped, seconds, PhotoMetrics(*means))
