"""Statistics of the instances of a frame, computed on the device."""

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
class InstanceStatistics:
    """Distance and box of one instance; lengths in metres, or in the unit of the depth.

    Attributes:
        instance: its class, and where it is in the image.
        count: number of pixels used. If it is 0, all other values are NaN.
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
        """Whether its position is known."""
        return self.count > 0


def instance_statistics(
    prediction: Prediction, options: StatisticsOptions | None = None
) -> tuple[InstanceStatistics, ...]:
    """Statistics of the instances of a prediction, sorted by ``near``; unplaced ones come last.

    Instances are unplaced if scale and shift of the depth are unknown.
    """
    instances = prediction.instances
    if not instances:
        return ()
    if prediction.scale is ScaleKind.AFFINE_INVARIANT:
        counts, rows = [0] * len(instances), [[math.nan] * 17] * len(instances)
    else:
        statistics = prediction.segment_statistics(options)
        counts, rows = statistics.count.tolist(), _table(statistics).tolist()
    found = [_statistics(*each) for each in zip(instances, counts, rows, strict=True)]
    return tuple(sorted(found, key=lambda one: one.near if one.is_placed else math.inf))


def _table(found: SegmentStatistics) -> Tensor:
    """(N, 17) float32 of all values but the counts, for a single copy from the device."""
    parts = (
        torch.stack((found.median, found.near, found.far, found.sigma), 1),
        found.centroid,
        found.box_centre,
        to_quaternion(found.box_axes),
        found.size,
    )
    return torch.where(found.count[:, None] > 0, torch.cat(parts, 1), torch.nan)


def _statistics(instance: Instance, count: int, row: list[float]) -> InstanceStatistics:
    vectors = map(tuple, (row[4:7], row[7:10], row[10:14], row[14:]))
    return InstanceStatistics(instance, count, *row[:4], *vectors)
