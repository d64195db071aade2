"""Stereo pairs and single panoramas for the training of the blind-spot VGG and of OmniDepth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.kitti_raw import KittiRaw, find_pairs, read_pairs
from ...data.stereo import PanoramasOfPinholes, StereoFrame, StereoReader
from ...data.threed60 import BASELINE_M, Pairs, Placement, View, Views, read_list
from ...geometry import Equirectangular, Pinhole
from ...geometry.stereo import RIGHT, RectilinearStereo, SphericalStereo, StereoGeometry
from ..stream import Draw, HeldOut, NoFramesError, StepBatch, seeded


@dataclass(frozen=True)
class StereoAugmentation:
    """Random augmentation of a pair.

    Attributes:
        mirror: probability that the views are mirrored and exchanged, which keeps their geometry.
        color: probability of the same change of gamma, brightness and colour in both views.
        gamma, brightness, channel: ranges of the exponent and the factors.
    """

    mirror: float = 0.5
    color: float = 0.5
    gamma: tuple[float, float] = (0.8, 1.2)
    brightness: tuple[float, float] = (0.5, 2.0)
    channel: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        for name in ("mirror", "color"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, got {getattr(self, name)}")
        for name in ("gamma", "brightness", "channel"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} needs a positive range (low, high), got {low}, {high}")

    def __call__(
        self, left: Tensor, right: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Augment a pair (3, H, W) float in [0, 1], on the CPU, with a horizontal baseline."""

        def draw(low: float = 0.0, high: float = 1.0) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        if draw() < self.mirror:
            left, right = right.flip(-1), left.flip(-1)
        if draw() < self.color:
            factors = [draw(*self.channel) for _ in range(3)]
            gamma, brightness = draw(*self.gamma), draw(*self.brightness)
            left, right = (recolored(v, gamma, brightness, factors) for v in (left, right))
        return left, right


def recolored(
    image: Tensor, gamma: float, brightness: float, channels: tuple[float, ...] | list[float]
) -> Tensor:
    """``image`` (3, H, W) to the power ``gamma``, times brightness and a factor per channel."""
    factors = image.new_tensor(channels)[:, None, None]
    return (image.pow(gamma) * brightness * factors).clamp(0, 1)


T = TypeVar("T")


@dataclass(frozen=True)
class DataRecipe:
    """Data sets of panoramas or stereo pairs.

    Attributes:
        kind: ``threed60`` (full panoramas) or ``kitti`` (rectified pinhole pairs).
        root: folder of the data set.
        train, val: lists, as paths or names in the root. None trains on all of KITTI, or skips
            validation.
        val_root: folder of the validation data, if it is another one.
        height, width: of all images.
        seconds: second views of 3D60, used in turn from step to step.
        baseline_m: distance of the views of 3D60; KITTI has its calibration.
        panorama_fov_deg: pinhole pairs become panoramas of this horizontal and vertical field of
            view, 82.5 by 29.7 in the paper of the blind-spot network.
        max_range_m: farther ground truth is ignored.
        limit: maximum number of entries of the training list.
        keep: keep decoded images in memory.
    """

    kind: Literal["threed60", "kitti"]
    root: str
    train: str | None = None
    val: str | None = None
    val_root: str | None = None
    height: int = 256
    width: int = 512
    seconds: tuple[Literal["right", "up"], ...] = ("right",)
    baseline_m: float = BASELINE_M
    panorama_fov_deg: tuple[float, float] | None = None
    max_range_m: float = 8.0
    limit: int | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        if self.kind == "threed60" and self.train is None:
            raise ValueError("train: kind threed60 needs a list")
        if not self.seconds:
            raise ValueError("seconds must name a view: right, up or both")
        for name in ("height", "width", "max_range_m", "baseline_m"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.panorama_fov_deg is not None:
            if self.kind != "kitti":
                raise ValueError("panorama_fov_deg is for pinhole pairs, kind: kitti")
            if not all(0 < angle < 180 for angle in self.panorama_fov_deg):
                raise ValueError(
                    f"panorama_fov_deg must lie between 0 and 180, got {self.panorama_fov_deg}"
                )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of all images."""
        return self.height, self.width

    def source(self, validation: bool) -> tuple[Path, Path | None]:
        """Folder and list of the training or validation data."""
        is_other = validation and self.val_root is not None
        root = Path(self.val_root if is_other else self.root)
        name = self.val if validation else self.train
        if name is None:
            return root, None
        return root, root / name if (root / name).is_file() else Path(name)


@dataclass(frozen=True)
class StereoBatch(StepBatch):
    """Pairs of one geometry.

    Attributes:
        here, there: (B, 3, H, W) RGB in [0, 1].
        target_m: (B, 1, h, w) of the view ``here``, 0 where unknown: range of panoramas at the
            size of the images, z-depth of pinhole images at their own size.
        geometry: of the pair, from ``here``.
        baseline_m: distance of the cameras.
        focal_px: horizontal focal length of pinhole pairs at the size of ``target_m``, else 0.
        covered: (B, 1, H, W) bool, pixels that both images cover; None is all.
    """

    here: Tensor
    there: Tensor
    target_m: Tensor
    geometry: StereoGeometry
    baseline_m: float
    focal_px: float = 0.0
    covered: Tensor | None = None


class StereoData:
    """Stereo pairs with the same augmentation in both views: colour, mirror, rotation.

    See :class:`~..stream.TrainingData`.

    Args:
        augment: colours of each pair, and probability of mirroring a step.
        turn: roll the panoramas of a step, and their geometry, by a random number of columns, so
            that all directions are equally frequent.
    """

    def __init__(
        self, data: DataRecipe, augment: StereoAugmentation, turn: bool, seed: int, val_frames: int
    ) -> None:
        self._augment, self._turn, self._seed = augment, turn, seed
        readers = _pairs(data)
        if len(readers[0]) == 0:
            raise NoFramesError(f"{data.root} holds no pairs")
        self._readers = [_read(reader, data.keep) for reader in readers]
        self._data, self._count = data, len(readers[0])
        val = None if data.val is None else _pairs(data, validation=True)[0]
        self.held_out = HeldOut(val, val_frames, lambda pair, _: _validation_pair(pair, data.size))

    def __len__(self) -> int:
        return self._count

    def batch(self, draw: Draw) -> StereoBatch:
        """The batch of a step: all its pairs have the same second view, rotation and mirroring."""
        reader = self._readers[draw.step % len(self._readers)]
        frames = [reader(item) for item in draw.items]
        shared = seeded(self._seed, 6, draw.step)
        size = self._data.size
        here, there = _planes(frames, size)
        geometry = _geometry(frames[0], size)
        colours = replace(self._augment, mirror=0.0)
        changed = [colours(a, b, g) for a, b, g in zip(here, there, draw.generators, strict=True)]
        here, there = (torch.stack(views) for views in zip(*changed, strict=True))
        is_mirrored = float(torch.rand((), generator=shared)) < self._augment.mirror
        if is_mirrored:
            here, there, geometry = _mirrored(here, there, geometry)
        if self._turn and isinstance(geometry, SphericalStereo):
            columns = int(torch.randint(size[1], (), generator=shared))
            here, there = here.roll(columns, -1), there.roll(columns, -1)
            geometry = geometry.rolled(columns)
        target = here.new_zeros(len(here), 1, *size)
        covered = _covered(frames, size)
        if covered is not None and is_mirrored:
            covered = covered.flip(-1)
        return StereoBatch(
            *(here, there, target, geometry, frames[0].baseline_m), covered=covered, step=draw.step
        )


@dataclass(frozen=True)
class PanoramaBatch(StepBatch):
    """Panoramas (B, 3, H, W) RGB in [0, 1] with range (B, 1, H, W) in metres, 0 where unknown."""

    images: Tensor
    range_m: Tensor


class PanoramaData:
    """Centre views of 3D60 with their range; see :class:`~..stream.TrainingData`.

    Args:
        augment: colours, and probability of mirroring. turn: roll by random columns.
    """

    def __init__(
        self, data: DataRecipe, augment: StereoAugmentation, turn: bool, val_frames: int
    ) -> None:
        if data.kind != "threed60":
            raise ValueError("kind: panoramas with range are those of threed60")
        self._data, self._turn, self._augment = data, turn, augment
        views = _views(data)
        if len(views) == 0:
            raise NoFramesError(f"{data.root} holds no panoramas")
        self._read, self._count = _read(views, data.keep), len(views)

        def validation(view: View, _: int) -> PanoramaBatch:
            return PanoramaBatch(*(m[None] for m in _panorama(view, data.size)))

        val = None if data.val is None else _views(data, validation=True)
        self.held_out = HeldOut(val, val_frames, validation)

    def __len__(self) -> int:
        return self._count

    def batch(self, draw: Draw) -> PanoramaBatch:
        """The batch of a step."""
        rows, size = [], self._data.size
        colours = replace(self._augment, mirror=0.0)
        for item, generator in zip(draw.items, draw.generators, strict=True):
            image, range_m = _panorama(self._read(item), size)
            image, _ = colours(image, image, generator)
            if float(torch.rand((), generator=generator)) < self._augment.mirror:
                image, range_m = image.flip(-1), range_m.flip(-1)
            if self._turn:
                columns = int(torch.randint(size[1], (), generator=generator))
                image, range_m = image.roll(columns, -1), range_m.roll(columns, -1)
            rows.append((image, range_m))
        return PanoramaBatch(*(torch.stack(m) for m in zip(*rows, strict=True)), step=draw.step)


def _read(reader: Sequence[T], keep: bool) -> Callable[[int], T]:
    """Reads items, which stay in memory if ``keep``."""
    return cache(reader.__getitem__) if keep else reader.__getitem__


def _validation_pair(frame: StereoFrame, size: tuple[int, int]) -> StereoBatch:
    here, there = _planes([frame], size)
    focal, target = 0.0, frame.depth_m[None, None]
    if isinstance(frame.camera, Pinhole):
        focal = frame.camera.fx
    else:
        target = F.interpolate(target, size, mode="nearest-exact")
    covered, geometry = _covered([frame], size), _geometry(frame, size)
    return StereoBatch(here, there, target, geometry, frame.baseline_m, focal, covered)


def _places(data: DataRecipe, validation: bool) -> Sequence[Path]:
    root, listing = data.source(validation)
    return read_list(listing, root)[: None if validation else data.limit]


def _views(data: DataRecipe, validation: bool = False) -> Views:
    return Views(_places(data, validation), max_range_m=data.max_range_m)


def _pairs(data: DataRecipe, validation: bool = False) -> Sequence[StereoReader]:
    """A reader for each second view."""
    if data.kind == "kitti":
        root, listing = data.source(validation)
        files = find_pairs(root) if listing is None else read_pairs(listing, root)
        files = files if validation else files[: data.limit]
        if data.panorama_fov_deg is not None:
            pinholes = KittiRaw(files, truth=validation, of_camera=True)
            return [PanoramasOfPinholes(pinholes, data.panorama_fov_deg, data.size)]
        return [KittiRaw(files, truth=validation, size=None if validation else data.size)]
    places = _places(data, validation)
    limits = {"max_range_m": data.max_range_m, "baseline_m": data.baseline_m}
    return [Pairs(places, Placement[second.upper()], **limits) for second in data.seconds]


def _planes(frames: Sequence[StereoFrame], size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Both views (B, 3, H, W) in [0, 1]."""
    here = torch.stack([_resized(frame.left, size) for frame in frames])
    return here, torch.stack([_resized(frame.right, size) for frame in frames])


def _covered(frames: Sequence[StereoFrame], size: tuple[int, int]) -> Tensor | None:
    """(B, 1, H, W) bool: the whole area of a pixel is covered; None if all pixels are."""
    masks = [frame.covered for frame in frames]
    if any(mask is None for mask in masks):
        return None
    share = F.interpolate(torch.stack(masks)[:, None].float(), size, mode="area")
    return share > 1 - 1e-5


def _panorama(view: View, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Image (3, H, W) in [0, 1] and range (1, H, W) of the nearest pixel."""
    range_m = F.interpolate(view.range_m[None, None], size, mode="nearest-exact")[0]
    return _resized(view.rgb, size), range_m


def _resized(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8 to [0, 1] at another size by area averaging."""
    image = rgb.float() / 255
    if tuple(rgb.shape[-2:]) == size:
        return image
    return F.interpolate(image[None], size, mode="area")[0]


def _geometry(frame: StereoFrame, size: tuple[int, int]) -> StereoGeometry:
    if isinstance(frame.camera, Equirectangular):
        return SphericalStereo(frame.camera.resize(*size), frame.direction)
    return RectilinearStereo()


def _mirrored(
    here: Tensor, there: Tensor, geometry: StereoGeometry
) -> tuple[Tensor, Tensor, StereoGeometry]:
    """The mirror image of a pair. Horizontal views are exchanged: the second stays right."""
    here, there = here.flip(-1), there.flip(-1)
    if isinstance(geometry, SphericalStereo) and geometry.direction != RIGHT:
        x, y, z = geometry.direction
        return here, there, replace(geometry, direction=(-x, y, z))
    return there, here, geometry
