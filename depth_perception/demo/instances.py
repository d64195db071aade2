"""Recorded instances, with the ground truth of their distances."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..io.bags import stamp_ns
from .compare import Depth, on_grid, usable
from .recording import messages


@dataclass(frozen=True)
class RecordedInstance:
    """One instance of a recording.

    Attributes:
        id, class_id, label, is_thing: as in InstanceDepth.
        box: left, top, width and height, pixels.
        distance_m: median depth, NaN where unknown.
        true_m: median of the ground truth inside the mask, NaN where unknown.
        size_m: edges of the 3D box: along its x axis, its height, along its z axis.
    """

    id: int
    class_id: int
    label: str
    is_thing: bool
    box: tuple[int, int, int, int]
    distance_m: float
    true_m: float
    size_m: tuple[float, float, float]

    @property
    def text(self) -> str:
        """The label on the image."""
        known = math.isfinite(self.distance_m)
        return f"{self.label} {self.distance_m:.1f} m" if known else self.label


@dataclass(frozen=True)
class ImageInstances:
    """The instances of one image.

    Attributes:
        stamp_ns: header stamp.
        grid: (height, width) of the image that boxes refer to.
        instances: nearest first.
    """

    stamp_ns: int
    grid: tuple[int, int]
    instances: tuple[RecordedInstance, ...]


def read_instances(
    bag: Path, topic: str, ground_truth_m: Mapping[int, Depth]
) -> Iterator[ImageInstances]:
    """The instances of every image of a recording.

    ``ground_truth_m`` is z-depth by header stamp.
    """
    for message in messages(bag, topic):
        stamp, grid = stamp_ns(message), (message.height, message.width)
        truth = ground_truth_m.get(stamp)
        truth = None if truth is None else on_grid(truth, *grid)
        yield ImageInstances(stamp, grid, tuple(_read(one, truth) for one in message.instances))


def distance_error(images: Mapping[int, ImageInstances]) -> float:
    """Median relative error of distance over all things of all images; NaN without any."""
    errors = [
        abs(one.distance_m - one.true_m) / one.true_m
        for image in images.values()
        for one in image.instances
        if one.is_thing and math.isfinite(one.distance_m) and math.isfinite(one.true_m)
    ]
    return float(np.median(errors)) if errors else math.nan


def _read(one: Any, ground_truth_m: Depth | None) -> RecordedInstance:
    box = (one.box_x, one.box_y, one.box_width, one.box_height)
    true_m = math.nan if ground_truth_m is None else _median(ground_truth_m, box, one.mask)
    kind, size = (one.id, one.class_id, one.label, one.is_thing), one.size
    return RecordedInstance(*kind, box, one.depth_median, true_m, (size.x, size.y, size.z))


def _median(ground_truth_m: Depth, box: tuple[int, int, int, int], mask: Any) -> float:
    left, top, width, height = box
    if not mask.height:  # masks are disabled
        return math.nan
    inside: NDArray[np.bool_] = np.asarray(mask.data, np.uint8).reshape(mask.height, -1) > 0
    values = ground_truth_m[top : top + height, left : left + width][inside[:, :width]]
    values = values[usable(values)]
    return float(np.median(values)) if values.size else math.nan
