"""Kernels of the segments of one image from the features of PanopticDepth.

Panoptic FCN (arXiv 2012.00720), section 3.3: kernels are taken at the peaks of the position maps,
and those of the same segment are fused.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import PanopticLimits
from .network import PanopticDepth, PanopticFeatures

_POOLS = (3, 3, 3, 5, 5)  # window that smooths the centres of each level
_LEAST_NORM = 1e-8


class SegmentKernels(NamedTuple):
    """Candidate segments, before their masks are evaluated.

    Attributes:
        classes: (N,) int64, of things counted from the first thing.
        scores: (N,) float32.
        kernels: (N, C) float32 of masks: embedded, except for :func:`thing_candidates`.
        depth_kernels: (N, 2 + E) float32, width 0 without depth.
    """

    classes: Tensor
    scores: Tensor
    kernels: Tensor
    depth_kernels: Tensor

    def at(self, index: Tensor) -> SegmentKernels:
        """The segments at these indices."""
        return SegmentKernels(*(value[index] for value in self))


def segment_kernels(
    network: PanopticDepth, features: PanopticFeatures, limits: PanopticLimits
) -> tuple[SegmentKernels, SegmentKernels]:
    """Things, best first, and stuff, by class, of one image (a batch of one)."""
    things = thing_candidates(features, limits)
    things = fused_things(_embedded(network.thing_embedding, things), limits)
    stuff = stuff_candidates(features, limits)
    stuff = fused_stuff(_embedded(network.stuff_embedding, stuff), features.stuff[0].shape[1])
    return things, stuff


def thing_candidates(features: PanopticFeatures, limits: PanopticLimits) -> SegmentKernels:
    """Peaks of the thing maps of all levels, best first."""
    parts = []
    for level, (logits, pool) in enumerate(zip(features.things, _POOLS, strict=True)):
        found = logits[0].float().sigmoid()
        found = (found + F.avg_pool2d(found, pool, stride=1, padding=pool // 2)) / 2
        found = torch.where(found == F.max_pool2d(found, 3, stride=1, padding=1), found, 0)
        most = min(found[0].numel(), limits.top // 2)
        scores, places = found.flatten(1).topk(most)
        scores, order = scores.flatten().topk(min(most, scores.numel()))
        order, scores = order[scores > limits.thing_score], scores[scores > limits.thing_score]
        vectors = _vectors_at(features, level, places.flatten()[order])
        parts.append(SegmentKernels(order // most, scores, *vectors))
    joined = _joined(parts)
    return joined.at(joined.scores.sort(descending=True, stable=True).indices)


def stuff_candidates(features: PanopticFeatures, limits: PanopticLimits) -> SegmentKernels:
    """One for every class with enough pixels in a level, by level and class."""
    parts = []
    for level, logits in enumerate(features.stuff):
        probability = logits[0].float().sigmoid().flatten(1)
        best, owner = probability.max(0)
        is_own = F.one_hot(owner, len(probability)).T.float()  # (classes, places)
        sure = is_own * (best >= limits.stuff_pixel)
        count = is_own.sum(1).clamp(min=1)
        sure_count = sure.sum(1).clamp(min=1)
        scores = (sure @ best[:, None])[:, 0] / count
        kept = torch.nonzero(scores > limits.stuff_score)[:, 0]
        kernels = features.kernels[level][0].float().flatten(1)
        shares = sure[kept]
        depth_kernels = kernels.new_zeros((len(kept), 0))
        if features.depth_kernels:
            vectors = features.depth_kernels[level][0].flatten(1)
            depth_kernels = shares @ vectors.T / sure_count[kept, None]
        vectors = shares @ kernels.T / count[kept, None]
        parts.append(SegmentKernels(kept, scores[kept], vectors, depth_kernels))
    return _joined(parts)


def fused_things(things: SegmentKernels, limits: PanopticLimits) -> SegmentKernels:
    """Fuse candidates, best first, whose kernels are those of the same thing, by their mean.

    A candidate similar to an earlier one is dropped. It is merged into the first of these if that
    one is kept itself.
    """
    count = len(things.classes)
    unit = things.kernels / things.kernels.norm(dim=1, keepdim=True).clamp(min=_LEAST_NORM)
    same = (unit @ unit.T >= limits.similarity).triu()
    same = same & (things.classes[:, None] == things.classes)
    same = same | torch.eye(count, dtype=torch.bool, device=same.device)
    earlier = same.cumsum(0)
    kept = torch.nonzero(earlier.diagonal() < 2)[:, 0]
    absorbed = (same & (earlier < 2))[kept].float()
    shares = absorbed / absorbed.sum(1, keepdim=True)
    vectors = shares @ things.kernels, shares @ things.depth_kernels
    return SegmentKernels(things.classes[kept], things.scores[kept], *vectors)


def fused_stuff(stuff: SegmentKernels, classes: int) -> SegmentKernels:
    """The mean of every class over all levels, by class."""
    owner = F.one_hot(stuff.classes, classes).T.float()
    count = owner.sum(1)
    kept = torch.nonzero(count)[:, 0]
    shares = owner[kept] / count[kept, None]
    return SegmentKernels(kept, *(shares @ values for values in stuff[1:]))


def mask_logits(segments: SegmentKernels, features: PanopticFeatures) -> Tensor:
    """(N, h, w) float32 logits of the masks at stride 4."""
    masks = features.masks[0].to(torch.float32)
    return torch.tensordot(segments.kernels, masks, 1)


def _embedded(layer: torch.nn.Conv2d, segments: SegmentKernels) -> SegmentKernels:
    weight, bias = layer.weight.flatten(1).float(), layer.bias.float()
    return segments._replace(kernels=F.linear(segments.kernels, weight, bias))


def _vectors_at(features: PanopticFeatures, level: int, places: Tensor) -> tuple[Tensor, Tensor]:
    kernels = features.kernels[level][0].flatten(1)[:, places].T.float()
    depth_kernels = kernels.new_zeros((len(places), 0))
    if features.depth_kernels:
        depth_kernels = features.depth_kernels[level][0].flatten(1)[:, places].T.float()
    return kernels, depth_kernels


def _joined(parts: list[SegmentKernels]) -> SegmentKernels:
    return SegmentKernels(*(torch.cat(values) for values in zip(*parts, strict=True)))
