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
from ...data.panoptic import CITYSCAPES_THINGS, PanopticFrame, PanopticReader
from ..stream import Draw, HeldOut, NoFramesError, StepBatch
from .augment import PanopticAugment, augmented, ground_truth_of
from .targets import GroundTruth

_READERS = {"cityscapes": CityscapesPanoptic, "cityscapes-dvps": CityscapesDvps}


@dataclass(frozen=True)
class PanopticSet:
    """A split of Cityscapes (:mod:`~depth_perception.data.cityscapes`), which has no depth, or
    of Cityscapes-DVPS (:mod:`~depth_perception.data.dvps`)."""

    kind: Literal["cityscapes", "cityscapes-dvps"]
    root: str
    split: str = "train"

    def open(self) -> PanopticReader:
        """The reader. Raises FileNotFoundError, ValueError: data are missing or do not fit."""
        return _READERS[self.kind](self.root, self.split)


@dataclass(frozen=True)
class DataRecipe:
    """Data of training and validation (None skips it), and augmentation of the training."""

    train: PanopticSet
    val: PanopticSet | None = None
    augment: PanopticAugment = field(default_factory=PanopticAugment)


@dataclass(frozen=True)
class PanopticBatch(StepBatch):
    """Images and ground truth.

    Attributes:
        images: each (3, H, W) uint8 RGB; sizes may differ. crowds: the crowd segments of each.
        ground_truths: the fields of :class:`GroundTruth` of each.
        segments: each (H, W) int64, see :meth:`PanopticFrame.segments`.
    """

    images: tuple[Tensor, ...]
    ground_truths: tuple[GroundTruth, ...]
    segments: tuple[Tensor, ...]
    crowds: tuple[Tensor, ...]


class PanopticData:
    """Training and validation batches of a recipe; see :class:`~..stream.TrainingData`."""

    def __init__(self, recipe: DataRecipe, val_frames: int) -> None:
        self._augment = recipe.augment
        self._frames = recipe.train.open()
        if not len(self._frames):
            raise NoFramesError(f"{recipe.train.root} holds no frames")
        val = None if recipe.val is None else recipe.val.open()
        self.held_out = HeldOut(val, val_frames, lambda frame, _: batch_of([frame]))

    def __len__(self) -> int:
        return len(self._frames)

    def batch(self, draw: Draw) -> PanopticBatch:
        """The batch of a step; the same for the same draw."""
        frames = []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            seed = int(torch.randint(2**62, (1,), generator=generator))
            frames.append(augmented(self._frames[item], self._augment, np.random.default_rng(seed)))
        return batch_of(frames, step=draw.step)


def batch_of(frames: Sequence[PanopticFrame], step: int = 0) -> PanopticBatch:
    """Frames as a batch."""
    return PanopticBatch(
        tuple(frame.rgb for frame in frames),
        tuple(ground_truth_of(frame, CITYSCAPES_THINGS) for frame in frames),
        tuple(frame.segments() for frame in frames),
        tuple(torch.tensor(frame.crowd_segments(), dtype=torch.int64) for frame in frames),
        step=step,
    )
