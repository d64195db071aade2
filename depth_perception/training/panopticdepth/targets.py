"""Targets of the maps of PanopticDepth (arXiv 2206.00468; Panoptic FCN, 2012.00720).

Objects belong to levels of the feature pyramid by size, stuff to each level with enough of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ...data.panoptic import VOID_CLASS
from ...systems.panopticdepth.config import STRIDE

SIZE_RANGES_PX = ((1, 128), (64, 256), (128, 512), (256, 1024), (512, 2048))
"""Range of the square root of the box area for each level, bounds included."""
_MIN_OVERLAP = 0.7
_LEAST_STUFF = 0.5


class GroundTruth(NamedTuple):
    """Ground truth of one image.

    Attributes:
        classes: (H, W) uint8, things included, ``VOID_CLASS`` where unknown.
        masks: (N, H, W) bool, objects.
        labels: (N,) int64 thing classes of the objects, counted from the first thing class.
        boxes: (N, 4) float32 pixel indices left, top, right, bottom, both ends in the mask.
        depth_m: (H, W) float32 metres, 0 where unknown.
    """

    classes: Tensor
    masks: Tensor
    labels: Tensor
    boxes: Tensor
    depth_m: Tensor


class LevelTargets(NamedTuple):
    """Targets of one level of the pyramid.

    Attributes:
        centres: (things, h, w) heat map, 1 at the centres of objects.
        objects: (n,) int64, the objects of the image that belong to the level.
        places: (n, 2) int64 row and column of their centres; may be one beyond the last.
        stuff: (classes, h, w) share of each class, 0 where it is below one half.
        present: (m,) int64, the classes with any such position.
    """

    centres: Tensor
    objects: Tensor
    places: Tensor
    stuff: Tensor
    present: Tensor


class PanopticTargets(NamedTuple):
    """Targets of one image at the sizes of the network.

    Attributes:
        masks: (N, h, w) float32 at stride 4, soft at borders.
        labels: (N,) int64.
        stuff: (classes, h, w) float32 at stride 4, soft at borders.
        depth_m: (h, w) float32 at stride 4, 0 where unknown.
        levels: of the five levels.
    """

    masks: Tensor
    labels: Tensor
    stuff: Tensor
    depth_m: Tensor
    levels: tuple[LevelTargets, ...]


def panoptic_targets(
    truth: GroundTruth,
    *,
    size: tuple[int, int],
    mask_size: tuple[int, int],
    level_sizes: Sequence[tuple[int, int]],
    things: int,
    classes: int,
) -> PanopticTargets:
    """Targets of one image from its ground truth before padding; ValueError without five levels.

    Sizes are (height, width) of the padded image, of its maps of stride 4 and of the five
    levels; ``things`` and ``classes`` are the numbers of thing classes and of all classes.
    """
    if len(level_sizes) != len(SIZE_RANGES_PX):
        raise ValueError(f"there are {len(SIZE_RANGES_PX)} levels, got {len(level_sizes)} sizes")
    known = truth.classes != VOID_CLASS
    one_hot = F.one_hot(torch.where(known, truth.classes, classes).long(), classes + 1)
    stuff = _on_canvas(one_hot[..., :classes].permute(2, 0, 1).float(), mask_size)
    masks = _on_canvas(truth.masks.float(), mask_size)
    depth = _on_canvas(truth.depth_m[None], mask_size, mode="nearest")[0]
    extent = truth.boxes[:, 2:] - truth.boxes[:, :2]
    side = extent.prod(1).clamp_min(0).sqrt()
    middle = _middles(masks)
    levels = []
    for level_size, (least, most) in zip(level_sizes, SIZE_RANGES_PX, strict=True):
        objects = ((side >= least) & (side <= most)).nonzero()[:, 0]
        level = middle.new_tensor(level_size)
        places = (middle[objects] * (level / middle.new_tensor(mask_size))).nan_to_num(0).long()
        places = torch.minimum(places.clamp_min(0), level.long())
        boxes = extent[objects].flip(1) * (level / level.new_tensor(size))
        scores = F.interpolate(stuff[None], level_size, mode="bilinear", align_corners=False)[0]
        scores = scores.clamp_max(1)
        scores = torch.where(scores < _LEAST_STUFF, 0, scores)
        heat = _heat_map(places, boxes, truth.labels[objects], level_size, things)
        present = scores.flatten(1).any(1).nonzero()[:, 0]
        levels.append(LevelTargets(heat, objects, places, scores, present))
    return PanopticTargets(masks, truth.labels, stuff, depth, tuple(levels))


def gaussian_radius(height: float, width: float) -> int:
    """Largest shift of a box, in pixels, that keeps an overlap of at least 0.7.

    As computed by CornerNet (arXiv 1808.01244) and later code: the roots of the three quadratic
    equations lack the leading coefficient, which is reproduced here.
    """
    area, total, overlap = height * width, height + width, _MIN_OVERLAP
    roots = (
        _root(total, 4 * area * (1 - overlap) / (1 + overlap)),
        _root(2 * total, 16 * (1 - overlap) * area),
        _root(-2 * overlap * total, 16 * overlap * (overlap - 1) * area),
    )
    return int(max(0.0, min(roots)))


def _root(b: float, four_ac: float) -> float:
    return (b + math.sqrt(max(0.0, b * b - four_ac))) / 2


def _on_canvas(maps: Tensor, size: tuple[int, int], mode: str = "bilinear") -> Tensor:
    """Maps (N, H, W) at stride 4, at the top left of zeros of a size."""
    height, width = (int(side / STRIDE + 0.5) for side in maps.shape[-2:])
    canvas = maps.new_zeros((len(maps), *size))
    if len(maps):
        align = None if mode == "nearest" else False
        small = F.interpolate(maps[None], (height, width), mode=mode, align_corners=align)[0]
        canvas[:, :height, :width] = small
    return canvas


def _middles(masks: Tensor) -> Tensor:
    """(N, 2) mean row and column of the pixels of masks (N, H, W); NaN of an empty one."""
    inside = masks != 0
    rows, columns = inside.sum(2).float(), inside.sum(1).float()
    row = torch.arange(masks.shape[1], device=masks.device, dtype=torch.float32)
    column = torch.arange(masks.shape[2], device=masks.device, dtype=torch.float32)
    return torch.stack(((rows @ row) / rows.sum(1), (columns @ column) / columns.sum(1)), 1)


def _heat_map(
    places: Tensor, boxes: Tensor, labels: Tensor, size: tuple[int, int], things: int
) -> Tensor:
    """(things, h, w), the largest of the Gaussians of the objects of each class, from their
    places (row, column), boxes (height, width) and labels."""
    centres = torch.zeros((things, *size), device=places.device)
    rows, columns = (torch.arange(side, device=places.device) for side in size)
    eps = torch.finfo(torch.float32).eps
    objects = zip(places.tolist(), boxes.tolist(), labels.tolist(), strict=True)
    for (row, column), box, label in objects:
        radius = gaussian_radius(*box)
        sigma = (2 * radius + 1) / 3
        down, across = (rows - row)[:, None], (columns - column)[None]
        bump = torch.exp(-(down**2 + across**2) / (2 * sigma**2))
        near = (down.abs() <= radius) & (across.abs() <= radius) & (bump >= eps)
        centres[label] = torch.maximum(centres[label], torch.where(near, bump, 0))
    return centres
