"""Points of a cloud that lie far from all others."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FINEST = 20  # bits of a cell index along one axis
_CROWD = 8.0  # points that share a cell in the first pass, on average over the points
_PAIRS_AT_ONCE = 1 << 22


def outlier_mask(points: Tensor, neighbours: int = 20, std_ratio: float = 3.0) -> Tensor:
    """Which points are outliers, by the mean distance to their nearest neighbours.

    A point is kept where that mean is positive and below the mean over all points plus
    ``std_ratio`` standard deviations. The point itself counts as one of its neighbours, as in
    Open3D's statistical outlier removal, which the scripts of Pixel-Perfect Depth apply.

    Args:
        points: (..., 3) in any unit, on any device; points that are not finite are neither
            outliers nor neighbours.
        neighbours: how many, the point itself included.
        std_ratio: standard deviations above the mean from which on a point is an outlier.

    Returns:
        (...) bool, true for outliers.

    Raises:
        ValueError: shape or numbers make no sense.
    """
    if points.ndim < 2 or points.shape[-1] != 3:
        raise ValueError(f"points must have shape (..., 3), got {tuple(points.shape)}")
    if neighbours < 2:
        raise ValueError(f"neighbours must be 2 at least, the point itself is one: {neighbours}")
    if not (math.isfinite(std_ratio) and std_ratio > 0):
        raise ValueError(f"std_ratio must be positive, got {std_ratio}")
    finite = torch.isfinite(points).all(-1)
    outliers = torch.zeros_like(finite)
    cloud = points[finite]
    if len(cloud):
        distance = neighbour_distance(cloud, neighbours)
        limit = distance.mean()
        if len(cloud) > 1:
            limit = limit + std_ratio * distance.std()
        outliers[finite] = ~((distance > 0) & (distance < limit))
    return outliers


def neighbour_distance(points: Tensor, neighbours: int) -> Tensor:
    """(N,) float64 mean distance of finite points (N, 3) to their nearest ones, itself included.

    Exact. Points are sorted into cells; a point whose nearest ones are sure to lie within the 27
    cells around it is done, the others try again with cells of twice the size. Memory is bounded
    by what is compared at once; many points at one and the same place make it slow.
    """
    neighbours = min(neighbours, len(points))
    places = points.double()
    origin = places.min(0).values
    places = places - origin
    extent = float(places.max())
    means = places.new_zeros(len(places))
    if extent == 0:
        return means
    pending = torch.arange(len(places), device=places.device)
    level = _first_level(places, extent)
    while len(pending):
        size = extent / (1 << level)
        grid = _Grid(places, size, (1 << level) + 3)
        left = [pending[:0]]
        counts, starts = grid.around(pending)
        total = counts.sum(1)
        if level > 0:
            enough = total >= neighbours
            left.append(pending[~enough])
            pending, counts, starts, total = (t[enough] for t in (pending, counts, starts, total))
        order = total.argsort(stable=True)
        pending, counts, starts = pending[order], counts[order], starts[order]
        for begin, end in _chunks(total[order].tolist()):
            queries = pending[begin:end]
            found = grid.nearest(queries, counts[begin:end], starts[begin:end], neighbours)
            means[queries] = found.mean(1)
            if level > 0:
                left.append(queries[found[:, -1] > grid.margin(queries)])
        pending = torch.cat(left)
        level -= 1
    return means


class _Grid:
    """Points sorted by the cell of a cubic grid that they lie in."""

    def __init__(self, places: Tensor, size: float, count: int) -> None:
        self._places, self._size, self._count = places, size, count
        self._cells = (places / size).long() + 1  # so that no cell has neighbours below 0
        keys = self._key(self._cells)
        self._keys, self._order = keys.sort(stable=True)

    def _key(self, cells: Tensor) -> Tensor:
        return (cells[:, 0] * self._count + cells[:, 1]) * self._count + cells[:, 2]

    def around(self, queries: Tensor) -> tuple[Tensor, Tensor]:
        """Counts and starts (Q, 9) of the runs of points in the cells around queries."""
        keys = self._key(self._cells[queries])
        rows = torch.arange(-1, 2, device=keys.device)
        rows = (rows[:, None] * self._count + rows).flatten() * self._count
        centre = keys[:, None] + rows
        starts = torch.searchsorted(self._keys, centre - 1)
        return torch.searchsorted(self._keys, centre + 1, right=True) - starts, starts

    def nearest(self, queries: Tensor, counts: Tensor, starts: Tensor, number: int) -> Tensor:
        """(Q, number) distances to the nearest points, ascending."""
        ends = counts.cumsum(1)
        slots = torch.arange(int(ends[:, -1].max()), device=queries.device)
        slots = slots.expand(len(queries), -1).contiguous()
        run = torch.searchsorted(ends, slots, right=True).clamp_max(counts.shape[1] - 1)
        place = slots - (ends - counts).gather(1, run) + starts.gather(1, run)
        there = slots < ends[:, -1:]
        other = self._places[self._order[torch.where(there, place, 0)]]
        squared = (other - self._places[queries][:, None]).square().sum(-1)
        squared = torch.where(there, squared, torch.inf)
        return squared.topk(number, largest=False, sorted=True).values.sqrt()

    def margin(self, queries: Tensor) -> Tensor:
        """Distance from queries to the nearest place outside of the cells around them."""
        share = self._places[queries] / self._size - (self._cells[queries] - 1)
        return torch.minimum(share + 1, 2 - share).min(1).values * self._size


def _first_level(places: Tensor, extent: float) -> int:
    """The coarsest grid, 2**level cells along an axis, whose cells are not crowded."""
    for level in range(2, _FINEST):
        count = (1 << level) + 3
        cells = (places * ((1 << level) / extent)).long()
        keys = (cells[:, 0] * count + cells[:, 1]) * count + cells[:, 2]
        members = keys.unique(return_counts=True)[1].double()
        if float((members * members).sum()) <= _CROWD * len(places):
            return level
    return _FINEST


def _chunks(totals: list[int]) -> list[tuple[int, int]]:
    """Ranges of queries with ascending numbers of candidates, so that each fits in memory."""
    ranges, begin = [], 0
    for index, total in enumerate(totals):
        if index > begin and (index + 1 - begin) * total > _PAIRS_AT_ONCE:
            ranges.append((begin, index))
            begin = index
    return [*ranges, (begin, len(totals))] if totals else []
