"""Photos of several data sets as training batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ...data.photos import PhotoFolder, Photos, WorldPhotos, kitti_photos, nyu_photos
from ..stream import Draw, HeldOut, NoFramesError, StepBatch
from .augment import PhotoAugment, augmented


@dataclass(frozen=True)
class NyuSet:
    """NYU Depth v2, see :func:`~depth_perception.data.photos.nyu_photos`."""

    root: str
    split: str = "train"
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["nyu"] = "nyu"

    def open(self) -> Photos:
        """The photos of the set."""
        return nyu_photos(self.root, self.split)


@dataclass(frozen=True)
class KittiSet:
    """KITTI, see :func:`~depth_perception.data.photos.kitti_photos`."""

    root: str
    listing: str = "kitti_eigen_train.txt"
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["kitti"] = "kitti"

    def open(self) -> Photos:
        """The photos of the set."""
        return kitti_photos(self.root, self.listing)


@dataclass(frozen=True)
class WorldSet:
    """Synthetic worlds, see :class:`~depth_perception.data.photos.WorldPhotos`."""

    root: str
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["worlds"] = "worlds"

    def open(self) -> Photos:
        """The photos of the set."""
        return WorldPhotos(self.root)


PhotoSet = NyuSet | KittiSet | WorldSet


@dataclass(frozen=True)
class DataRecipe:
    """Data sets of training and validation.

    Attributes:
        sets: training data, mixed in proportion to their sizes.
        val_sets: validation data, with the protocols of their kinds; ``augment`` is not used.
        crop: (height, width) of the training images.
        clamp: clamp predictions to the range of the protocol in validation.
    """

    sets: tuple[PhotoSet, ...]
    crop: tuple[int, int]
    val_sets: tuple[PhotoSet, ...] = ()
    clamp: bool = False

    def __post_init__(self) -> None:
        if not self.sets:
            raise ValueError("sets must name at least one data set")
        if min(self.crop) < 32:
            raise ValueError(f"crop needs sides of at least 32 pixels, got {self.crop}")


@dataclass(frozen=True)
class PhotoBatch(StepBatch):
    """Photos and ground truth.

    Attributes:
        images: (B, 3, H, W) uint8 RGB.
        depth_m: (B, 1, H, W) float32 metres, 0 where unknown.
        scenes: (B,) int64 scene classes, -1 where unknown.
        kinds: kind of the data set of each photo.
    """

    images: Tensor
    depth_m: Tensor
    scenes: Tensor
    kinds: tuple[str, ...]


class PhotoData:
    """Training batches of the sets of a recipe.

    Raises:
        FileNotFoundError: a folder, list, image or depth file is missing.
        NoFramesError: a set is empty.
    """

    def __init__(self, recipe: DataRecipe, val_frames: int) -> None:
        self._crop = recipe.crop
        self._sets = [(source, _opened(source)) for source in recipe.sets]
        val_sets = [(source, _opened(source)) for source in recipe.val_sets]

        def validation(item: int, _: int) -> PhotoBatch:
            source, folder, place = _located(val_sets, item)
            photo, kind = folder[place], (source.kind,)
            maps = (photo.rgb[None], photo.depth_m[None, None])
            return PhotoBatch(*maps, torch.tensor([photo.scene]), kind)

        total = sum(len(folder) for _, folder in val_sets)
        self.held_out = HeldOut(total, val_frames, validation)

    def __len__(self) -> int:
        return sum(len(folder) for _, folder in self._sets)

    def batch(self, draw: Draw) -> PhotoBatch:
        """The batch of a step; the same for the same draw."""
        photos, kinds = [], []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            source, folder, index = _located(self._sets, item)
            seed = int(torch.randint(2**32, (1,), generator=generator))
            rng = np.random.RandomState(seed)
            photos.append(augmented(folder[index], self._crop, source.augment, rng))
            kinds.append(source.kind)
        return PhotoBatch(
            torch.stack([photo.rgb for photo in photos]),
            torch.stack([photo.depth_m for photo in photos])[:, None],
            torch.tensor([photo.scene for photo in photos]),
            tuple(kinds),
            step=draw.step,
        )


def _opened(source: PhotoSet) -> Photos:
    folder = source.open()
    if len(folder) == 0:
        raise NoFramesError(f"the {source.kind} set below {source.root} holds no images")
    lost = folder.missing() if isinstance(folder, PhotoFolder) else []
    if lost:
        raise FileNotFoundError(
            f"{len(lost)} files of the {source.kind} set are missing, such as {lost[0]}"
        )
    return folder


def _located(
    sets: Sequence[tuple[PhotoSet, Photos]], item: int
) -> tuple[NyuSet | KittiSet, Photos, int]:
    for source, folder in sets:
        if item < len(folder):
            return source, folder, item
        item -= len(folder)
    raise IndexError("item beyond the last set")
