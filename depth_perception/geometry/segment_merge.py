"""Segments of pinhole panels put back onto the panorama that they were cut from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from .equirectangular import Equirectangular
from .exact import exact_dtype
from .panel_merge import seen_by_panel
from .panels import Panel
from .pinhole import Pinhole

LEAST_IOU = 0.5


@dataclass(frozen=True)
class PanelSegments:
    """The segments of one panel.

    Attributes:
        panel: where it looks.
        segments: (h, w) integers, the number of every pixel's segment; values not in ``ids`` are
            none.
        camera: of ``segments``; the panel's own, perhaps at another size.
        ids: positive numbers of its segments, each once.
        classes: class of each segment.
        things: whether each is a countable object.
    """

    panel: Panel
    segments: Tensor
    camera: Pinhole
    ids: tuple[int, ...]
    classes: tuple[int, ...]
    things: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.classes) == len(self.things):
            raise ValueError(
                f"ids, classes and things must be equally many, got {len(self.ids)}, "
                f"{len(self.classes)} and {len(self.things)}"
            )
        if len(set(self.ids)) != len(self.ids) or any(number < 1 for number in self.ids):
            raise ValueError(f"ids must be positive and each there once, got {list(self.ids)}")


@dataclass(frozen=True)
class Member:
    """A panel's segment that became part of one of the panorama.

    Attributes:
        part, place: index of the panel, and of the segment in its ``ids``.
        area_px: pixels of the panorama that it gives.
    """

    part: int
    place: int
    area_px: int


@dataclass(frozen=True)
class MergedSegments:
    """Segments of a panorama.

    Attributes:
        segments: (H, W) int32, the number of every pixel's segment, 0 where there is none.
        members: of segment ``number`` at ``number - 1``, what it was made of; together they give
            at least one pixel.
    """

    segments: Tensor
    members: tuple[tuple[Member, ...], ...]


def merge_segments(
    parts: Sequence[PanelSegments], camera: Equirectangular, *, least_iou: float = LEAST_IOU
) -> MergedSegments:
    """Give the pixels of ``camera`` the segments of the panels that see them best.

    A pixel takes the segment, or none, of the panel with the largest weight of
    :func:`~depth_perception.geometry.panel_merge.seen_by_panel`, which also leads where depth is
    merged. Segments of different panels become one where

    * they are stuff of one class, or
    * they are things of one class, and in the field that both panels see the intersection of
      their masks is at least ``least_iou`` of their union. Panels share their centre, so that
      there the masks of one object are equal but for the errors of the model. A pixel counts by
      its solid angle times the lesser of the two weights: what a panel cuts off at its border
      counts least. Above one half a segment has one partner at most in each other panel.

    Pairs that agree best join first, and two things of one panel never become one, not even by
    way of others: neighbours that one panel tells apart stay apart.

    Args:
        parts: at least one panel, all on one device; panels without segments are fine.
        camera: the panorama; panels and it share their centre.
        least_iou: in (0, 1].

    Raises:
        ValueError: no parts, or ``least_iou`` out of range.
    """
    if not parts:
        raise ValueError("there are no panels to merge")
    if not 0 < least_iou <= 1:
        raise ValueError(f"least_iou must lie in (0, 1], got {least_iou}")
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.ids))
    total = starts[-1]
    places, weights = _read(parts, camera, starts)
    best = places.gather(0, weights.argmax(0, keepdim=True))[0]
    areas = torch.bincount(best.flatten(), minlength=total + 1)[:total].tolist()
    groups = _Groups(parts)
    for _, one, other in sorted(_pairs(parts, camera, places, weights, starts, least_iou)):
        groups.join(one, other)
    table, members = _numbered(groups, areas)
    numbers = torch.tensor([*table, 0], dtype=torch.int32, device=best.device)
    return MergedSegments(numbers[best], members)


def _read(
    parts: Sequence[PanelSegments], camera: Equirectangular, starts: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """Each panel's segment (P, H, W) of every pixel, counted through all panels, and its weight.

    Where there is no segment stands their number.
    """
    total, places, weights = starts[-1], [], []
    for part, start in zip(parts, starts[:-1], strict=True):
        device = part.segments.device
        grid, weight = seen_by_panel(part.panel, part.camera, camera, device)
        wanted = torch.tensor(sorted(part.ids), dtype=torch.int64, device=device)
        order = sorted(range(len(part.ids)), key=part.ids.__getitem__)
        numbers = torch.tensor([*(start + k for k in order), total], device=device)
        segments = part.segments.long()
        found = torch.searchsorted(wanted, segments)
        known = torch.cat((wanted, wanted.new_full((1,), -1)))[found] == segments
        place = numbers[torch.where(known, found, len(part.ids))]
        places.append(grid.sample(place.int(), "nearest", total))
        weights.append(weight)
    return torch.stack(places).long(), torch.stack(weights)


def _pairs(
    parts: Sequence[PanelSegments],
    camera: Equirectangular,
    places: Tensor,
    weights: Tensor,
    starts: Sequence[int],
    least_iou: float,
) -> list[tuple[float, int, int]]:
    """(-IoU, one, other) of all things of different panels that are the same object."""
    device = weights.device
    angles = camera.solid_angles(device=device, dtype=exact_dtype(device))
    classes = [torch.tensor(part.classes, dtype=torch.int64, device=device) for part in parts]
    things = [torch.tensor(part.things, dtype=torch.bool, device=device) for part in parts]
    found: list[tuple[float, int, int]] = []
    for one, other in combinations(range(len(parts)), 2):
        if not (any(parts[one].things) and any(parts[other].things)):
            continue
        lesser = torch.minimum(weights[one], weights[other])
        shared = lesser > 0
        iou = _iou(
            (places[one][shared] - starts[one], len(parts[one].ids)),
            (places[other][shared] - starts[other], len(parts[other].ids)),
            (lesser * angles)[shared],
        )
        same = (classes[one][:, None] == classes[other]) & (iou >= least_iou)
        same &= things[one][:, None] & things[other]
        chosen = same.nonzero()
        shares = iou[same].tolist()
        for share, (i, j) in zip(shares, chosen.tolist(), strict=True):
            found.append((-share, starts[one] + i, starts[other] + j))
    return found


def _iou(one: tuple[Tensor, int], other: tuple[Tensor, int], weight: Tensor) -> Tensor:
    """(N, M) intersection over union of the segments of two maps.

    Each is the place (pixels,) of every pixel's segment and their number; places from that number
    on are none. ``weight`` (pixels,) is how much a pixel counts.
    """
    (row, rows), (column, columns) = one, other
    cell = row.clamp(max=rows) * (columns + 1) + column.clamp(max=columns)
    table = weight.new_zeros((rows + 1) * (columns + 1)).index_add_(0, cell, weight)
    table = table.view(rows + 1, columns + 1)
    both = table[:-1, :-1]
    union = table[:-1].sum(1, keepdim=True) + table[:, :-1].sum(0) - both
    return torch.where(both > 0, both / union, 0)


class _Groups:
    """Disjoint sets of segments, counted through all panels; stuff begins joined by class."""

    def __init__(self, parts: Sequence[PanelSegments]) -> None:
        self.origin = [(p, k) for p, part in enumerate(parts) for k in range(len(part.ids))]
        self._parent = list(range(len(self.origin)))
        self._panels = [{panel} for panel, _ in self.origin]
        first_of: dict[int, int] = {}
        for index, (panel, place) in enumerate(self.origin):
            if not parts[panel].things[place]:
                first = first_of.setdefault(parts[panel].classes[place], index)
                self._parent[index] = first

    def root(self, index: int) -> int:
        """The segment that stands for the set of another."""
        while self._parent[index] != index:
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        """Make two sets one, unless one panel has a part in both."""
        low, high = sorted((self.root(one), self.root(other)))
        if low != high and not self._panels[low] & self._panels[high]:
            self._parent[high] = low
            self._panels[low] |= self._panels[high]


def _numbered(
    groups: _Groups, areas: Sequence[int]
) -> tuple[list[int], tuple[tuple[Member, ...], ...]]:
    """Number of every segment's set, 0 of those without a pixel, and the members of each."""
    members: dict[int, list[Member]] = {}
    roots = [groups.root(index) for index in range(len(areas))]
    for root, (part, place), area in zip(roots, groups.origin, areas, strict=True):
        members.setdefault(root, []).append(Member(part, place, area))
    seen = {root: one for root, one in members.items() if any(m.area_px for m in one)}
    numbers = {root: number for number, root in enumerate(seen, 1)}
    return [numbers.get(root, 0) for root in roots], tuple(tuple(one) for one in seen.values())
