"""From the kernels of segments to a panoptic map with depth, the plain way of the authors.

Every mask and every depth map is made at full size, which takes gigabytes for a large image;
:mod:`.panopticdepth_lean` has the same results with a fraction of it.
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
    """Where masks shall end up.

    Attributes:
        image: (height, width) of the network input before padding.
        output: (height, width) of the maps.
        crop_depth: cut the padding off the depth embedding, as from the masks. The authors do
            not, which stretches depth where the input was padded.
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
    """What the plain way makes beside the map.

    Attributes:
        map: the panoptic map.
        things: things of the masks below; their score has been weighed with the mask.
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
    ids, classes, kept_things, kept_stuff = _painted(things, masks, stuff, semantic, config, limits)
    depth = None
    segments = listed(things, kept_things, stuff, kept_stuff, config)
    if features.depths is not None:
        survivors = torch.cat((thing_maps[kept_things], semantic[stuff.classes[kept_stuff]]))
        vectors = torch.cat((things.depth_kernels[kept_things], stuff.depth_kernels[kept_stuff]))
        ids, classes, depth = _owned(survivors, vectors, segments, features.depths[0], view, limits)
    found = PanopticMap(ids, classes, depth, present(segments, ids))
    return PlainResult(found, things, masks, _boxes(masks), semantic)


def rescored_things(
    things: SegmentKernels, logits: Tensor, limits: PanopticLimits
) -> tuple[SegmentKernels, Tensor]:
    """Things whose score holds against their mask, best first, and their probabilities.

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
    things: SegmentKernels,
    kept_things: Tensor,
    stuff: SegmentKernels,
    kept_stuff: Tensor,
    config: PanopticDepthConfig,
) -> tuple[Segment, ...]:
    """The kept segments with their numbers; ``kept_...`` are indices."""
    classes = torch.cat(
        (things.classes[kept_things] + config.first_thing, stuff.classes[kept_stuff])
    )
    scores = torch.cat((things.scores[kept_things], stuff.scores[kept_stuff]))
    rows = torch.stack((classes.float(), scores.float())).T.tolist()  # one copy from the device
    count, first = len(kept_things), len(config.classes) + 2
    return tuple(
        Segment(first + place if place < count else int(class_id) + 1, int(class_id), score)
        for place, (class_id, score) in enumerate(rows)
    )


def present(segments: tuple[Segment, ...], ids: Tensor) -> tuple[Segment, ...]:
    """The segments that have pixels."""
    if not segments:
        return ()
    highest = max(segment.id for segment in segments)
    counts = torch.bincount(ids.flatten().clamp(min=0), minlength=highest + 1).tolist()
    return tuple(segment for segment in segments if counts[segment.id])


def tables(segments: tuple[Segment, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """(N + 1,) int32 numbers and classes by place in the list; the last is "no segment"."""
    ids = [segment.id for segment in segments] + [-1]
    classes = [segment.class_id for segment in segments] + [0]
    table = torch.tensor([ids, classes], dtype=torch.int32).to(device)
    return table[0], table[1]


def _painted(
    things: SegmentKernels,
    masks: Tensor,
    stuff: SegmentKernels,
    semantic: Tensor,
    config: PanopticDepthConfig,
    limits: PanopticLimits,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Map of numbers and of classes with holes, and the indices of kept things and stuff."""
    size = masks.shape[1:]
    ids = torch.full(size, -1, dtype=torch.int32, device=masks.device)
    classes = torch.zeros_like(ids)
    next_id = len(config.classes) + 2
    kept_things, kept_stuff = [], []
    for index in range(len(masks)):
        if things.scores[index] < limits.combine_score:
            continue
        mask, covered = masks[index], ids != -1
        area = int(mask.sum())
        if area == 0 or int((mask & covered).sum()) / area > limits.overlap:
            continue
        ids[mask & ~covered] = next_id
        classes[mask & ~covered] = int(things.classes[index]) + config.first_thing
        kept_things.append(index)
        next_id += 1
    owner = semantic.argmax(0)
    for index, class_id in enumerate(stuff.classes.tolist()):
        region = (owner == class_id) & (ids == -1)
        if class_id >= config.first_thing or int(region.sum()) < max(limits.stuff_area_px, 1):
            continue
        ids[region] = class_id + 1
        classes[region] = class_id
        kept_stuff.append(index)
    places = [
        torch.tensor(kept, dtype=torch.int64, device=masks.device)
        for kept in (kept_things, kept_stuff)
    ]
    return ids, classes, places[0], places[1]


def _owned(
    maps: Tensor,
    vectors: Tensor,
    segments: tuple[Segment, ...],
    embedding: Tensor,
    view: View,
    limits: PanopticLimits,
) -> tuple[Tensor, Tensor, Tensor]:
    """Every pixel goes to the segment of the largest probability, and takes its depth."""
    ids, classes = tables(segments, maps.device)
    if not segments:
        nothing = torch.full(view.output, -1, dtype=torch.int32, device=maps.device)
        return nothing, nothing + 1, torch.full_like(nothing, math.nan, dtype=torch.float32)
    owner = maps.argmax(0)
    if view.crop_depth:
        embedding = _at_full_size(embedding, view)
    else:
        embedding = _resized(embedding, view.output)
    depths = generated_depth(vectors, embedding).clamp(max=limits.max_depth_m)
    return ids[owner], classes[owner], depths.gather(0, owner[None])[0]


def _at_full_size(maps: Tensor, view: View) -> Tensor:
    """(N, h, w) at stride 4 of the padded input to (N, *output)."""
    if not len(maps):
        return maps.new_zeros((0, *view.output))
    height, width = view.image
    maps = F.interpolate(maps[None], scale_factor=STRIDE, mode="bilinear", align_corners=False)[0]
    maps = maps[:, :height, :width]
    return maps if view.output == view.image else _resized(maps, view.output)


def _resized(maps: Tensor, size: Size) -> Tensor:
    return F.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0]


def _boxes(masks: Tensor) -> Tensor:
    """(N, 4) left, top, right, bottom; zeros for empty masks."""
    edges = []
    for along in (1, 2):  # columns have some pixel along the rows, and the other way round
        any_on = masks.any(along)
        length = any_on.shape[1]
        start = any_on.int().argmax(1)
        end = length - any_on.flip(1).int().argmax(1)
        edges.append(torch.stack((start, torch.where(any_on.any(1), end, 0))))
    (left, right), (top, bottom) = edges
    return torch.stack((left, top, right, bottom), 1).float()
