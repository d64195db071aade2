"""Figures of the instances of a frame, measured on the device and brought to the host at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry.rotations import to_quaternion
from ..geometry.segments import SegmentStatistics, StatisticsOptions
from ..prediction import Instance, Prediction, ScaleKind

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
        rows = [[0.0] + [math.nan] * 17] * len(instances)
    else:
        rows = _table(prediction.segment_statistics(options)).tolist()
    found = [_measured(instance, row) for instance, row in zip(instances, rows, strict=True)]
    return tuple(sorted(found, key=lambda one: one.near if one.is_placed else math.inf))


def _table(found: SegmentStatistics) -> Tensor:
    """(N, 18) float64 of all figures: a single copy leaves the device."""
    parts = (
        found.count[:, None],
        torch.stack((found.median, found.near, found.far, found.sigma), 1),
        found.centroid,
        found.box_centre,
        to_quaternion(found.box_axes),
        found.size,
    )
    table = torch.cat([part.double() for part in parts], 1)
    table[:, 1:] = torch.where(found.count[:, None] > 0, table[:, 1:], torch.nan)
    return table.cpu()


def _measured(instance: Instance, row: list[float]) -> Measured:
    return Measured(
        instance,
        int(row[0]),
        *row[1:5],
        centroid=tuple(row[5:8]),
        centre=tuple(row[8:11]),
        orientation=tuple(row[11:15]),
        size=tuple(row[15:18]),
    )
