"""Photos of several data sets as training batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from ...data.photos import Photo, PhotoFolder, Photos, WorldPhotos, kitti_photos, nyu_photos
from ..stream import Draw, HeldOut, NoFramesError, StepBatch

_HUES = 180  # OpenCV's degrees: halves, so that they fit into a byte


@dataclass(frozen=True)
class PhotoAugment:
    """Random augmentation of a data set; colours as the defaults of albumentations.

    Attributes:
        depth_mix: probability that a band of the image is replaced by its depth (after CutDepth,
            arXiv 2107.07684).
        depth_mix_values: grey values of depth: ``scaled`` maps the largest depth of the photo to
            255; ``wrapped`` takes millimetres modulo 256, as for the published model.
        flip: probability of a mirror image.
        colour: probability of each of: brightness with contrast, gamma, hue with saturation.
        brightness, contrast: shares of the range, drawn from +- this.
        gamma: exponents are drawn from 1 +- this.
        hue: degrees of 180. saturation, value: of 255; each is drawn from +- this.
    """

    depth_mix: float = 0.0
    depth_mix_values: Literal["scaled", "wrapped"] = "scaled"
    flip: float = 0.5
    colour: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    gamma: float = 0.2
    hue: int = 20
    saturation: int = 30
    value: int = 20

    def __post_init__(self) -> None:
        for name in ("depth_mix", "flip", "colour"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, got {getattr(self, name)}")


def augmented(
    photo: Photo, size: tuple[int, int], changes: PhotoAugment, rng: np.random.RandomState
) -> Photo:
    """An augmented crop of ``size`` (height, width); smaller photos are padded right and below."""
    image = photo.rgb.permute(1, 2, 0).numpy()
    depth = photo.depth_m.numpy()
    image = depth_mixed(image, depth, changes, rng)
    if rng.random_sample() < changes.flip:
        image, depth = image[:, ::-1], depth[:, ::-1]
    top, bottom, left, right = crop_box(depth.shape, size, rng)
    image, depth = image[top:bottom, left:right], depth[top:bottom, left:right]
    image = recoloured(np.ascontiguousarray(image), changes, rng)
    maps = (torch.from_numpy(np.ascontiguousarray(m)) for m in (image.transpose(2, 0, 1), depth))
    missing = (0, size[1] - depth.shape[1], 0, size[0] - depth.shape[0])
    return Photo(*(torch.nn.functional.pad(m, missing) for m in maps), photo.scene)


def crop_box(
    size: tuple[int, int], crop: tuple[int, int], rng: np.random.RandomState
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a random crop, or the whole side if it is smaller."""
    top = rng.randint(0, max(size[0] - crop[0], 0) + 1)
    left = rng.randint(0, max(size[1] - crop[1], 0) + 1)
    return top, min(top + crop[0], size[0]), left, min(left + crop[1], size[1])


def depth_mixed(
    image: np.ndarray, depth_m: np.ndarray, changes: PhotoAugment, rng: np.random.RandomState
) -> np.ndarray:
    """An image (H, W, 3) uint8 with a random band of full height replaced by depth (H, W)."""
    if rng.random_sample() > changes.depth_mix:
        return image
    columns = image.shape[1]
    left = int(columns * rng.random_sample())
    width = int(max(1, (columns - left) * 0.75 * rng.random_sample()))
    band = depth_m[:, left : left + width]
    if changes.depth_mix_values == "wrapped":
        grey = (band / np.float32(1e-3)).astype(np.int64) % 256
    else:
        grey = band * (255 / max(float(depth_m.max()), 1e-6))
    image = image.copy()
    image[:, left : left + width] = grey.astype(np.uint8)[..., None]
    return image


def recoloured(image: np.ndarray, changes: PhotoAugment, rng: np.random.RandomState) -> np.ndarray:
    """(H, W, 3) uint8 RGB with random changes of colour."""
    levels = np.arange(256, dtype=np.float32)
    if rng.random_sample() < changes.colour:
        gain = 1 + rng.uniform(-changes.contrast, changes.contrast)
        offset = 255 * rng.uniform(-changes.brightness, changes.brightness)
        image = _looked_up(image, levels * gain + offset)
    if rng.random_sample() < changes.colour:
        exponent = 1 + rng.uniform(-changes.gamma, changes.gamma)
        image = _looked_up(image, 255 * (levels / 255) ** exponent)
    if rng.random_sample() < changes.colour:
        hue, saturation, value = (
            rng.uniform(-limit, limit) for limit in (changes.hue, changes.saturation, changes.value)
        )
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        turned = ((np.arange(256) + round(hue)) % _HUES).astype(np.uint8)
        planes = (
            turned[hsv[..., 0]],
            _looked_up(hsv[..., 1], levels + saturation),
            _looked_up(hsv[..., 2], levels + value),
        )
        image = cv2.cvtColor(np.stack(planes, -1), cv2.COLOR_HSV2RGB)
    return image


def _looked_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)[image]


@dataclass(frozen=True)
class NyuSet:
    """NYU Depth v2, see :func:`~depth_perception.data.photos.nyu_photos`."""

    root: str
    split: str = "train"
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["nyu"] = "nyu"


@dataclass(frozen=True)
class KittiSet:
    """KITTI, see :func:`~depth_perception.data.photos.kitti_photos`."""

    root: str
    listing: str = "kitti_eigen_train.txt"
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["kitti"] = "kitti"


@dataclass(frozen=True)
class WorldSet:
    """Synthetic worlds, see :class:`~depth_perception.data.photos.WorldPhotos`."""

    root: str
    augment: PhotoAugment = field(default_factory=PhotoAugment)
    kind: Literal["worlds"] = "worlds"


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
        images: (B, 3, H, W) uint8 RGB. kinds: kind of the data set of each photo.
        depth_m: (B, 1, H, W) float32 metres, 0 where unknown.
        scenes: (B,) int64 scene classes, -1 where unknown.
    """

    images: Tensor
    depth_m: Tensor
    scenes: Tensor
    kinds: tuple[str, ...]


class PhotoData:
    """Batches of the sets of a recipe; see :class:`~..stream.TrainingData`."""

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
        self.held_out = HeldOut(range(total), val_frames, validation)

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
    if isinstance(source, NyuSet):
        folder: Photos = nyu_photos(source.root, source.split)
    elif isinstance(source, KittiSet):
        folder = kitti_photos(source.root, source.listing)
    else:
        folder = WorldPhotos(source.root)
    if len(folder) == 0:
        raise NoFramesError(f"the {source.kind} set below {source.root} holds no images")
    lost = folder.missing() if isinstance(folder, PhotoFolder) else []
    if lost:
        raise FileNotFoundError(
            f"{len(lost)} files of the {source.kind} set are missing, such as {lost[0]}"
        )
    return folder


def _located(sets: Sequence[tuple[PhotoSet, Photos]], item: int) -> tuple[PhotoSet, Photos, int]:
    for source, folder in sets:
        if item < len(folder):
            return source, folder, item
        item -= len(folder)
    raise IndexError("item beyond the last set")
