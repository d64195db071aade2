"""Losses of PanopticDepth (Gao et al., CVPR 2022, arXiv 2206.00468, sections 3.2 to 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...systems.panopticdepth.config import PanopticDepthConfig
from ...systems.panopticdepth.network import PanopticFeatures, depth_shift, generated_depth
from .targets import GroundTruth, LevelTargets, PanopticTargets, panoptic_targets

_ALPHA, _GAMMA = 0.25, 2
_LEAST_DEPTH_M = 1e-6
_GUIDED = 0.1
_TINY = 1e-8


@dataclass(frozen=True)
class PanopticLosses:
    """Weights of the terms; the defaults are the authors'.

    Attributes:
        thing_position, stuff_position: of the focal losses of the position maps.
        masks: of the Dice losses of things and of stuff.
        depth: of depth within segments. thing_depth: times ``depth``, of the mean depth of things.
        positions: number of kernels per object.
    """

    thing_position: float = 1.0
    stuff_position: float = 1.0
    masks: float = 4.0
    depth: float = 5.0
    thing_depth: float = 1.0
    positions: int = 7

    def __post_init__(self) -> None:
        if self.positions < 1:
            raise ValueError(f"positions must be at least 1, got {self.positions}")


class Guided(NamedTuple):
    """Positions (n, P), int64, of the kernels of objects in the flattened level, and the
    predicted probabilities (n, P) of a centre there, 0 outside of the object."""

    places: Tensor
    values: Tensor


def panoptic_losses(
    features: PanopticFeatures,
    targets: Sequence[PanopticTargets],
    thing_embedding: nn.Module,
    stuff_embedding: nn.Module,
    losses: PanopticLosses,
    first_thing: int,
) -> Mapping[str, Tensor]:
    """The weighted terms of a batch; their sum is minimised.

    Args:
        features: of the batch, from padded images.
        targets: of each of its images.
        thing_embedding, stuff_embedding: make kernels of masks from the kernel map.
        first_thing: class number of the first thing; depth of stuff is for the classes below.

    Returns:
        ``thing_position``, ``stuff_position``, ``thing_masks``, ``stuff_masks``, and with a depth
        branch ``thing_depth`` and ``depth``. A term without ground truth in the batch is 0.

    Raises:
        ValueError: a level has fewer positions than an object has kernels.
    """
    smallest = min(level[0, 0].numel() for level in features.things)
    if smallest < losses.positions:
        raise ValueError(
            f"the coarsest level has {smallest} positions, but each object needs "
            f"{losses.positions}: use larger images"
        )
    things = sum(len(level.objects) for target in targets for level in target.levels)
    stuff = sum(len(level.present) for target in targets for level in target.levels)
    terms: dict[str, list[Tensor]] = {
        "thing_position": [],
        "stuff_position": [],
        "thing_masks": [_nothing(features.kernels, thing_embedding, features.masks)],
        "stuff_masks": [_nothing(features.kernels, stuff_embedding, features.masks)],
        "thing_depth": [_nothing(features.depth_kernels)],
        "depth": [_nothing(features.depth_kernels, None, features.depths)],
    }
    with_depth = features.depths is not None
    for number, target in enumerate(targets):
        depths = _DepthPairs(target.depth_m)
        for level, truth in enumerate(target.levels):
            at = _Level(features, number, level)
            terms["thing_position"].append(focal(at.things, truth.centres).sum() / max(things, 1))
            of_stuff = focal(at.stuff, truth.stuff).flatten(1).mean(1).sum()
            terms["stuff_position"].append(of_stuff / len(targets))
            if len(truth.objects):
                masks = target.masks[truth.objects]
                labels = target.labels[truth.objects]
                guided = guided_positions(at.things, labels, masks, losses.positions)
                kernels = thing_embedding(_picked(at.kernels, guided.places)[..., None, None])
                dice = dice_loss(_masks_of(kernels, at.masks), _repeated(masks, guided))
                share = guided.values / guided.values.sum(1, keepdim=True).clamp_min(_TINY)
                weighted = dice * share.flatten()
                terms["thing_masks"].append(weighted.sum() / max(things, 1))
                if with_depth:
                    depths.add_things(at, masks, guided)
            if len(truth.present):
                inside = (truth.stuff[truth.present] > 0).float()
                kernels = stuff_embedding(_averaged(at.kernels, inside)[..., None, None])
                masks = target.stuff[truth.present]
                dice = dice_loss(_masks_of(kernels, at.masks), masks)
                terms["stuff_masks"].append(dice.sum() / max(stuff, 1))
                if with_depth:
                    depths.add_stuff(at, truth, masks, inside, first_thing)
        for name, loss in zip(("thing_depth", "depth"), depths.losses(), strict=True):
            terms[name].append(loss / len(targets))
    weights = {
        "thing_position": losses.thing_position,
        "stuff_position": losses.stuff_position,
        "thing_masks": losses.masks,
        "stuff_masks": losses.masks,
    }
    if with_depth:
        weights["thing_depth"] = losses.depth * losses.thing_depth
        weights["depth"] = losses.depth
    return {name: weight * torch.stack(terms[name]).sum() for name, weight in weights.items()}


def batch_targets(
    features: PanopticFeatures,
    ground_truths: Sequence[GroundTruth],
    size: tuple[int, int],
    config: PanopticDepthConfig,
) -> list[PanopticTargets]:
    """Targets for the features of padded images of ``size`` (height, width)."""
    return [
        panoptic_targets(
            truth,
            size=tuple(size),
            mask_size=tuple(features.masks.shape[-2:]),
            level_sizes=[tuple(level.shape[-2:]) for level in features.things],
            things=config.things,
            classes=len(config.classes),
        )
        for truth in ground_truths
    ]


def focal(logits: Tensor, target: Tensor) -> Tensor:
    """Focal loss (arXiv 1708.02002) of each element, with targets in [0, 1]."""
    probability = logits.sigmoid()
    right = probability * target + (1 - probability) * (1 - target)
    balance = _ALPHA * target + (1 - _ALPHA) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return entropy * (1 - right) ** _GAMMA * balance


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """1 - Dice coefficient with squares (arXiv 1606.04797) of each mask; (N, h, w) to (N,)."""
    probability, target = logits.sigmoid().flatten(1), target.flatten(1)
    both = (probability * target).sum(1)
    total = probability.square().sum(1) + target.square().sum(1)
    return 1 - 2 * both / total.clamp_min(_TINY)


def depth_loss(depth_m: Tensor, ground_truth_m: Tensor) -> Tensor:
    """Scale-invariant and relative error of flat vectors of depth (section 3.4); 0 of none."""
    if not depth_m.numel():
        return depth_m.sum()
    depth, truth = depth_m.clamp_min(_LEAST_DEPTH_M), ground_truth_m.clamp_min(_LEAST_DEPTH_M)
    logs = truth.log() - depth.log()
    relative = (1 - depth / truth).square().mean().clamp_min(torch.finfo(depth.dtype).tiny)
    return 5 * (logs.square().mean() - logs.mean().square()) + relative.sqrt()


def guided_positions(things: Tensor, labels: Tensor, masks: Tensor, count: int) -> Guided:
    """The ``count`` positions of each object with the highest probability of its centre, from
    logits (things, h, w), thing classes (n,) and masks (n, H, W) at stride 4.

    Images with fewer positions than ``count`` give all of theirs; no object gives none.
    """
    size = things.shape[-2:]
    count = min(count, size.numel())
    if not len(labels):
        return Guided(labels.new_zeros(0, count), things.new_zeros(0, count))
    small = F.interpolate(masks[None], size, mode="bilinear", align_corners=False)[0]
    probability = torch.where(small > _GUIDED, things.sigmoid()[labels], 0)
    values, places = probability.flatten(1).topk(count)
    return Guided(places, values)


class _Level:
    """The features of one image at one level."""

    def __init__(self, features: PanopticFeatures, image: int, level: int) -> None:
        self.things = features.things[level][image].float()
        self.stuff = features.stuff[level][image].float()
        self.kernels = features.kernels[level][image].float()
        self.masks = features.masks[image].float()
        if features.depths is not None:
            self.depth_kernels = features.depth_kernels[level][image].float()
            self.depths = features.depths[image].float()


class _DepthPairs:
    """Depth of one image and its truth, gathered over objects, stuff and levels."""

    def __init__(self, ground_truth_m: Tensor) -> None:
        self._truth = ground_truth_m
        none = [[ground_truth_m.new_zeros(0)] for _ in range(4)]
        self._depth, self._true, self._shift, self._mean = none

    def add_things(self, at: _Level, masks: Tensor, guided: Guided) -> None:
        inside = (masks > 0) & (self._truth > 0)
        known = inside.flatten(1).any(1)
        if not known.any():
            return
        inside, places = inside[known], guided.places[known]
        vectors = _picked(at.depth_kernels, places)
        each = _repeated(inside, guided)
        self._depth.append(generated_depth(vectors, at.depths)[each])
        self._true.append(self._truth.expand(each.shape)[each])
        means = (self._truth * inside).flatten(1).sum(1) / inside.flatten(1).sum(1)
        self._shift.append(depth_shift(vectors))
        self._mean.append(means.repeat_interleave(places.shape[1]))

    def add_stuff(
        self, at: _Level, truth: LevelTargets, masks: Tensor, inside: Tensor, first_thing: int
    ) -> None:
        owned = (masks > 0.5) & (self._truth > 0)
        known = owned.flatten(1).any(1) & (truth.present < first_thing)
        if not known.any():
            return
        vectors = _averaged(at.depth_kernels, inside[known])
        self._depth.append(generated_depth(vectors, at.depths)[owned[known]])
        self._true.append(self._truth.expand(owned[known].shape)[owned[known]])

    def losses(self) -> tuple[Tensor, Tensor]:
        """Of the mean depth of things, and of depth."""
        pairs = (self._shift, self._mean), (self._depth, self._true)
        shift, depth = (depth_loss(torch.cat(found), torch.cat(true)) for found, true in pairs)
        return shift, depth


def _picked(maps: Tensor, places: Tensor) -> Tensor:
    """Vectors (n * P, C) of maps (C, h, w) at flattened places (n, P)."""
    return maps.flatten(1)[:, places.flatten()].T


def _averaged(maps: Tensor, inside: Tensor) -> Tensor:
    """Mean vectors (m, C) of maps (C, h, w) over binary masks (m, h, w)."""
    inside = inside.flatten(1)
    return inside @ maps.flatten(1).T / inside.sum(1, keepdim=True).clamp_min(1)


def _masks_of(kernels: Tensor, masks: Tensor) -> Tensor:
    """Mask logits (N, h, w) of kernels (N, C, 1, 1) on (C, h, w)."""
    return torch.tensordot(kernels[..., 0, 0].to(masks.dtype), masks, 1)


def _repeated(masks: Tensor, guided: Guided) -> Tensor:
    return masks.repeat_interleave(guided.places.shape[1], 0)


def _nothing(
    levels: Sequence[Tensor], embedding: nn.Module | None = None, maps: Tensor | None = None
) -> Tensor:
    """0 that depends on all parameters of a term, so that each has a gradient."""
    parts = [level.flatten()[:1].sum() for level in levels]
    parts += [] if maps is None else [maps.flatten()[:1].sum()]
    parts += [] if embedding is None else [p.sum() for p in embedding.parameters()]
    return 0 * torch.stack(parts).sum() if parts else torch.zeros(())
