"""Panoptic map with depth from the kernels of segments, by the authors' method.

Every mask and every depth map is made at full size, which takes gigabytes for a large image;
:mod:`.lean_maps` has the same results with a fraction of the memory.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import STRIDE, PanopticDepthConfig, PanopticLimits
from .kernels import SegmentKernels, mask_logits
from .network import PanopticFeatures, generated_depth

Size = tuple[int, int]


@dataclass(frozen=True)
class View:
    """Sizes to which masks are resampled.

    Attributes:
        image: (height, width) of the network input before padding.
        output: (height, width) of the maps.
        crop_depth: crop the padding of the depth embedding, as of the masks. The authors do not,
            which stretches depth if the input was padded.
    """

    image: Size
    output: Size
    crop_depth: bool = True


@dataclass(frozen=True)
class Segment:
    """One segment of a map: its number there, its class and its score in [0, 1]."""

    id: int
    class_id: int
    score: float


@dataclass(frozen=True)
class PanopticMap:
    """A panoptic segmentation, and depth where the network has it.

    Attributes:
        ids: (H, W) int32 numbers of segments, -1 where there is none. Stuff has its class number
            plus 1; things count from the number of classes plus 2.
        classes: (H, W) int32, 0 where there is no segment.
        depth: (H, W) float32 z-depth, metres, NaN where there is no segment; None without depth.
        segments: those that have pixels: things, best first, then stuff, by class.
    """

    ids: Tensor
    classes: Tensor
    depth: Tensor | None
    segments: tuple[Segment, ...]


class PlainResult(NamedTuple):
    """Intermediate results of the authors' method, and the map.

    Attributes:
        map: the panoptic map.
        things: things of the masks below; their score is weighted with the mask.
        masks: (N, H, W) bool.
        boxes: (N, 4) float32 left, top, right, bottom, right and bottom exclusive.
        semantic: (classes, H, W) float32 probabilities, zeros for classes not found.
    """

    map: PanopticMap
    things: SegmentKernels
    masks: Tensor
    boxes: Tensor
    semantic: Tensor


def plain_map(
    things: SegmentKernels,
    stuff: SegmentKernels,
    features: PanopticFeatures,
    view: View,
    config: PanopticDepthConfig,
    limits: PanopticLimits,
) -> PlainResult:
    """Panoptic map of one image (features of a batch of one)."""
    things, thing_maps = rescored_things(things, mask_logits(things, features), limits)
    thing_maps = _at_full_size(thing_maps, view)
    semantic = thing_maps.new_zeros((len(config.classes), *view.output))
    stuff_maps = mask_logits(stuff, features).sigmoid()
    semantic[stuff.classes] = _at_full_size(stuff_maps, view)
    masks = thing_maps > 0.5
    owner, *kept = _painted(things, masks, stuff, semantic, config, limits)
    shown = things.at(kept[0]), stuff.at(kept[1])
    segments, depth = listed(*shown, config), None
    if features.depths is not None:
        depth = torch.full(view.output, math.nan, device=masks.device)
    if features.depths is not None and segments:
        # every pixel goes to the segment of the largest probability, and takes its depth
        owner = torch.cat((thing_maps[kept[0]], semantic[shown[1].classes])).argmax(0)
        resize = _at_full_size if view.crop_depth else _resized_to
        vectors = torch.cat([part.depth_kernels for part in shown])
        depths = generated_depth(vectors, resize(features.depths[0], view))
        depth = depths.clamp(max=limits.max_depth_m).gather(0, owner[None])[0]
    edges = (*extents(masks, 1), *extents(masks, 2))
    boxes = torch.stack([edges[side] for side in (0, 2, 1, 3)], 1).float()
    return PlainResult(painted_map(segments, owner, depth), things, masks, boxes, semantic)


def rescored_things(
    things: SegmentKernels, logits: Tensor, limits: PanopticLimits
) -> tuple[SegmentKernels, Tensor]:
    """Things whose score remains high enough with their mask, best first, and probabilities.

    ``logits`` is (N, h, w) at stride 4, and so are the probabilities.
    """
    probability = logits.sigmoid()
    mask = probability > 0.5
    inside = (probability * mask).sum((1, 2)) / (mask.sum((1, 2)) + 1e-6)
    things = things._replace(scores=things.scores * inside)
    order = things.scores.sort(descending=True, stable=True).indices
    order = order[things.scores[order] >= limits.rescored][: limits.top]
    return things.at(order), probability[order]


def listed(
    things: SegmentKernels, stuff: SegmentKernels, config: PanopticDepthConfig
) -> tuple[Segment, ...]:
    """The segments of a map with their numbers."""
    classes = torch.cat((things.classes + config.first_thing, stuff.classes))
    scores = torch.cat((things.scores, stuff.scores))
    rows = torch.stack((classes.float(), scores.float())).T.tolist()  # one copy from the device
    count, first = len(things.classes), len(config.classes) + 2
    return tuple(
        Segment(first + place if place < count else int(class_id) + 1, int(class_id), score)
        for place, (class_id, score) in enumerate(rows)
    )


def painted_map(segments: tuple[Segment, ...], owner: Tensor, depth: Tensor | None) -> PanopticMap:
    """The map in which ``owner`` has the place of a segment in the list, or -1 or N for none."""
    table = [[segment.id, segment.class_id] for segment in segments] + [[-1, 0]]
    numbers, classes = torch.tensor(table, dtype=torch.int32).T.contiguous().to(owner.device)
    ids = numbers[owner]
    if segments:  # those that have pixels
        highest = max(segment.id for segment in segments)
        counts = torch.bincount(ids.flatten().clamp(min=0), minlength=highest + 1).tolist()
        segments = tuple(segment for segment in segments if counts[segment.id])
    return PanopticMap(ids, classes[owner], depth, segments)


def extents(masks: Tensor, along: int) -> tuple[Tensor, Tensor]:
    """(N,) first marked row (``along`` = 2) or column (1) of masks, and the one after the last."""
    marked = masks.any(along)
    end = marked.shape[1] - marked.flip(1).int().argmax(1)
    return marked.int().argmax(1), torch.where(marked.any(1), end, 0)


def _painted(
    things: SegmentKernels,
    masks: Tensor,
    stuff: SegmentKernels,
    semantic: Tensor,
    config: PanopticDepthConfig,
    limits: PanopticLimits,
) -> tuple[Tensor, Tensor, Tensor]:
    """Map of the places of segments with holes of -1, and the indices of kept things and stuff."""
    places = torch.full(masks.shape[1:], -1, device=masks.device)
    kept_things, kept_stuff = [], []
    for index in range(len(masks)):
        mask, covered = masks[index], places != -1
        area = int(mask.sum())
        is_weak = things.scores[index] < limits.combine_score or area == 0
        if is_weak or int((mask & covered).sum()) / area > limits.overlap:
            continue
        places[mask & ~covered] = len(kept_things)
        kept_things.append(index)
    owner = semantic.argmax(0)
    for index, class_id in enumerate(stuff.classes.tolist()):
        region = (owner == class_id) & (places == -1)
        if class_id >= config.first_thing or int(region.sum()) < max(limits.stuff_area_px, 1):
            continue
        places[region] = len(kept_things) + len(kept_stuff)
        kept_stuff.append(index)
    kept = [torch.tensor(k, dtype=torch.int64).to(masks.device) for k in (kept_things, kept_stuff)]
    return places, *kept


def _at_full_size(maps: Tensor, view: View) -> Tensor:
    """(N, h, w) at stride 4 of the padded input to (N, *output)."""
    if not len(maps):
        return maps.new_zeros((0, *view.output))
    height, width = view.image
    maps = F.interpolate(maps[None], scale_factor=STRIDE, mode="bilinear", align_corners=False)[0]
    maps = maps[:, :height, :width]
    return maps if view.output == view.image else _resized_to(maps, view)


def _resized_to(maps: Tensor, view: View) -> Tensor:
    return resized(maps, view.output)


def resized(maps: Tensor, size: Size) -> Tensor:
    """(N, h, w) to (N, *size), bilinear."""
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]
