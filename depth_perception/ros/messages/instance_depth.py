"""Figures of the instances of a frame, measured on the device."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ...geometry.rotations import to_quaternion
from ...geometry.segments import SegmentStatistics, StatisticsOptions
from ...prediction import Instance, Prediction, ScaleKind

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """One instance with its distance; lengths in metres, or as the depth of the prediction.

    Attributes:
        instance: what it is and where in the image.
        count: pixels behind the figures. Where it is 0 they are all NaN.
        median, near, far, sigma: depth, see
            :class:`~depth_perception.geometry.segments.SegmentStatistics`.
        centroid: x, y, z of the mean of its points, in the optical frame.
        centre, orientation, size: middle, quaternion x, y, z, w and edges of the box around them.
    """

    instance: Instance
    count: int
    median: float
    near: float
    far: float
    sigma: float
    centroid: Numbers
    centre: Numbers
    orientation: Numbers
    size: Numbers

    @property
    def is_placed(self) -> bool:
        """Whether it is known where it stands."""
        return self.count > 0


def measure(
    prediction: Prediction, options: StatisticsOptions | None = None
) -> tuple[Measured, ...]:
    """The instances of a prediction, nearest first by ``near``; what is nowhere comes last.

    Nothing is known of them where scale and shift of the depth are unknown.
    """
    instances = prediction.instances
    if not instances:
        return ()
    if prediction.scale is ScaleKind.AFFINE_INVARIANT:
        counts, rows = [0] * len(instances), [[math.nan] * 17] * len(instances)
    else:
        statistics = prediction.segment_statistics(options)
        counts, rows = statistics.count.tolist(), _table(statistics).tolist()
    found = [_measured(*each) for each in zip(instances, counts, rows, strict=True)]
    return tuple(sorted(found, key=lambda one: one.near if one.is_placed else math.inf))


def _table(found: SegmentStatistics) -> Tensor:
    """(N, 17) float32 of all figures but the counts: one copy leaves the device."""
    parts = (
        torch.stack((found.median, found.near, found.far, found.sigma), 1),
        found.centroid,
        found.box_centre,
        to_quaternion(found.box_axes),
        found.size,
    )
    return torch.where(found.count[:, None] > 0, torch.cat(parts, 1), torch.nan)


def _measured(instance: Instance, count: int, row: list[float]) -> Measured:
    return Measured(
        instance,
        count,
        *row[:4],
        centroid=tuple(row[4:7]),
        centre=tuple(row[7:10]),
        orientation=tuple(row[10:14]),
        size=tuple(row[14:]),
    )
