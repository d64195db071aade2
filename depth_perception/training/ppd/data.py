"""Training frames of Pixel-Perfect Depth: the mixture, the rules for truth, the sizes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset

from ...data import rendered
from ...data.frames import PinholeFrame, PinholeReader
from ...data.sky import with_sky
from ...systems.ppd.flow import LAST_TIME, noise_field
from ...systems.ppd.input import ppd_resize
from ...systems.ppd.transformer import STRIDE
from ..batch import StepBatch
from ..stream import Draw, NoFramesError, seed_of, seeded
from .diffusion import FARTHEST_M

_LEAST_PIXELS = 10
_ATTEMPTS = 100
_STEREO_SIZE = (1024, 1920)  # UnrealStereo4K before its crop


@dataclass(frozen=True)
class SourceRecipe:
    """A data set of the mixture.

    Attributes:
        kind: reader, see :mod:`depth_perception.data.rendered`.
        root: its folder; of Hypersim the JSON file.
        share: of the items of the mixture, relative to the other shares.
        split: of Hypersim.
    """

    kind: Literal["worlds", "hypersim", "urbansyn", "unrealstereo4k", "vkitti2", "tartanair"]
    root: str
    share: float = 1.0
    split: str = "train"

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise ValueError(f"share must be positive, got {self.share}")

    def open(self) -> PinholeReader:
        """The reader.

        Raises:
            OSError, ValueError: the data are missing, or of another layout.
        """
        if self.kind == "hypersim":
            return rendered.Hypersim(self.root, self.split)
        return _READERS[self.kind](self.root)


@dataclass(frozen=True)
class DataRecipe:
    """Frames of a stage.

    Attributes:
        sources: the mixture. val: what is judged by, or None.
        items: frames of the mixture, drawn once; None takes every frame of a single source.
        height, width: of all frames, multiples of 16.
    """

    sources: tuple[SourceRecipe, ...]
    val: SourceRecipe | None = None
    items: int | None = None
    height: int = 512
    width: int = 512

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("sources must name at least one data set")
        if self.items is None and len(self.sources) > 1:
            raise ValueError(f"items: how many frames to draw from {len(self.sources)} sources?")
        for name in ("height", "width"):
            if getattr(self, name) < STRIDE or getattr(self, name) % STRIDE:
                raise ValueError(
                    f"{name} must be a multiple of {STRIDE}, got {getattr(self, name)}"
                )


@dataclass(frozen=True)
class PpdBatch(StepBatch):
    """What the transformer learns from.

    Attributes:
        images: (B, 3, H, W) RGB in [0, 1].
        depth_m: (B, 1, H, W) metres. mask: (B, 1, H, W) bool, where it counts.
        noise: (B, 1, H, W) standard normal. times: (B,) time-steps in 0..1000.
    """

    images: Tensor
    depth_m: Tensor
    mask: Tensor
    noise: Tensor
    times: Tensor


def without_sky(depth_m: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and mask of Hypersim: all that lies between 0.1 and 65 m."""
    mask = (depth_m > 0.1) & (depth_m < 65)
    return torch.where(mask, depth_m, 0), mask


class PpdData:
    """Frames as the training of Pixel-Perfect Depth wants them.

    Raises:
        NoFramesError: a source is empty.
        OSError, ValueError: data are missing, or of another layout.
    """

    def __init__(self, data: DataRecipe, seed: int, val_frames: int) -> None:
        self._data = data
        self._readers = [source.open() for source in data.sources]
        self._items = _mixture(data, [len(reader) for reader in self._readers], seed)
        self.held_out = () if data.val is None else PpdValidation(data, data.val, val_frames, seed)

    def __len__(self) -> int:
        return len(self._items)

    def batch(self, draw: Draw) -> PpdBatch:
        """The batch of a step; a frame with hardly any truth gives way to a random one."""
        size = (self._data.height, self._data.width)
        rows = []
        for item, generator in zip(draw.items, draw.generators, strict=True):
            image, depth, mask = self._frame(item, generator)
            noise = torch.randn(1, *size, generator=generator)
            time = (LAST_TIME * torch.randn((), generator=generator).sigmoid()).round()
            rows.append((image, depth, mask, noise, time))
        return PpdBatch(*(torch.stack(maps) for maps in zip(*rows, strict=True)), step=draw.step)

    def _frame(self, item: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        for _ in range(_ATTEMPTS):
            source, index = self._items[item]
            kind, frame = self._data.sources[source].kind, self._readers[source][index]
            image, depth, mask = fitted(frame, kind, self._data.height, self._data.width, generator)
            if (mask & (depth < FARTHEST_M)).sum() >= _LEAST_PIXELS:
                return image, depth, mask
            item = int(torch.randint(len(self), (), generator=generator))
        raise NoFramesError(f"{_ATTEMPTS} frames in a row have hardly any depth")


class PpdValidation(Dataset):
    """Frames spread evenly over a data set, in batches of one, each with a noise of its own."""

    def __init__(self, data: DataRecipe, source: SourceRecipe, count: int, seed: int) -> None:
        self._data, self._source, self._seed = data, source, seed
        self._reader = source.open()
        count = min(count, len(self._reader))
        self._indices = [i * len(self._reader) // count for i in range(count)]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> PpdBatch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        height, width = self._data.height, self._data.width
        frame = self._reader[self._indices[index]]
        maps = fitted(frame, self._source.kind, height, width, seeded(self._seed, 4, index))
        noise = noise_field(height, width, seed_of(self._seed, 5, index))
        return PpdBatch(*(m[None] for m in maps), noise, torch.tensor([float(LAST_TIME)]))


def fitted(
    frame: PinholeFrame, kind: str, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Picture (3, h, w) in [0, 1], depth (1, h, w) in metres and mask of a frame.

    Pictures are resized linearly, depth to the nearest; of UnrealStereo4K a random window is cut.
    """
    rgb, depth_m, size = frame.rgb, frame.depth_m, (height, width)
    if kind == "unrealstereo4k":
        rgb = ppd_resize(rgb.permute(1, 2, 0), _STEREO_SIZE).permute(2, 0, 1)
        depth_m = _nearest(depth_m, _STEREO_SIZE)
        if height > _STEREO_SIZE[0] or width > _STEREO_SIZE[1]:
            raise NoFramesError(f"UnrealStereo4K has no windows of {height} x {width}")
        room = (_STEREO_SIZE[0] - height, _STEREO_SIZE[1] - width)
        top, left = (int(torch.randint(r + 1, (), generator=generator)) for r in room)
        window = (..., slice(top, top + height), slice(left, left + width))
        rgb, depth_m = rgb[window], depth_m[window]
    image = rgb.float()
    if tuple(image.shape[-2:]) != size:
        image = F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0].round()
        depth_m = _nearest(depth_m, size)
    depth, mask = (without_sky if kind == "hypersim" else with_sky)(depth_m)
    return image / 255, depth[None], mask[None]


def _nearest(depth_m: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(depth_m[None, None], size, mode="nearest")[0, 0]


def _mixture(data: DataRecipe, lengths: list[int], seed: int) -> list[tuple[int, int]]:
    """(source, frame) of every item; a source that is too short is gone through again."""
    total = sum(source.share for source in data.sources)
    items = []
    for number, (source, length) in enumerate(zip(data.sources, lengths, strict=True)):
        if length < 1:
            raise NoFramesError(f"{source.root} holds no frames")
        count = length if data.items is None else round(data.items * source.share / total)
        order = torch.randperm(length, generator=seeded(seed, 6, number)).tolist()
        items += [(number, order[i % length]) for i in range(count)]
    return items


_READERS: Mapping[str, Callable[[str], PinholeReader]] = MappingProxyType(
    {
        "worlds": rendered.PinholeWorlds,
        "urbansyn": rendered.UrbanSyn,
        "unrealstereo4k": rendered.UnrealStereo4K,
        "vkitti2": rendered.VirtualKitti,
        "tartanair": rendered.TartanAir,
    }
)
