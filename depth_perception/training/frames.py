"""Frames in memory and the endless, repeatable stream of training batches made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import IterableDataset

from ..data.frames import FrameReader
from .augment import augment
from .recipe import AugmentRecipe, DataRecipe

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, RGB


class NoFramesError(ValueError):
    """A data set is empty."""


@dataclass(frozen=True)
class Batch:
    """Network input and truth.

    Attributes:
        images: (B, 3, H, W) float32, RGB normalised by the statistics of ImageNet.
        target: (B, 1, H, W) float32 in the unit of the recipe's target.
        mask: (B, 1, H, W) bool, where the target counts.
        step: number of the training step; 0 in validation.
    """

    images: Tensor
    target: Tensor
    mask: Tensor
    step: int = 0

    def to(self, device: torch.device) -> Batch:
        """The same on another device."""
        return Batch(
            self.images.to(device), self.target.to(device), self.mask.to(device), self.step
        )

    def split(self, parts: int) -> tuple[Batch, ...]:
        """At most ``parts`` batches of nearly the same size."""
        pieces = zip(
            *(t.tensor_split(min(parts, len(self.images))) for t in self._tensors()), strict=True
        )
        return tuple(Batch(*piece, self.step) for piece in pieces)

    def _tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        return self.images, self.target, self.mask


@dataclass(frozen=True)
class FrameBank:
    """All frames of a data set, decoded once.

    Attributes:
        rgb: (N, 3, H, W) uint8.
        range_m: (N, H, W) float16 metres, 0 where there is no surface (0.05 % rounding).
    """

    rgb: Tensor
    range_m: Tensor

    @classmethod
    def read(
        cls,
        reader: FrameReader,
        limit: int | None = None,
        progress: Callable[[range], Iterator[int]] = iter,
    ) -> FrameBank:
        """Read the first ``limit`` frames (all if None), which have one size.

        Raises:
            NoFramesError: there are no frames.
        """
        count = len(reader) if limit is None else min(limit, len(reader))
        if count < 1:
            raise NoFramesError("the data set holds no frames")
        first = reader[0]
        rgb = torch.empty((count, *first.rgb.shape), dtype=torch.uint8)
        range_m = torch.empty((count, *first.range_m.shape), dtype=torch.float16)
        for index in progress(range(count)):
            frame = reader[index]
            rgb[index], range_m[index] = frame.rgb, frame.range_m
        return cls(rgb, range_m)

    def __len__(self) -> int:
        return len(self.rgb)


def normalise(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) RGB in [0, 1] to network input, in channels-last memory."""
    mean, std = (rgb.new_tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def resized(rgb: Tensor, range_m: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Frames at ``height`` x ``2 * height``: pictures bilinear without aliasing, ranges nearest.

    ``rgb`` (B, 3, H, W) uint8 comes back as float32 in [0, 1], ``range_m`` as (B, 1, h, w) float32.
    """
    size = (height, 2 * height)
    rgb, range_m = rgb.float() / 255, range_m.float().unsqueeze(1)
    if tuple(rgb.shape[-2:]) != size:
        rgb = F.interpolate(rgb, size, mode="bilinear", antialias=True)
        range_m = F.interpolate(range_m, size, mode="nearest-exact")
    return rgb, range_m


def make_target(range_m: Tensor, recipe: DataRecipe) -> tuple[Tensor, Tensor]:
    """Target and mask (B, 1, H, W) of ranges in metres, as the recipe wants them."""
    surface = range_m > 0
    clipped = range_m.clamp(max=recipe.max_depth_m)
    if recipe.sky == "far":
        clipped = torch.where(surface, clipped, recipe.max_depth_m)
        surface = torch.ones_like(surface)
    if recipe.target == "metric":
        return clipped, surface
    target = torch.zeros_like(clipped)
    for t, depth, mask in zip(target, clipped, surface, strict=True):
        if mask.any():
            low, high = torch.quantile(depth[mask], depth.new_tensor([0.02, 0.98]))
            t.copy_(((depth - low) / (high - low).clamp_min(1e-6)).clamp(0.01, 1))
    return target, surface


class BatchStream(IterableDataset):
    """Training batches from a given step on.

    The frames and the augmentation of a step depend on the seed and the number of the step
    only, so a resumed run sees what an uninterrupted one would have seen.

    Args:
        first_step: called when iteration starts.
        progress: fraction of the run that is done at a step, in [0, 1); chooses the resolution.
    """

    def __init__(
        self,
        bank: FrameBank,
        data: DataRecipe,
        changes: AugmentRecipe,
        batch: int,
        seed: int,
        first_step: Callable[[], int],
        progress: Callable[[int], float],
    ) -> None:
        self._bank, self._data, self._changes = bank, data, changes
        self._batch, self._seed = batch, seed
        self._first_step, self._progress = first_step, progress

    def __iter__(self) -> Iterator[Batch]:
        step = self._first_step()
        while True:
            yield self.batch(step)
            step += 1

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + step)
        indices = self.indices(step)
        fraction = self._progress(step)
        height = [p.height for p in self._data.sizes if p.start <= fraction][-1]
        rgb, range_m = resized(self._bank.rgb[indices], self._bank.range_m[indices], height)
        rgb, range_m = augment(rgb, range_m, self._changes, generator)
        target, mask = make_target(range_m, self._data)
        return Batch(normalise(rgb), target, mask, step)

    def indices(self, step: int) -> Tensor:
        """Frames of a step: every epoch is a permutation of its own."""
        count = len(self._bank)
        positions = torch.arange(step * self._batch, (step + 1) * self._batch)
        epochs = positions // count
        orders = {epoch: self._order(epoch, count) for epoch in set(epochs.tolist())}
        return torch.stack(
            [orders[int(e)][p % count] for e, p in zip(epochs, positions, strict=True)]
        )

    def _order(self, epoch: int, count: int) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed * 7_368_787 + epoch)
        return torch.randperm(count, generator=generator)


class ValidationFrames(torch.utils.data.Dataset):
    """Frames as they are, spread evenly over the bank, in batches of one."""

    def __init__(self, bank: FrameBank, data: DataRecipe, count: int) -> None:
        self._bank, self._data = bank, data
        count = min(count, len(bank))
        self._indices = [i * len(bank) // count for i in range(count)]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Batch:
        """Batch of one frame; the target is in metres and the mask excludes sky."""
        i = self._indices[index]
        height = self._data.sizes[-1].height
        rgb, range_m = resized(self._bank.rgb[i : i + 1], self._bank.range_m[i : i + 1], height)
        mask = (range_m > 0) & (range_m <= self._data.max_depth_m)
        return Batch(normalise(rgb), range_m, mask)
