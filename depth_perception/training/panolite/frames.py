"""Frames of synthetic worlds as training batches, with the height of the camera."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import cv2
import numpy as np
import torch
from torch import Tensor

from ...data.frames import PanoramaFrame
from ...data.worlds import WorldFolder
from ...systems.panolite.config import STRIDE
from ..stream import Draw, HeldOut, NoFramesError, StepBatch, seed_of
from .augment import AugmentRecipe, mounted, photographed

_THIN_DEG, _THIN_M, _THIN_RATIO = 3.0, 8.0, 1.2


@dataclass(frozen=True)
class SizePhase:
    """From ``start`` (fraction of all steps) on, each batch has one of the ``heights`` (rows), by
    chance; the width is twice that."""

    start: float
    heights: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ValueError(f"start must lie in [0, 1), got {self.start}")
        if not self.heights or any(h < STRIDE or h % STRIDE for h in self.heights):
            raise ValueError(f"heights must be multiples of {STRIDE}, got {self.heights}")


@dataclass(frozen=True)
class DataRecipe:
    """Training and validation frames.

    Attributes:
        roots: folders of ``depth-perception worlds folder``. val_roots: others, with seeds of their
            own; none: no validation.
        sizes: resolution over the run, coarse to fine. Validation uses the last height of the last
            phase.
        max_depth_m: validation ignores ground truth beyond it.
    """

    roots: tuple[str, ...]
    val_roots: tuple[str, ...] = ()
    sizes: tuple[SizePhase, ...] = (SizePhase(0.0, (256,)),)
    max_depth_m: float = 20.0

    def __post_init__(self) -> None:
        starts = [phase.start for phase in self.sizes]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"sizes must start at 0 and then rise, got starts {starts}")

    @property
    def final_height(self) -> int:
        """Rows of the network input at the end."""
        return self.sizes[-1].heights[-1]


@dataclass(frozen=True)
class Batch(StepBatch):
    """Network input and ground truth.

    Attributes:
        images: (B, 3, H, W) float32 RGB in [0, 1].
        range_m: (B, 1, H, W) float32, metres along the ray, 0 without a measurable surface.
        thin: (B, 1, H, W) bool, pixels of what is thin and near, see :func:`thin_and_near`.
        height_m: (B, 1, 1, 1) float32, height of the camera above the ground.
    """

    images: Tensor
    range_m: Tensor
    thin: Tensor
    height_m: Tensor


class Worlds:
    """The frames of several folders with the height of the camera above the ground."""

    def __init__(self, roots: Sequence[str]) -> None:
        self._folders = [WorldFolder(root) for root in roots]
        self._ends = list(accumulate(map(len, self._folders)))
        if not roots or self._ends[-1] < 1:
            raise NoFramesError("the data set holds no frames")

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> PanoramaFrame:
        place = bisect.bisect_right(self._ends, index)
        folder = self._folders[place]
        return folder[index - self._ends[place] + len(folder)]


class PanoLiteData:
    """Batches of augmented frames, and validation frames as they are."""

    def __init__(self, data: DataRecipe, changes: AugmentRecipe, seed: int, val_frames: int):
        self._worlds, self._data, self._changes = Worlds(data.roots), data, changes
        self._seed = seed
        unseen = Worlds(data.val_roots) if data.val_roots else None
        self.held_out = HeldOut(unseen, val_frames, self._validation)

    def __len__(self) -> int:
        return len(self._worlds)

    def batch(self, draw: Draw) -> Batch:
        """The batch of a step, at a resolution of its phase."""
        phase = [p for p in self._data.sizes if p.start <= draw.progress][-1]
        height = phase.heights[seed_of(self._seed, 4, draw.step) // 2**20 % len(phase.heights)]
        rows = []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
            frame = mounted(self._worlds[item], self._changes, rng)
            rows.append(_row(frame, height, (self._changes, rng)))
        return _batch(rows, draw.step)

    def _validation(self, frame: PanoramaFrame, _: int) -> Batch:
        return _batch([_row(frame, self._data.final_height)], 0)


Row = tuple[np.ndarray, np.ndarray, float]
"""Image (H, W, 3) uint8, range (H, W) float32, height of the camera."""


def _row(
    frame: PanoramaFrame,
    height: int,
    changes: tuple[AugmentRecipe, np.random.Generator] | None = None,
) -> Row:
    """A frame at ``height`` rows: image by the mean over each pixel, range by its nearest pixel."""
    size = (2 * height, height)
    kernel = cv2.INTER_AREA if len(frame.range_m) >= height else cv2.INTER_LINEAR
    picture = np.ascontiguousarray(frame.rgb.permute(1, 2, 0).numpy())
    picture = cv2.resize(picture, size, interpolation=kernel)
    metres = cv2.resize(frame.range_m.numpy(), size, interpolation=cv2.INTER_NEAREST)
    if changes is not None:
        picture, free = photographed(picture, *changes)
        metres[~free] = 0
    if frame.camera_height_m is None:
        raise ValueError(f"frame {frame.name} has no camera height: write the folder again")
    return picture, metres, frame.camera_height_m


def _batch(rows: list[Row], step: int) -> Batch:
    images, range_m, camera_m = zip(*rows, strict=True)
    maps = (np.stack(range_m), np.stack([thin_and_near(metres) for metres in range_m]))
    return Batch(
        torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255,
        *(torch.from_numpy(values)[:, None] for values in maps),
        torch.tensor(camera_m)[:, None, None, None],
        step=step,
    )


def thin_and_near(range_m: np.ndarray, degree_px: float | None = None) -> np.ndarray:
    """Mask (H, W) of what is within 8 m, thinner than 3 degrees and at least 20 % nearer than what
    is beside it; ``degree_px``: pixels of a degree, None for panoramas."""
    height, width = range_m.shape
    degree_px = height / 180 if degree_px is None else degree_px
    size = 2 * round(degree_px * _THIN_DEG / 2) + 1
    far = np.where(range_m > 0, range_m, 1e3).astype(np.float32)
    wrapped = np.concatenate((far[:, -2 * size :], far, far[:, : 2 * size]), 1)
    behind = cv2.morphologyEx(wrapped, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    behind = behind[:, 2 * size : 2 * size + width]
    return (range_m > 0) & (range_m < _THIN_M) & (behind > _THIN_RATIO * far)
