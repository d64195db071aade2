"""Merging of the segments of pinhole panels into a panorama."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations

import torch
from torch import Tensor

from .equirectangular import Equirectangular
from .exact import exact_dtype
from .panel_merge import seen_by_panel
from .panels import Panel
from .pinhole import Pinhole
from .segments import check_ids, segment_places

LEAST_IOU = 0.5


@dataclass(frozen=True)
class PanelSegments:
    """The segments of one panel.

    Attributes:
        panel: pose, field of view and size of the panel.
        segments: (h, w) integers, the segment of every pixel; values not in ``ids`` are ignored.
        camera: camera of ``segments``: that of the panel, possibly resized.
        ids: unique positive ids of the segments.
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
        one, two, three = len(self.ids), len(self.classes), len(self.things)
        if not one == two == three:
            counts = f"{one}, {two} and {three}"
            raise ValueError(f"ids, classes and things must be equally many, got {counts}")
        check_ids(self.ids)


@dataclass(frozen=True)
class Member:
    """A segment of a panel that became part of a segment of the panorama.

    Attributes:
        part, place: index of the panel, and of the segment in its ``ids``.
        area_px: pixels of the panorama that it covers.
    """

    part: int
    place: int
    area_px: int


@dataclass(frozen=True)
class MergedSegments:
    """Segments of a panorama.

    Attributes:
        segments: (H, W) int32, the number of the segment of every pixel, 0 for none.
        members: of segment ``number`` at ``number - 1``, the panel segments that it consists of;
            together they cover at least one pixel.
    """

    segments: Tensor
    members: tuple[tuple[Member, ...], ...]


def merge_segments(
    parts: Sequence[PanelSegments], camera: Equirectangular, *, least_iou: float = LEAST_IOU
) -> MergedSegments:
    """Assign to each pixel of ``camera`` the segment of the panel with the largest weight.

    A pixel takes the segment, or none, of the panel with the largest weight of
    :func:`~depth_perception.geometry.panel_merge.seen_by_panel`, as in the merging of depth.
    Segments of different panels are joined if

    * they are stuff of one class, or
    * they are things of one class, and the intersection over union of their masks in the common
      field of view of both panels is at least ``least_iou``. Panels have one centre, so the masks
      of one object differ there only by the errors of the model. The weight of a pixel is its
      solid angle times the smaller weight of the two panels, so objects cut at a panel border
      count least. Above 0.5 a segment has at most one partner in each other panel.

    The pairs with the largest overlap are joined first. Two things of one panel are never joined,
    not even through other panels: objects that one panel separates stay separate.

    Args:
        parts: at least one panel, all on one device; panels may have no segments.
        camera: the panorama; it has the same centre as the panels.
        least_iou: in (0, 1].

    Raises:
        ValueError: no parts, or ``least_iou`` out of range.
    """
    if not parts:
        raise ValueError("there are no panels to merge")
    if not 0 < least_iou <= 1:
        raise ValueError(f"least_iou must lie in (0, 1], got {least_iou}")
    starts = list(accumulate((len(part.ids) for part in parts), initial=0))
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
    """The segment (P, H, W) of every pixel in each panel, numbered over all panels, and its weight.

    The total number of segments denotes no segment.
    """
    total, places, weights = starts[-1], [], []
    for part, start in zip(parts, starts[:-1], strict=True):
        grid, weight = seen_by_panel(part.panel, part.camera, camera, part.segments.device)
        place = segment_places(part.segments, part.ids)
        place = torch.where(place < len(part.ids), start + place, total)
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
    """(-IoU, one, other) of all pairs of things in different panels that are the same object."""
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
        for share, (i, j) in zip(iou[same].tolist(), same.nonzero().tolist(), strict=True):
            found.append((-share, starts[one] + i, starts[other] + j))
    return found


def _iou(one: tuple[Tensor, int], other: tuple[Tensor, int], weight: Tensor) -> Tensor:
    """(N, M) intersection over union of the segments of two maps.

    Each is the index (pixels,) of the segment of every pixel, and the number of segments; an index
    from that number on is no segment. ``weight`` (pixels,) is the weight of each pixel.
    """
    (row, rows), (column, columns) = one, other
    cell = row.clamp(max=rows) * (columns + 1) + column.clamp(max=columns)
    table = weight.new_zeros((rows + 1) * (columns + 1)).index_add_(0, cell, weight)
    table = table.view(rows + 1, columns + 1)
    both = table[:-1, :-1]
    union = table[:-1].sum(1, keepdim=True) + table[:, :-1].sum(0) - both
    return torch.where(both > 0, both / union, 0)


class _Groups:
    """Disjoint sets of segments, numbered over all panels; stuff starts joined by class."""

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
        """The representative of the set of a segment."""
        while self._parent[index] != index:
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        """Join two sets unless one panel has a segment in both."""
        low, high = sorted((self.root(one), self.root(other)))
        if low != high and not self._panels[low] & self._panels[high]:
            self._parent[high] = low
            self._panels[low] |= self._panels[high]


def _numbered(
    groups: _Groups, areas: Sequence[int]
) -> tuple[list[int], tuple[tuple[Member, ...], ...]]:
    """Number of the set of every segment, 0 for sets without pixels, and the members of each."""
    members: dict[int, list[Member]] = {}
    roots = [groups.root(index) for index in range(len(areas))]
    for root, (part, place), area in zip(roots, groups.origin, areas, strict=True):
        members.setdefault(root, []).append(Member(part, place, area))
    seen = {root: one for root, one in members.items() if any(m.area_px for m in one)}
    numbers = {root: number for number, root in enumerate(seen, 1)}
    return [numbers.get(root, 0) for root in roots], tuple(tuple(one) for one in seen.values())
