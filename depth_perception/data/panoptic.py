"""Frames of panoptic data sets, and their label files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..io.images import ImageReadError
from ..segment_classes import CITYSCAPES
from .files import png_samples
from .frames import Reader

VOID_CLASS = 255
"""Of pixels without label."""
CITYSCAPES_THINGS = tuple(number for number, entry in enumerate(CITYSCAPES) if entry.is_thing)
"""Train ids of countable objects."""


@dataclass(frozen=True, eq=False)
class PanopticFrame:
    """An image with panoptic labels and depth.

    Attributes:
        rgb: (3, H, W) uint8.
        classes: (H, W) uint8, ``VOID_CLASS`` where unknown.
        instances: (H, W) int32; the pixels of an object have one class and one number.
        depth_m: (H, W) float32 z-depth in metres, 0 where unknown.
        name: name of the image.
        crowds: (class, instance) of segments that are groups of objects.
        focal_px: focal length in pixels, if the data set provides it.
    """

    rgb: Tensor
    classes: Tensor
    instances: Tensor
    depth_m: Tensor
    name: str
    crowds: tuple[tuple[int, int], ...] = ()
    focal_px: float | None = None

    def segments(self, divisor: int = 1000, ignored_class: int = 32) -> Tensor:
        """(H, W) int64 map of ``class * divisor + instance``, as the evaluation expects it."""
        classes = self.classes.long()
        classes = torch.where(classes == VOID_CLASS, ignored_class, classes)
        return classes * divisor + self.instances

    def crowd_segments(self, divisor: int = 1000) -> tuple[int, ...]:
        """The crowds as values of :meth:`segments`."""
        return tuple(class_id * divisor + instance for class_id, instance in self.crowds)


PanopticReader = Reader[PanopticFrame]


def label_samples(path: str | Path) -> np.ndarray:
    """The samples of a PNG with labels as int32: (H, W), or (H, W, 3) in the order RGB.

    Raises:
        ImageReadError: the file is missing or damaged, or holds something else.
    """
    samples = png_samples(path, ImageReadError)
    if samples.dtype not in (np.uint8, np.uint16) or samples.ndim not in (2, 3):
        raise ImageReadError(f"{path} holds {samples.dtype} of shape {samples.shape}, no labels")
    if samples.ndim == 3:
        samples = samples[..., 2::-1]
    return samples.astype(np.int32)


def check_sizes(name: str, **maps: np.ndarray) -> None:
    """Raise a ValueError where maps of one frame differ in height or width."""
    sizes = {key: value.shape[:2] for key, value in maps.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"{name}: the maps differ in size: {sizes}")
