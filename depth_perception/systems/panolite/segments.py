"""From classes, centres and offsets to a panoptic map.

As in Panoptic-DeepLab (arXiv 1911.10194), section 3.2: the classes of pixels vote for the class of
a thing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...layers.padding import pad_around
from ...segment_classes import PanopticClass
from .config import CentreLimits

OFFSETS_PER_HEIGHT = 8
_PAIRS = 1 << 22  # of pixels and centres at a time


@dataclass(frozen=True)
class Found:
    """One segment: its number from 1, class, and score."""

    id: int
    class_id: int
    score: float


def panoptic_map(
    logits: Tensor,
    centre: Tensor,
    offset_px: Tensor,
    classes: Sequence[PanopticClass],
    limits: CentreLimits,
    *,
    wraps: bool = False,
) -> tuple[Tensor, tuple[Found, ...]]:
    """The segment map (H, W) int32, 0 for none, and the segments.

    Args:
        logits: (C + 1, H, W) of the classes; the last one is no segment.
        centre: (H, W) logit of centres.
        offset_px: (2, H, W) rows and columns to the centre.
        classes: the C classes.
        limits: which segments are kept.
        wraps: whether the left and right border are neighbours.
    """
    best, owner = logits.float().max(0)
    probability = (best - logits.float().logsumexp(0)).exp()
    count = len(classes)
    is_thing = torch.tensor([entry.is_thing for entry in classes] + [False], device=owner.device)
    segments = torch.zeros_like(owner, dtype=torch.int32)
    found: list[Found] = []
    of_things = is_thing[owner]
    places, scores = _peaks(centre.float().sigmoid(), limits, wraps)
    if len(places) and bool(of_things.any()):
        mine = _nearest(of_things, offset_px.float(), places, wraps)
        of_class, sure = owner[of_things], probability[of_things]
        votes = torch.bincount(mine * count + of_class, sure, len(places) * count)
        class_of = votes.view(len(places), count).argmax(1)
        areas = torch.bincount(mine, minlength=len(places))
        means = torch.bincount(mine, sure, len(places)) / areas.clamp_min(1)
        score = (scores * means).tolist()
        table = torch.zeros(len(places), dtype=torch.int32)
        for place, (area, class_id) in enumerate(
            zip(areas.tolist(), class_of.tolist(), strict=True)
        ):
            if area >= max(1, limits.thing_area_px) and score[place] >= limits.score:
                found.append(Found(len(found) + 1, class_id, score[place]))
                table[place] = len(found)
        segments[of_things] = table.to(mine.device)[mine]
    stuff = torch.where(of_things, count, owner)
    areas = torch.bincount(stuff.flatten(), minlength=count + 1)
    means = torch.bincount(stuff.flatten(), probability.flatten(), count + 1) / areas.clamp_min(1)
    for class_id, (area, mean) in enumerate(zip(areas.tolist(), means.tolist(), strict=True)):
        if class_id < count and area >= max(1, limits.stuff_area_px):
            found.append(Found(len(found) + 1, class_id, mean))
            segments[stuff == class_id] = len(found)
    return segments, tuple(found)


def _peaks(heat: Tensor, limits: CentreLimits, wraps: bool) -> tuple[Tensor, Tensor]:
    """Rows and columns (K, 2) int64 of local maxima, and their values (K,), in falling order."""
    reach = limits.window // 2
    values = heat[None, None]
    values = pad_around(values, reach) if wraps else F.pad(values, (reach, reach), value=-1.0)
    values = F.pad(values, (0, 0, reach, reach), value=-1.0)
    highest = F.max_pool2d(values, limits.window, 1)[0, 0]
    places = ((heat == highest) & (heat >= limits.centre)).nonzero()
    scores = heat[places[:, 0], places[:, 1]]
    order = scores.argsort(descending=True, stable=True)[: limits.top]
    return places[order], scores[order]


def _nearest(of_things: Tensor, offset_px: Tensor, places: Tensor, wraps: bool) -> Tensor:
    """(P,) int64 index of the centre nearest to where each pixel of things points."""
    width = of_things.shape[1]
    pixels = of_things.nonzero()
    aims = pixels + offset_px[:, of_things].T
    chosen = []
    for part in aims.split(max(1, _PAIRS // len(places))):
        down, across = (part[:, None] - places).unbind(-1)
        if wraps:
            across = (across + width / 2) % width - width / 2
        chosen.append((down * down + across * across).argmin(1))
    return torch.cat(chosen)
