"""From the prediction of EoMT to a panoptic map, as the authors make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...segment_classes import PanopticClass
from .config import EomtLimits


@dataclass(frozen=True)
class Candidates:
    """The queries of one image that may become segments, in their order.

    Attributes:
        masks: (K, h, w) logits.
        scores, classes: (K,) probability and number of the most probable class.
    """

    masks: Tensor
    scores: Tensor
    classes: Tensor

    def resized(
        self, whole: tuple[int, int], part: tuple[int, int], size: tuple[int, int]
    ) -> Candidates:
        """Masks enlarged to the network input ``whole``, cut to the image in it, then (*size)."""
        if not len(self.masks):
            masks = self.masks.new_zeros((0, *size))
        else:
            masks = F.interpolate(self.masks[None], whole, mode="bilinear", align_corners=False)
            masks = masks[..., : part[0], : part[1]]
            masks = F.interpolate(masks, size, mode="bilinear", align_corners=False)[0]
        return Candidates(masks, self.scores, self.classes)


def candidates(masks: Tensor, classes: Tensor, least_score: float) -> Candidates:
    """The queries with an object and a class probability above ``least_score``.

    Args:
        masks: (Q, h, w) logits. classes: (Q, C + 1) logits.
        least_score: exclusive.
    """
    scores, numbers = classes.float().softmax(-1).max(-1)
    kept = (numbers != classes.shape[-1] - 1) & (scores > least_score)
    return Candidates(masks[kept], scores[kept], numbers[kept])


@dataclass(frozen=True)
class Found:
    """One segment: its number from 1, class, and the class probability of its first query."""

    id: int
    class_id: int
    score: float


def panoptic_map(
    found: Candidates, classes: Sequence[PanopticClass], limits: EomtLimits
) -> tuple[Tensor, tuple[Found, ...]]:
    """The segment map (H, W) int32, 0 for none, and the segments.

    Each pixel belongs to the query with the largest product of score and mask probability. A query
    is dropped if it wins too little; its pixels stay without a segment. Queries of one class of
    stuff become one segment.

    Args:
        found: with masks of the size of the result.
        classes: of the model.
        limits: see :class:`EomtLimits`.
    """
    size = found.masks.shape[-2:]
    ids = torch.zeros(size, dtype=torch.int32, device=found.masks.device)
    if not len(found.masks):
        return ids, ()
    probability = found.masks.sigmoid()
    owner = (found.scores[:, None, None] * probability).argmax(0)
    inside = probability >= 0.5
    count = len(found.masks)
    won = torch.bincount(owner.flatten(), minlength=count)
    own = inside.gather(0, owner[None])[0]  # whether a pixel lies in the mask of its owner
    kept_areas = torch.bincount(owner[own], minlength=count)
    # int / int in double: 8 / 10 is not below 0.8
    ratios = won.double() / inside.flatten(1).sum(1).double().clamp_min(1)
    accepted = (kept_areas > 0) & ~(ratios < limits.overlap)
    table = torch.zeros(count, dtype=torch.int32)
    segments: list[Found] = []
    stuff: dict[int, int] = {}
    facts = zip(accepted.tolist(), found.classes.tolist(), found.scores.tolist(), strict=True)
    for query, (is_kept, number, score) in enumerate(facts):
        if not is_kept:
            continue
        if number not in stuff:
            segments.append(Found(len(segments) + 1, number, score))
            if not classes[number].is_thing:
                stuff[number] = len(segments)
        table[query] = stuff.get(number, len(segments))
    ids = torch.where(own, table.to(owner.device)[owner], 0)
    return _without_small_stuff(ids, segments, classes, limits.stuff_area_px)


def _without_small_stuff(
    ids: Tensor, found: Sequence[Found], classes: Sequence[PanopticClass], least_area: int
) -> tuple[Tensor, tuple[Found, ...]]:
    if not least_area or not found:
        return ids, tuple(found)
    areas = torch.bincount(ids.flatten().long(), minlength=len(found) + 1).tolist()
    kept = [e for e in found if classes[e.class_id].is_thing or areas[e.id] >= least_area]
    table = torch.zeros(len(found) + 1, dtype=torch.int32)
    table[[entry.id for entry in kept]] = torch.tensor([e.id for e in kept], dtype=torch.int32)
    return table.to(ids.device)[ids.long()], tuple(kept)
