"""The maps of :mod:`.maps` with less memory and time.

Segments are ranked and dropped at stride 4. A mask is upsampled only where it can change the
result: bilinear values lie between those of the cells around them, so a segment cannot get a pixel
where its largest neighbouring cell is below the smallest one of another segment. Depth is evaluated
once for every pixel, with the kernel of its segment.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import MAX_RANGE_M, MAX_SHIFT_M, STRIDE, PanopticDepthConfig, PanopticLimits
from .kernels import SegmentKernels, mask_logits
from .maps import PanopticMap, Size, View, extents, listed, painted_map, rescored_things, resized
from .network import PanopticFeatures

Box = tuple[int, int, int, int]
"""top, left, bottom, right of pixels; bottom and right exclusive."""

_SLACK = 1e-5  # what rounding may add to an interpolated probability
_STRIP_PX = 1 << 18


def lean_map(
    things: SegmentKernels,
    stuff: SegmentKernels,
    features: PanopticFeatures,
    view: View,
    config: PanopticDepthConfig,
    limits: PanopticLimits,
) -> PanopticMap:
    """Panoptic map of one image (features of a batch of one), equal to :func:`plain_map`."""
    things, thing_cells = rescored_things(things, mask_logits(things, features), limits)
    strong = torch.nonzero(things.scores >= limits.combine_score)[:, 0]
    things, thing_cells = things.at(strong), thing_cells[strong]
    stuff_cells = mask_logits(stuff, features).sigmoid()
    grid = Resampler(tuple(features.masks.shape[-2:]), view)
    places, kept_things = _paint_things(thing_cells, grid, limits)
    owner = grid.owner(stuff_cells)
    count = len(stuff.classes)
    free = torch.where(places < 0, owner, count)
    areas = torch.bincount(free.flatten(), minlength=count + 1)[:count]
    is_kept = (stuff.classes < config.first_thing) & (areas >= max(limits.stuff_area_px, 1))
    kept_stuff = torch.nonzero(is_kept)[:, 0]
    things, stuff = things.at(kept_things), stuff.at(kept_stuff)
    segments = listed(things, stuff, config)
    depth = None
    if features.depths is None:
        place_of_stuff = torch.full((count + 1,), -1, device=owner.device)
        place_of_stuff[kept_stuff] = torch.arange(len(things.classes), len(segments)).to(owner)
        owner = torch.where(places < 0, place_of_stuff[owner], places)
    else:
        owner = grid.owner(torch.cat((thing_cells[kept_things], stuff_cells[kept_stuff])))
        vectors = torch.cat((things.depth_kernels, stuff.depth_kernels))
        depth = _owned_depth(owner, vectors, features.depths[0], grid, limits.max_depth_m)
    return painted_map(segments, owner, depth)


class Resampler:
    """Resamples parts of maps at stride 4 of the padded input to the output.

    Args:
        cells: (height, width) of the maps.
        view: sizes of input and output.
    """

    def __init__(self, cells: Size, view: View) -> None:
        self.cells, self.view = cells, view
        self._axes = tuple(
            _axis(*sizes) for sizes in zip(cells, view.image, view.output, strict=True)
        )

    def crop(self, maps: Tensor, box: Box) -> Tensor:
        """The pixels of ``box`` of maps (N, *cells), as if the whole maps were resampled."""
        top, left, bottom, right = box
        (rows, row_weights, first_row) = self._taps(0, top, bottom, maps.device)
        (columns, column_weights, first_column) = self._taps(1, left, right, maps.device)
        maps = self._upsampled(maps, first_row, first_column)
        if self.view.image == self.view.output:
            return maps
        upper, lower = maps[:, rows[0]], maps[:, rows[1]]
        a = (1 - column_weights) * upper[..., columns[0]] + column_weights * upper[..., columns[1]]
        b = (1 - column_weights) * lower[..., columns[0]] + column_weights * lower[..., columns[1]]
        return (1 - row_weights[:, None]) * a + row_weights[:, None] * b

    def boxes(self, cells: Tensor) -> list[Box | None]:
        """Boxes of pixels that lie around the marked ``cells`` (N, h, w) bool; None: none marked.

        All are copied from the device at once.
        """
        if not len(cells):
            return []
        edges = torch.stack((*extents(cells, 2), *extents(cells, 1)), 1)
        found = []
        for *rows, first_column, last_column in edges.tolist():
            top, bottom = self._pixels(0, *rows)
            left, right = self._pixels(1, first_column, last_column)
            is_empty = bottom <= top or right <= left
            found.append(None if is_empty else (top, left, bottom, right))
        return found

    def owner(self, cells: Tensor) -> Tensor:
        """(H, W) int64 index of the largest of maps (N, h, w) >= 0; the first wins, N for none."""
        best = cells.new_zeros(self.view.output)
        owner = torch.full(self.view.output, len(cells), device=cells.device)
        if not len(cells):
            return owner
        least = -F.max_pool2d(-cells, 3, stride=1, padding=1)
        most = F.max_pool2d(cells, 3, stride=1, padding=1)
        may_win = most >= least.amax(0) - _SLACK
        for index, box in enumerate(self.boxes(may_win)):
            if box is None:
                continue
            top, left, bottom, right = box
            window = (slice(top, bottom), slice(left, right))
            value = self.crop(cells[index : index + 1], box)[0]
            wins = value > best[window]
            best[window] = torch.where(wins, value, best[window])
            owner[window] = torch.where(wins, index, owner[window])
        return owner

    def _upsampled(self, maps: Tensor, rows: range, columns: range) -> Tensor:
        """Pixels of the network input; a margin of one cell avoids effects of the cut edges."""
        bounds = []
        for pixels, cells in zip((rows, columns), self.cells, strict=True):
            start = max(0, pixels.start // STRIDE - 1)
            bounds.append((start, min(cells, (pixels.stop - 1) // STRIDE + 2)))
        (top, bottom), (left, right) = bounds
        part = maps[None, :, top:bottom, left:right]
        part = F.interpolate(part, scale_factor=STRIDE, mode="bilinear", align_corners=False)[0]
        top, left = rows.start - STRIDE * top, columns.start - STRIDE * left
        return part[:, top : top + len(rows), left : left + len(columns)]

    def _taps(
        self, axis: int, start: int, stop: int, device: torch.device
    ) -> tuple[Tensor, Tensor, range]:
        """Neighbours of each pixel, counted from the first of all, weights, and their range."""
        lower, upper, weights, _ = self._axes[axis]
        first = int(lower[start])
        reach = range(first, int(upper[stop - 1]) + 1)
        pair = torch.stack((lower[start:stop], upper[start:stop])) - first
        return pair.to(device), weights[start:stop].to(device), reach

    def _pixels(self, axis: int, first: int, last: int) -> tuple[int, int]:
        """Range of the pixels whose middle cell is in [first, last)."""
        start, stop = torch.searchsorted(self._axes[axis][3], torch.tensor([first, last])).tolist()
        return start, stop


def _axis(cells: int, image: int, output: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Per output pixel: both neighbours in the network input, weight of the second, middle cell."""
    position = torch.arange(output, dtype=torch.float32)
    if image != output:
        scale = torch.tensor(image / output, dtype=torch.float32)
        position = (scale * (position + 0.5) - 0.5).clamp(min=0)
    lower = position.long().clamp(max=image - 1)
    upper = (lower + 1).clamp(max=image - 1) if image != output else lower
    # a pixel takes from two cells, its neighbour from one more at most: the middle one of three
    first_cell = ((lower + 0.5) / STRIDE - 0.5).floor().long().clamp(min=0)
    return lower, upper, position - lower, (first_cell + 1).clamp(max=cells - 1)


def _paint_things(cells: Tensor, grid: Resampler, limits: PanopticLimits) -> tuple[Tensor, Tensor]:
    """Map of the places of things among those painted, -1 elsewhere, and their indices."""
    places = torch.full(grid.view.output, -1, dtype=torch.int32, device=cells.device)
    place = torch.zeros((), dtype=torch.int32, device=cells.device)
    kept = torch.zeros(len(cells), dtype=torch.bool, device=cells.device)
    near = F.max_pool2d(cells, 3, stride=1, padding=1) > 0.5 - _SLACK if len(cells) else cells > 0.5
    for index, box in enumerate(grid.boxes(near)):
        if box is None:
            continue
        top, left, bottom, right = box
        window = places[top:bottom, left:right]
        mask = grid.crop(cells[index : index + 1], box)[0] > 0.5
        free = mask & (window < 0)
        area = mask.sum()
        covered = (area - free.sum()) / area.clamp(min=1)
        kept[index] = (area > 0) & (covered <= limits.overlap)
        window.copy_(torch.where(free & kept[index], place, window))
        place = place + kept[index].int()
    return places, torch.nonzero(kept)[:, 0]


def _owned_depth(
    owner: Tensor, vectors: Tensor, embedding: Tensor, grid: Resampler, max_depth_m: float
) -> Tensor:
    """(H, W) float32 depth of the owner of every pixel, NaN where there is none."""
    height, width = owner.shape
    depth = torch.full((height, width), math.nan, device=owner.device)
    if not len(vectors):
        return depth
    vectors = torch.cat((vectors, torch.full_like(vectors[:1], math.nan)))
    whole = None if grid.view.crop_depth else resized(embedding, (height, width))
    shifts, spans = MAX_SHIFT_M * vectors[:, 0].sigmoid(), MAX_RANGE_M * vectors[:, 1].sigmoid()
    rows = max(1, _STRIP_PX // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        box = (top, 0, bottom, width)
        values = grid.crop(embedding, box) if whole is None else whole[:, top:bottom]
        mine = owner[top:bottom]
        similarity = (vectors[:, 2:].T[:, mine] * values).sum(0)
        strip = (2 * similarity.sigmoid() - 1) * spans[mine] + shifts[mine]
        depth[top:bottom] = F.relu(strip).clamp(max=max_depth_m)
    return depth
