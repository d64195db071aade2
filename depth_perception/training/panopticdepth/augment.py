"""Random augmentation of frames with panoptic labels and depth.

Colours as in SSD (Liu et al., ECCV 2016), section 2.2; images are resized by Pillow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np
import torch
from PIL import Image

from ...data.panoptic import VOID_CLASS, PanopticFrame
from .targets import GroundTruth

_GREY = 128
_HUES = 180  # OpenCV's degrees


@dataclass(frozen=True)
class SsdColour:
    """Changes of colour, each with probability ``chance``.

    Attributes:
        brightness: of 255, added. contrast, saturation: factors are drawn from 1 +- this.
        hue: degrees of 180, added.
    """

    chance: float = 0.5
    brightness: float = 32.0
    contrast: float = 0.5
    saturation: float = 0.5
    hue: float = 18.0

    def __post_init__(self) -> None:
        if not 0 <= self.chance <= 1:
            raise ValueError(f"chance is a probability, got {self.chance}")


@dataclass(frozen=True)
class PanopticAugment:
    """Augmentation of a frame, in this order.

    Attributes:
        short_sides: the shorter side is resized to one of these; empty keeps the size.
        long_side: maximum of the longer side then.
        scale: range of the factor between the crop and the resized image, which keeps its aspect
            ratio; then the centre is cropped. Not with ``short_sides``.
        crop: (height, width); None keeps the whole image.
        flip: probability of a mirror image.
        colour: changes of colour, or None.
        bounded_depth: see :func:`farther`.
    """

    short_sides: tuple[int, ...] = ()
    long_side: int = 4096
    scale: tuple[float, float] | None = None
    crop: tuple[int, int] | None = None
    flip: float = 0.5
    colour: SsdColour | None = field(default_factory=SsdColour)
    bounded_depth: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip is a probability, got {self.flip}")
        if self.scale is not None and (self.crop is None or self.short_sides):
            raise ValueError("scale needs crop, and no short_sides")
        if self.scale is not None and not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must go from a positive number up, got {self.scale}")
        if any(side < 1 for side in (*self.short_sides, *(self.crop or ()))):
            raise ValueError(f"sides must be positive, got {self.short_sides} and {self.crop}")


def augmented(
    frame: PanopticFrame, changes: PanopticAugment, rng: np.random.Generator
) -> PanopticFrame:
    """An augmented frame."""
    native = frame.classes.shape
    size = tuple(native)
    if changes.short_sides:
        side = changes.short_sides[int(rng.integers(len(changes.short_sides)))]
        size = short_side_size(native, side, changes.long_side)
    elif changes.scale is not None and changes.crop is not None:
        size = scaled_size(native, changes.crop, float(rng.uniform(*changes.scale)))
    frame = resized(frame, size)
    if rng.random() < changes.flip:
        frame = mirrored(frame)
    if changes.crop is not None:
        if changes.scale is not None:
            frame = centre_cropped(frame, changes.crop)
        else:
            frame = random_cropped(frame, changes.crop, rng)
    if size != tuple(native):
        frame = farther(frame, resize_ratio(native, size), bounded=changes.bounded_depth)
    if changes.colour is not None:
        image = recoloured(frame.rgb.permute(1, 2, 0).numpy(), changes.colour, rng)
        frame = replace(frame, rgb=torch.from_numpy(image).permute(2, 0, 1).contiguous())
    return frame


def ground_truth_of(frame: PanopticFrame, things: Sequence[int]) -> GroundTruth:
    """Ground truth of a frame, given the thing classes in order. Crowds have classes, but are
    not objects; objects of a single row or column are ignored."""
    segments = frame.segments()
    labels = {thing: label for label, thing in enumerate(things)}
    crowds = frozenset(frame.crowd_segments())
    masks, kept, boxes = [], [], []
    for segment in torch.unique(segments).tolist():
        if segment // 1000 not in labels or segment in crowds:
            continue
        mask = segments == segment
        rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
        box = [int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])]
        if box[2] > box[0] and box[3] > box[1]:
            masks.append(mask)
            kept.append(labels[segment // 1000])
            boxes.append(box)
    return GroundTruth(
        frame.classes,
        torch.stack(masks) if masks else torch.zeros((0, *segments.shape), dtype=torch.bool),
        torch.tensor(kept, dtype=torch.int64),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        frame.depth_m,
    )


def resized(frame: PanopticFrame, size: tuple[int, int]) -> PanopticFrame:
    """The frame at another size (height, width); depth keeps its values, see :func:`farther`."""
    if frame.classes.shape == tuple(size):
        return frame
    image = _resampled(frame.rgb.permute(1, 2, 0).numpy(), size, Image.BILINEAR)
    maps = {
        name: torch.from_numpy(_resampled(getattr(frame, name).numpy(), size, Image.NEAREST))
        for name in _MAPS
        if name != "rgb"
    }
    return replace(frame, rgb=torch.from_numpy(image).permute(2, 0, 1).contiguous(), **maps)


def resize_ratio(old: Sequence[int], new: Sequence[int]) -> float:
    """Factor of apparent distance after a resize between two (height, width)."""
    return (old[0] / new[0] + old[1] / new[1]) / 2


def farther(frame: PanopticFrame, ratio: float, *, bounded: bool = True) -> PanopticFrame:
    """Depth times a ratio, for a camera with an unchanged focal length; if ``bounded``, clipped
    to the original range of depth, as the authors do."""
    depth = frame.depth_m * ratio
    if bounded:
        depth = depth.clamp(frame.depth_m.min(), frame.depth_m.max())
    return replace(frame, depth_m=depth)


def short_side_size(size: tuple[int, int], side: int, most: int) -> tuple[int, int]:
    """(height, width) with the shorter side ``side`` and the longer at most ``most``."""
    ratio = side / min(size)
    if max(size) * ratio > most:
        ratio = most / max(size)
    return int(size[0] * ratio + 0.5), int(size[1] * ratio + 0.5)


def scaled_size(size: tuple[int, int], crop: tuple[int, int], scale: float) -> tuple[int, int]:
    """Largest (height, width) of the same aspect ratio that fits into ``crop`` times ``scale``."""
    ratio = min(crop[0] * scale / size[0], crop[1] * scale / size[1])
    return round(size[0] * ratio), round(size[1] * ratio)


def mirrored(frame: PanopticFrame) -> PanopticFrame:
    """Left and right exchanged."""
    maps = {name: getattr(frame, name).flip(-1) for name in _MAPS}
    return replace(frame, **maps)


def random_cropped(
    frame: PanopticFrame, crop: tuple[int, int], rng: np.random.Generator
) -> PanopticFrame:
    """A random crop of at most ``crop`` (height, width)."""
    height, width = frame.classes.shape
    tall, wide = min(crop[0], height), min(crop[1], width)
    top = int(rng.integers(height - tall + 1))
    left = int(rng.integers(width - wide + 1))
    window = (..., slice(top, top + tall), slice(left, left + wide))
    return replace(frame, **{name: getattr(frame, name)[window] for name in _MAPS})


def centre_cropped(frame: PanopticFrame, crop: tuple[int, int]) -> PanopticFrame:
    """The centre (height, width), padded with grey, no label and no depth."""
    window, borders = (...,), ()
    for side, wanted in zip(frame.classes.shape, crop, strict=True):
        start, missing = round(max(side - wanted, 0) / 2), max(wanted - side, 0)
        window = (*window, slice(start, start + wanted))
        borders = (missing // 2, missing - missing // 2, *borders)  # the last axis first
    maps = {
        name: torch.nn.functional.pad(getattr(frame, name)[window], borders, value=fill)
        for name, fill in _MAPS.items()
    }
    return replace(frame, **maps)


def recoloured(image: np.ndarray, changes: SsdColour, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 RGB with random changes of colour."""
    levels = np.arange(256, dtype=np.float32)

    def happens() -> bool:
        return rng.random() < changes.chance

    def factor(extent: float) -> float:
        return float(rng.uniform(1 - extent, 1 + extent))

    def contrasted(image: np.ndarray) -> np.ndarray:
        if not happens():
            return image
        return _looked_up(image, levels * factor(changes.contrast))

    if happens():
        offset = float(rng.uniform(-changes.brightness, changes.brightness))
        image = _looked_up(image, levels + offset)
    early = rng.random() < 0.5
    if early:
        image = contrasted(image)
    if happens():
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        hsv[..., 1] = _looked_up(hsv[..., 1], levels * factor(changes.saturation))
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    if happens():
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
        turn = round(float(rng.uniform(-changes.hue, changes.hue)))
        hsv[..., 0] = ((np.arange(256) + turn) % _HUES).astype(np.uint8)[hsv[..., 0]]
        image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)
    return np.ascontiguousarray(image if early else contrasted(image))


_MAPS = {"rgb": _GREY, "classes": VOID_CLASS, "instances": 0, "depth_m": 0.0}


def _resampled(values: np.ndarray, size: tuple[int, int], resampling: int) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(values))
    return np.array(image.resize((size[1], size[0]), resampling))


def _looked_up(image: np.ndarray, levels: np.ndarray) -> np.ndarray:
    return np.clip(levels, 0, 255).astype(np.uint8)[image]
