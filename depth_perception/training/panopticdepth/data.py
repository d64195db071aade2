"""Frames with panoptic labels as training batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...data.cityscapes import CityscapesPanoptic
from ...data.dvps import CityscapesDvps
from ...data.panoptic import PanopticFrame, PanopticReader
from ...segment_classes import CITYSCAPES
from ..batch import StepBatch
from ..stream import Draw, NoFramesError
from .augment import PanopticAugment, augmented, image_truth
from .targets import ImageTruth

_READERS = {"cityscapes": CityscapesPanoptic, "cityscapes-dvps": CityscapesDvps}
_THINGS = tuple(number for number, entry in enumerate(CITYSCAPES) if entry.is_thing)


@dataclass(frozen=True)
class PanopticSet:
    """A split of a data set.

    Attributes:
        kind: ``cityscapes`` has no depth, see :mod:`~depth_perception.data.cityscapes`;
            ``cityscapes-dvps`` see :mod:`~depth_perception.data.dvps`.
    """

    kind: Literal["cityscapes", "cityscapes-dvps"]
    root: str
    split: str = "train"

    def open(self) -> PanopticReader:
        """The reader.

        Raises:
            FileNotFoundError, ValueError: data are missing, or of another layout.
        """
        return _READERS[self.kind](self.root, self.split)


@dataclass(frozen=True)
class DataRecipe:
    """What is trained on and judged by."""

    train: PanopticSet
    val: PanopticSet | None = None
    augment: PanopticAugment = field(default_factory=PanopticAugment)


@dataclass(frozen=True)
class PanopticBatch(StepBatch):
    """Pictures and what is true about them.

    Attributes:
        images: each (3, H, W) uint8 RGB; sizes may differ.
        truths: the fields of :class:`ImageTruth` for each.
        segments: each (H, W) int64, see :meth:`PanopticFrame.segments`.
        crowds: each the segments that are groups.
    """

    images: tuple[Tensor, ...]
    truths: tuple[ImageTruth, ...]
    segments: tuple[Tensor, ...]
    crowds: tuple[Tensor, ...]


class PanopticData:
    """Training batches of a recipe.

    Raises:
        FileNotFoundError, ValueError: data are missing, or of another layout.
        NoFramesError: a set is empty.
    """

    def __init__(self, recipe: DataRecipe, val_frames: int) -> None:
        self._augment = recipe.augment
        self._frames = recipe.train.open()
        if not len(self._frames):
            raise NoFramesError(f"{recipe.train.root} holds no frames")
        self.held_out: Sequence[PanopticBatch] = ()
        if recipe.val is not None:
            self.held_out = HeldOut(recipe.val.open(), val_frames)

    def __len__(self) -> int:
        return len(self._frames)

    def batch(self, draw: Draw) -> PanopticBatch:
        """The batch of a step; the same for the same draw."""
        frames = []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            seed = int(torch.randint(2**62, (1,), generator=generator))
            frames.append(augmented(self._frames[item], self._augment, np.random.default_rng(seed)))
        return batch_of(frames, step=draw.step)


class HeldOut(Sequence[PanopticBatch]):
    """Frames to judge by, whole and one at a time, spread evenly over a set."""

    def __init__(self, frames: PanopticReader, count: int) -> None:
        count = min(count, len(frames))
        self._frames = frames
        self._items = [place * len(frames) // count for place in range(count)]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> PanopticBatch:
        return batch_of([self._frames[self._items[index]]])


def batch_of(frames: Sequence[PanopticFrame], step: int = 0) -> PanopticBatch:
    """Frames as a batch."""
    return PanopticBatch(
        tuple(frame.rgb for frame in frames),
        tuple(image_truth(frame, _THINGS) for frame in frames),
        tuple(frame.segments() for frame in frames),
        tuple(torch.tensor(frame.crowd_segments(), dtype=torch.int64) for frame in frames),
        step=step,
    )
