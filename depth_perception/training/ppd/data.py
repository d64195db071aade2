"""Training frames of Pixel-Perfect Depth: mixture, ground truth rules and sizes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data import rendered
from ...data.frames import PinholeFrame, PinholeReader
from ...systems.ppd.flow import LAST_TIME, noise_field
from ...systems.ppd.input import ppd_resize
from ...systems.ppd.transformer import STRIDE
from ..stream import Draw, HeldOut, NoFramesError, StepBatch, seed_of, seeded
from .losses import FARTHEST_M

_LEAST_PIXELS = 10
_ATTEMPTS = 100
_LEAST_DEPTH_M, _SKY_BEYOND_M = 0.1, 200.0
_SKY_DEPTH_M = FARTHEST_M + 1
_STEREO_SIZE = (1024, 1920)  # UnrealStereo4K before its crop


@dataclass(frozen=True)
class SourceRecipe:
    """A data set of the mixture, see :mod:`depth_perception.data.rendered`; ``share`` is
    relative to the other shares. Of Hypersim, ``root`` is the JSON file, and there is a
    ``split``."""

    kind: Literal["worlds", "hypersim", "urbansyn", "unrealstereo4k", "vkitti2", "tartanair"]
    root: str
    share: float = 1.0
    split: str = "train"

    def __post_init__(self) -> None:
        if not self.share > 0:
            raise ValueError(f"share must be positive, got {self.share}")

    def open(self) -> PinholeReader:
        """The reader. Raises OSError, ValueError: the data are missing, or have another layout."""
        split = (self.split,) if self.kind == "hypersim" else ()
        return _READERS[self.kind](self.root, *split)


@dataclass(frozen=True)
class DataRecipe:
    """Frames of a training stage.

    Attributes:
        sources: the mixture. val: validation data, or None.
        items: number of frames in the mixture, drawn once; None takes all of a single source.
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
            raise ValueError(f"items must be given for {len(self.sources)} sources")
        for name in ("height", "width"):
            if getattr(self, name) < STRIDE or getattr(self, name) % STRIDE:
                raise ValueError(
                    f"{name} must be a multiple of {STRIDE}, got {getattr(self, name)}"
                )


@dataclass(frozen=True)
class PpdBatch(StepBatch):
    """Training data of the transformer.

    Attributes:
        images: (B, 3, H, W) RGB in [0, 1].
        depth_m: (B, 1, H, W) metres. mask: (B, 1, H, W) bool, valid pixels.
        noise: (B, 1, H, W) standard normal. times: (B,) time-steps in 0..1000.
    """

    images: Tensor
    depth_m: Tensor
    mask: Tensor
    noise: Tensor
    times: Tensor


def with_sky(depth_m: Tensor) -> tuple[Tensor, Tensor]:
    """Depth (...) clamped to 0.1 to 80 m with sky at 81 m, and its valid pixels, bool.

    The rule for UrbanSyn, UnrealStereo4K, Virtual KITTI and TartanAir: sky is farther than 200
    m, and depth between 80 and 200 m is invalid. NaN (unknown) becomes the largest valid depth.
    """
    sky = depth_m > _SKY_BEYOND_M
    near = (depth_m > _LEAST_DEPTH_M) & (depth_m < FARTHEST_M)
    farthest = depth_m[near].max() if near.any() else depth_m.new_tensor(FARTHEST_M)
    depth = torch.where(depth_m.isnan(), farthest, depth_m).clamp(_LEAST_DEPTH_M, FARTHEST_M)
    return torch.where(sky, _SKY_DEPTH_M, depth), near | sky


def without_sky(depth_m: Tensor) -> tuple[Tensor, Tensor]:
    """Depth and mask of Hypersim: valid between 0.1 and 65 m."""
    mask = (depth_m > 0.1) & (depth_m < 65)
    return torch.where(mask, depth_m, 0), mask


class PpdData:
    """Training and validation batches; see :class:`~..stream.TrainingData`."""

    def __init__(self, data: DataRecipe, seed: int, val_frames: int) -> None:
        self._data = data
        self._readers = [source.open() for source in data.sources]
        self._items = _mixture(data, [len(reader) for reader in self._readers], seed)
        val = data.val

        def validation(frame: PinholeFrame, index: int) -> PpdBatch:
            """One frame with its own noise."""
            size, random = (data.height, data.width), seeded(seed, 4, index)
            maps = fitted(frame, val.kind, *size, random)
            noise = noise_field(*size, seed_of(seed, 5, index))
            return PpdBatch(*(m[None] for m in maps), noise, torch.tensor([float(LAST_TIME)]))

        self.held_out = HeldOut(None if val is None else val.open(), val_frames, validation)

    def __len__(self) -> int:
        return len(self._items)

    def batch(self, draw: Draw) -> PpdBatch:
        """The batch of a step; frames with hardly any ground truth are replaced by random ones."""
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


def fitted(
    frame: PinholeFrame, kind: str, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Image (3, h, w) in [0, 1], depth (1, h, w) in metres and mask of a frame.

    Images are resized linearly, depth by the nearest sample; UnrealStereo4K is cropped at random.
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
    """(source, frame) of every item; frames of a source that is too short are repeated."""
    total = sum(source.share for source in data.sources)
    items = []
    for number, (source, length) in enumerate(zip(data.sources, lengths, strict=True)):
        if length < 1:
            raise NoFramesError(f"{source.root} holds no frames")
        count = length if data.items is None else round(data.items * source.share / total)
        order = torch.randperm(length, generator=seeded(seed, 6, number)).tolist()
        items += [(number, order[i % length]) for i in range(count)]
    return items


_READERS: dict[str, Callable[..., PinholeReader]] = {
    "worlds": rendered.PinholeWorlds,
    "hypersim": rendered.Hypersim,
    "urbansyn": rendered.UrbanSyn,
    "unrealstereo4k": rendered.UnrealStereo4K,
    "vkitti2": rendered.VirtualKitti,
    "tartanair": rendered.TartanAir,
}
