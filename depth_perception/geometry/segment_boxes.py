"""Boxes around the segments of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .segments import segment_places

Box = tuple[int, int, int, int]


def segment_boxes(segments: Tensor, ids: Sequence[int], *, wraps: bool = False) -> list[Box]:
    """(left, top, right, bottom) of segments of a map (H, W), right and bottom exclusive.

    Args:
        segments: (H, W) integers, not negative.
        ids: ids of the requested segments; all must occur in the map.
        wraps: whether the left and right border are neighbours (full panoramas). A box is then the
            shortest run of columns that contains the segment: if it crosses the right border,
            ``right`` exceeds the width and columns count modulo the width.
    """
    if not ids:
        return []
    height, width = segments.shape
    device, place = segments.device, segment_places(segments, ids)
    columns = torch.arange(width, device=device).expand_as(place)
    rows = torch.arange(height, device=device)[:, None].expand_as(place)
    top, bottom = _least_and_last(place, rows, len(ids))
    if wraps:
        left, right = _shortest_runs(place, columns, len(ids))
    else:
        left, right = _least_and_last(place, columns, len(ids))
    boxes = torch.stack((left, top, right + 1, bottom + 1), 1).tolist()
    return [(box[0], box[1], box[2], box[3]) for box in boxes]


def box_columns(box: Box, width: int, device: torch.device | str = "cpu") -> Tensor:
    """(columns,) int64 columns of a box in an image of ``width`` columns, from left to right."""
    return torch.arange(box[0], box[2], device=device) % width


def _least_and_last(place: Tensor, positions: Tensor, count: int) -> tuple[Tensor, Tensor]:
    place, positions = place.flatten(), positions.flatten()
    spare = place.new_zeros(count + 1)
    low = spare.scatter_reduce(0, place, positions, "amin", include_self=False)[:count]
    return low, spare.scatter_reduce(0, place, positions, "amax", include_self=False)[:count]


def _shortest_runs(place: Tensor, columns: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """First and last column of every segment, the complement of the longest empty run."""
    width = place.shape[1]
    holds = torch.zeros((count + 1) * width, dtype=torch.bool, device=place.device)
    holds[(place * width + columns).flatten()] = True
    twice = holds.view(count + 1, width)[:count].repeat(1, 2)
    column = torch.arange(2 * width, device=place.device)
    last = torch.where(twice, column, -1).cummax(1).values  # occupied column up to this one
    # an empty run ends before an occupied column; of equal runs the one at the seam is taken
    before = torch.where(twice, column - last.roll(1, 1), 0)[:, width:]
    first = before.argmax(1)
    gap = before.gather(1, first[:, None])[:, 0]
    return first, first + width - gap
