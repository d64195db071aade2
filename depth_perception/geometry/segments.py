"""Distance and size statistics of all segments of an image, in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..options import check_signs
from .edges import edge_mask
from .exact import exact, near_exact

NEAR_QUANTILE, FAR_QUANTILE = 0.02, 0.98
_MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True)
class StatisticsOptions:
    """Selection of the pixels of a segment, and orientation of its box.

    Attributes:
        border_px: pixels this close to another segment are excluded: masks are inaccurate there.
        edge_threshold: relative depth jump above which both sides are excluded, see
            :func:`edge_mask`; None excludes none.
        least_points: a segment with fewer remaining pixels, such as a thin pole, uses all of its
            valid pixels.
        oriented: rotate boxes about the y axis of the optical frame to the first principal axis
            of x and z; else they are parallel to the axes of the frame.
    """

    border_px: int = 2
    edge_threshold: float | None = 0.1
    least_points: int = 20
    oriented: bool = True

    def __post_init__(self) -> None:
        check_signs(self, "least_points", "border_px")
        if self.edge_threshold is not None and not self.edge_threshold > 0:
            raise ValueError(f"edge_threshold must be positive, got {self.edge_threshold}")


@dataclass(frozen=True)
class SegmentStatistics:
    """Statistics of N segments in the order of the ids; all but ``count`` are NaN if it is 0.

    Attributes:
        count: (N,) int64 number of pixels used.
        median, near, far: (N,) float32 median, 2 % and 98 % quantile of depth.
        sigma: (N,) float32 robust standard deviation of depth, 1.4826 times the median distance
            to the median.
        centroid: (N, 3) float32 mean of the points, optical frame.
        box_centre: (N, 3) float32 middle of the box around the points.
        box_axes: (N, 3, 3) float32 rotation; its columns are the x, y and z axis of the box.
        size: (N, 3) float32 edges of the box along its own axes.
    """

    count: Tensor
    median: Tensor
    near: Tensor
    far: Tensor
    sigma: Tensor
    centroid: Tensor
    box_centre: Tensor
    box_axes: Tensor
    size: Tensor


def segment_statistics(
    segments: Tensor,
    ids: Sequence[int],
    depth: Tensor,
    points: Tensor,
    valid: Tensor,
    options: StatisticsOptions | None = None,
    *,
    wraps: bool = False,
    reach: int | None = None,
) -> SegmentStatistics:
    """Depth, position and size of segments, on the device of the maps.

    Sums are in float64, on the CPU if the device has none. Lengths have the unit of ``depth`` and
    ``points``, usually metres.

    Args:
        segments: (H, W) integers, the segment of each pixel; values not in ``ids`` are ignored.
        ids: positive numbers of the requested segments, each once.
        depth: (H, W) float32 range or z-depth.
        points: (H, W, 3) float32 in the optical frame; NaN is ignored.
        valid: (H, W) bool.
        options: None takes the defaults.
        wraps: whether the left and right border are neighbours (full panoramas).
        reach: of depth edges in pixels, see :func:`~.edges.edge_reach`; None guesses it.

    Raises:
        ValueError: the maps differ in size, or the ids are not positive and unique.
    """
    options = options or StatisticsOptions()
    shapes = [tuple(value.shape) for value in (segments, depth, valid, points[..., 0])]
    if len(set(shapes)) != 1 or len(shapes[0]) != 2:
        raise ValueError(f"segments, depth, valid and points must share one (H, W), got {shapes}")
    check_ids(ids)
    count = len(ids)
    place = segment_places(segments, ids)
    usable = valid & torch.isfinite(depth) & (depth > 0) & torch.isfinite(points).all(-1)
    usable &= place < count
    inner = usable & ~_near_others(place, options.border_px, wraps)
    if options.edge_threshold is not None:
        inner &= ~edge_mask(depth, options.edge_threshold, valid, wraps=wraps, reach=reach)
    remaining = torch.bincount(place[inner], minlength=count + 1)
    chosen = inner | (usable & (remaining < options.least_points)[place])
    home = place.device
    place, depth = near_exact(place[chosen]), near_exact(depth[chosen]).float()
    points = exact(points[chosen])
    order = _grouped(place, depth)
    place, depth, points = place[order], depth[order], points[order]
    counts = torch.bincount(place, minlength=count)
    starts = counts.cumsum(0) - counts
    shares = (0.5, NEAR_QUANTILE, FAR_QUANTILE)
    median, near, far = (_quantile(depth, starts, counts, share) for share in shares)
    distance = (depth - median[place]).abs()
    distance = distance[_grouped(place, distance)]
    centroid = _sums(points, place, count) / counts[:, None]
    axes = _box_axes(points - centroid[place], place, count, options.oriented)
    low, high = _extent(points, place, axes)
    is_known = (counts > 0)[:, None]
    low, high = (torch.where(is_known, edge, torch.nan) for edge in (low, high))
    sigma = _MAD_TO_SIGMA * _quantile(distance, starts, counts, 0.5)
    box_centre = (axes @ ((low + high) / 2)[..., None])[..., 0]
    lengths = (median, near, far, sigma, centroid, box_centre, axes, high - low)
    return SegmentStatistics(counts.to(home), *(value.float().to(home) for value in lengths))


def check_ids(ids: Sequence[int]) -> None:
    """Raise ValueError unless the numbers of segments are positive and unique."""
    if len(set(ids)) != len(ids) or any(number < 1 for number in ids):
        raise ValueError(f"ids must be positive and unique, got {list(ids)}")


def segment_places(segments: Tensor, ids: Sequence[int]) -> Tensor:
    """(H, W) int64 index in ``ids`` of the segment of every pixel; ``len(ids)`` for others."""
    wanted = torch.tensor(sorted(ids), dtype=torch.int64, device=segments.device)
    back = sorted(range(len(ids)), key=ids.__getitem__)
    order = torch.tensor([*back, len(ids)], dtype=torch.int64, device=segments.device)
    segments = segments.long()
    found = torch.searchsorted(wanted, segments)
    known = torch.cat((wanted, wanted.new_full((1,), -1)))[found] == segments
    return order[torch.where(known, found, len(ids))]


def _near_others(place: Tensor, border_px: int, wraps: bool) -> Tensor:
    """Pixels with another segment, or none, within ``border_px`` rows and columns."""
    if border_px == 0:
        return torch.zeros_like(place, dtype=torch.bool)
    width = place.shape[1]
    value = place.float()[None, None]
    reach = border_px if wraps else 0
    if wraps:
        columns = torch.arange(-border_px, width + border_px, device=place.device) % width
        value = value[..., columns]
    window = {"kernel_size": 2 * border_px + 1, "stride": 1, "padding": border_px}
    differs = F.max_pool2d(value, **window) != -F.max_pool2d(-value, **window)
    return differs[0, 0, :, reach : reach + width]


def _grouped(place: Tensor, values: Tensor) -> Tensor:
    """Order of pixels by segment, and by value within each."""
    by_value = values.argsort()
    return by_value[place[by_value].argsort(stable=True)]


def _quantile(values: Tensor, starts: Tensor, counts: Tensor, share: float) -> Tensor:
    """Quantile of every group of sorted values, linearly interpolated; NaN for empty groups."""
    if not len(values):
        return torch.full_like(counts, torch.nan, dtype=values.dtype)
    position = share * (counts - 1).clamp(min=0).double()
    lower = position.floor().long()
    upper = torch.minimum(lower + 1, (counts - 1).clamp(min=0))
    last = len(values) - 1
    low, high = (values[(starts + index).clamp(max=last)] for index in (lower, upper))
    between = low + (high - low) * (position - lower).to(values.dtype)
    return torch.where(counts > 0, between, torch.nan)


def _sums(values: Tensor, place: Tensor, count: int) -> Tensor:
    return values.new_zeros((count, values.shape[1])).index_add_(0, place, values)


def _box_axes(centred: Tensor, place: Tensor, count: int, oriented: bool) -> Tensor:
    axes = torch.eye(3, dtype=centred.dtype, device=centred.device).repeat(count, 1, 1)
    if not oriented:
        return axes
    x, _, z = centred.unbind(1)
    moments = _sums(torch.stack((x * x, z * z, x * z), 1), place, count)
    angle = 0.5 * torch.atan2(2 * moments[:, 2], moments[:, 0] - moments[:, 1])
    sine, cosine = angle.sin(), angle.cos()
    axes[:, 0, 0], axes[:, 2, 0] = cosine, sine
    axes[:, 0, 2], axes[:, 2, 2] = -sine, cosine
    return axes


def _extent(points: Tensor, place: Tensor, axes: Tensor) -> tuple[Tensor, Tensor]:
    """Least and largest coordinates (N, 3) along the axes of the boxes."""
    inside = (points[:, :, None] * axes[place]).sum(1)
    index = place[:, None].expand_as(inside)
    empty = inside.new_zeros((len(axes), 3))
    low = empty.scatter_reduce(0, index, inside, "amin", include_self=False)
    return low, empty.scatter_reduce(0, index, inside, "amax", include_self=False)
