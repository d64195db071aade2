"""Segments of EoMT with every mask at full size, one query after the other.

A baseline and a second opinion, not a model to use.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..segment_classes import PanopticClass
from ..systems.eomt.config import EomtConfig, EomtLimits
from ..systems.eomt.input import fitted_size, padded_input
from .plain_depth import PlainForward


def plain_segments(forward: PlainForward, image: Tensor, config: EomtConfig) -> Tensor:
    """Segment map (H, W) int32, 0 for none, of an image (H, W, 3) uint8 RGB, on the CPU."""
    size = tuple(image.shape[:2])
    masks, classes = forward(padded_input(image, config.size))
    masks = F.interpolate(masks, config.size, mode="bilinear", align_corners=False)
    rows, columns = fitted_size(*size, config.size)
    masks = F.interpolate(masks[..., :rows, :columns], size, mode="bilinear", align_corners=False)
    return merged_queries(masks[0].cpu(), classes[0].cpu(), config.classes)


def merged_queries(
    masks: Tensor,
    classes: Tensor,
    known: Sequence[PanopticClass],
    limits: EomtLimits = EomtLimits(),  # noqa: B008
) -> Tensor:
    """Segment map (H, W) int32 of the logits of all queries.

    Args:
        masks: (Q, H, W). classes: (Q, C + 1).
        known: the classes.
        limits: which queries become segments.
    """
    scores, numbers = classes.softmax(-1).max(-1)
    kept = (numbers != classes.shape[-1] - 1) & (scores > limits.score)
    scores, numbers, masks = scores[kept], numbers[kept], masks[kept].sigmoid()
    ids = torch.zeros(masks.shape[-2:], dtype=torch.int32)
    if not len(masks):
        return ids
    owner = (scores[:, None, None] * masks).argmax(0)
    stuff: dict[int, int] = {}
    count = 0
    for query, number in enumerate(numbers.tolist()):
        inside, won = masks[query] >= 0.5, owner == query
        own = inside & won
        if not own.any() or int(won.sum()) / int(inside.sum()) < limits.overlap:
            continue
        segment = stuff.get(number, count + 1)
        count = max(count, segment)
        if not known[number].is_thing:
            stuff[number] = segment
        ids[own] = segment
    return ids
