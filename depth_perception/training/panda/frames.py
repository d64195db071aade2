"""Panoramas with range as training batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import ConcatDataset

from ...data.frames import FrameReader
from ...data.panoramas import nearest_map, open_panoramas, resize_cubic
from ...data.worlds import WorldFolder
from ...systems.image_input import IMAGENET_MEAN, IMAGENET_STD
from ..stream import Draw, HeldOut, NoFramesError, StepBatch
from ..strict_mapping import errors_of
from .augment import AugmentRecipe, augment

SourceKind = Literal["worlds", "structured3d", "deep360", "matterport3d", "stanford2d3d"]


@dataclass(frozen=True)
class SourceRecipe:
    """A data set of panoramas.

    Attributes:
        kind: its layout. root: its folder.
        split: ignored for worlds, which have none.
        listing: a list of its frames instead of a split, see
            :class:`~depth_perception.data.panoramas.Panoramas`; not for worlds.
    """

    kind: SourceKind
    root: str
    split: str = "train"
    listing: str | None = None

    def __post_init__(self) -> None:
        if self.kind == "worlds" and self.listing is not None:
            raise ValueError("worlds have no listing")


@dataclass(frozen=True)
class SizePhase:
    """Image ``height`` from ``start`` (fraction of all steps) on; the width is twice that."""

    start: float
    height: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < 1:
            raise ValueError(f"start must lie in [0, 1), got {self.start}")
        if self.height < 14 or self.height % 14:
            raise ValueError(f"height must be a multiple of 14, got {self.height}")


@dataclass(frozen=True)
class DataRecipe:
    """Frames, and the target that the network learns.

    Attributes:
        kind, root, split, listing: the training frames, see :class:`SourceRecipe`. Worlds are
            decoded once and kept in memory, other data are read on access.
        also: further training frames.
        val_kind, val_root, val_split, val_listing: validation frames; ``val_kind`` defaults to
            ``kind``, and without ``val_root`` there is no validation.
        sizes: resolution over the run, coarse to fine.
        max_depth_m: largest range of the target, in metres.
        beyond: ``clip`` clips farther ground truth to ``max_depth_m``; ``ignore`` excludes it from
            the losses.
        sky: ``far`` gives pixels without a surface the range ``max_depth_m``; ``ignore`` excludes
            them from the losses.
        target: ``metric`` (metres) or ``quantiles`` (2 % to 98 % of each frame to [0.01, 1], the
            affine-invariant target of PanDA's teacher).
        limit: maximum number of training frames.
    """

    root: str
    val_root: str | None = None
    kind: SourceKind = "worlds"
    sizes: tuple[SizePhase, ...] = (SizePhase(0.0, 504),)
    max_depth_m: float = 20.0
    sky: Literal["far", "ignore"] = "ignore"
    target: Literal["metric", "quantiles"] = "metric"
    limit: int | None = None
    beyond: Literal["clip", "ignore"] = "clip"
    split: str = "train"
    listing: str | None = None
    also: tuple[SourceRecipe, ...] = ()
    val_kind: SourceKind | None = None
    val_split: str = "val"
    val_listing: str | None = None

    def __post_init__(self) -> None:
        starts = [phase.start for phase in self.sizes]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError(f"sizes must start at 0 and then rise, got starts {starts}")
        if self.max_depth_m <= 0:
            raise ValueError(f"max_depth_m must be positive, got {self.max_depth_m}")
        if self.beyond == "ignore" and (self.sky == "far" or self.target != "metric"):
            raise ValueError("beyond: ignore goes with target metric and sky ignore")

    def height(self, progress: float) -> int:
        """Image height at a point of the run."""
        return [phase.height for phase in self.sizes if phase.start <= progress][-1]

    @property
    def sources(self) -> tuple[SourceRecipe, ...]:
        """The data sets of training."""
        return (SourceRecipe(self.kind, self.root, self.split, self.listing), *self.also)

    @property
    def val_source(self) -> SourceRecipe | None:
        """The data set of validation."""
        if self.val_root is None:
            return None
        kind = self.val_kind or self.kind
        return SourceRecipe(kind, self.val_root, self.val_split, self.val_listing)


@dataclass(frozen=True)
class Batch(StepBatch):
    """Network input and ground truth.

    Attributes:
        images: (B, 3, H, W) float32, RGB normalised by the statistics of ImageNet.
        target: (B, 1, H, W) float32 in the unit of the recipe's target.
        mask: (B, 1, H, W) bool, pixels used by the losses.
    """

    images: Tensor
    target: Tensor
    mask: Tensor


@dataclass(frozen=True)
class FrameBank:
    """All frames of a data set, decoded in memory: RGB (N, 3, H, W) uint8, and range (N, H, W)
    float16 in metres, 0 where there is no surface (0.05 % rounding)."""

    rgb: Tensor
    range_m: Tensor

    @classmethod
    def read(
        cls,
        reader: FrameReader,
        limit: int | None = None,
        progress: Callable[[range], Iterable[int]] = iter,
    ) -> FrameBank:
        """Read the first ``limit`` frames (all if None), which have the same size; NoFramesError
        if none."""
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

    def at(self, items: Iterable[int], height: int) -> tuple[Tensor, Tensor]:
        """Images and ranges as returned by :func:`resized`."""
        chosen = torch.tensor(tuple(items))
        return resized(self.rgb[chosen], self.range_m[chosen], height)


def read_frames(
    sources: Sequence[SourceRecipe],
    limit: int | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> FrameBank | FrameFiles:
    """The frames of data sets: a single folder of worlds in memory, others from disk. Raises
    OSError, RecipeError: see :func:`open_source`. NoFramesError: there are no frames."""
    readers = [open_source(source) for source in sources]
    if len(sources) == 1 and sources[0].kind == "worlds":
        return FrameBank.read(readers[0], limit, progress)
    return FrameFiles(readers, limit)


def open_source(source: SourceRecipe) -> FrameReader:
    """The reader of a data set. Raises OSError: no data; RecipeError: no such split, or a bad
    list."""
    if source.kind == "worlds":
        return WorldFolder(source.root)
    with errors_of("data"):
        return open_panoramas(source.kind, source.root, source.split, listing=source.listing)


class FrameFiles:
    """Frames of several data sets, decoded on access.

    Resized as in PanDA: images by cubic interpolation in 8 bits, ranges by the nearest sample, both
    without antialiasing.
    """

    def __init__(self, readers: Sequence[FrameReader], limit: int | None = None) -> None:
        self._frames = ConcatDataset(readers)
        self._count = len(self._frames) if limit is None else min(limit, len(self._frames))

    def __len__(self) -> int:
        return self._count

    def at(self, items: Iterable[int], height: int) -> tuple[Tensor, Tensor]:
        """Images (B, 3, h, 2 h) in [0, 1] and ranges (B, 1, h, 2 h) in metres."""
        frames = [self._frames[item] for item in items]
        rgb = torch.stack([resized_image(frame.rgb, height) for frame in frames])
        return rgb, torch.stack([nearest_map(frame.range_m, height)[None] for frame in frames])


def resized_image(rgb: Tensor, height: int) -> Tensor:
    """(3, H, W) uint8 to (3, height, 2 height) float32 in [0, 1], cubic interpolation in 8 bits."""
    return resize_cubic(rgb, height).float() / 255


def normalise(rgb: Tensor) -> Tensor:
    """(B, 3, H, W) RGB in [0, 1] to network input, in channels-last memory."""
    mean, std = (rgb.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return ((rgb - mean) / std).contiguous(memory_format=torch.channels_last)


def denormalised(images: Tensor) -> Tensor:
    """The inverse of :func:`normalise`."""
    mean, std = (images.new_tensor(v).view(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (images * std + mean).clamp(0, 1)


def resized(rgb: Tensor, range_m: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """Frames at ``height`` x ``2 * height``: images by antialiased bilinear, ranges by nearest.

    ``rgb`` (B, 3, H, W) uint8 becomes float32 in [0, 1], ``range_m`` becomes (B, 1, h, w) float32.
    """
    size = (height, 2 * height)
    rgb, range_m = rgb.float() / 255, range_m.float().unsqueeze(1)
    if tuple(rgb.shape[-2:]) != size:
        rgb = F.interpolate(rgb, size, mode="bilinear", antialias=True)
        range_m = F.interpolate(range_m, size, mode="nearest-exact")
    return rgb, range_m


def make_target(range_m: Tensor, recipe: DataRecipe) -> tuple[Tensor, Tensor]:
    """Target and mask (B, 1, H, W) of a recipe for ranges in metres."""
    surface = range_m > 0
    if recipe.beyond == "ignore":
        return range_m, surface & (range_m <= recipe.max_depth_m)
    clipped = range_m.clamp(max=recipe.max_depth_m)
    if recipe.sky == "far":
        clipped = torch.where(surface, clipped, recipe.max_depth_m)
        surface = torch.ones_like(surface)
    if recipe.target == "metric":
        return clipped, surface
    return by_quantiles(clipped, surface), surface


def by_quantiles(depth: Tensor, mask: Tensor) -> Tensor:
    """Depth (B, 1, H, W) with the quantiles 2 % to 98 % of each image mapped to [0.01, 1].

    The quantiles are those in the mask. An image without any pixel in the mask becomes 0.
    """
    target = torch.zeros_like(depth)
    for t, values, known in zip(target, depth, mask, strict=True):
        if known.any():
            low, high = torch.quantile(values[known], values.new_tensor([0.02, 0.98]))
            t.copy_(((values - low) / (high - low).clamp_min(1e-6)).clamp(0.01, 1))
    return target


class RangeData:
    """Training batches of panoramas with range, and at most ``val_frames`` of ``held_out``."""

    def __init__(
        self,
        frames: FrameBank | FrameFiles,
        data: DataRecipe,
        changes: AugmentRecipe,
        held_out: FrameBank | FrameFiles | None = None,
        val_frames: int = 64,
    ) -> None:
        self._frames, self._data, self._changes = frames, data, changes

        def validation(item: int, _: int) -> Batch:
            """One frame; the target is in metres and the mask excludes sky."""
            rgb, range_m = held_out.at((item,), data.sizes[-1].height)
            return Batch(normalise(rgb), range_m, (range_m > 0) & (range_m <= data.max_depth_m))

        self.held_out = HeldOut(range(len(held_out or ())), val_frames, validation)

    def __len__(self) -> int:
        return len(self._frames)

    def batch(self, draw: Draw) -> Batch:
        """The batch of a step, at the resolution of its progress."""
        height = self._data.height(draw.progress)
        rgb, range_m = self._frames.at(draw.items, height)
        rows = zip(rgb, range_m, draw.generators, strict=True)
        changed = [augment(image[None], r[None], self._changes, g) for image, r, g in rows]
        rgb, range_m = (torch.cat(maps) for maps in zip(*changed, strict=True))
        return Batch(normalise(rgb), *make_target(range_m, self._data), step=draw.step)
