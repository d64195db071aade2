"""Collision-free camera paths through a world."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np
import torch
from torch import Tensor

from .primitives import Primitives

CLEARANCE_M = 0.35
"""Least distance between the camera's upright axis and any solid it could bump into."""

Rectangle = tuple[float, float, float, float]


def clearance(
    primitives: Primitives, points: np.ndarray, low_m: float, high_m: float
) -> np.ndarray:
    """Ground distance (M,) of points (M, 2) from solids that reach into the heights low to high.

    Tilted solids count as their bounding boxes; 0 within a solid, infinite in empty worlds.
    """
    turn = primitives.rotation.double().numpy()
    half, centre = primitives.half.double().numpy(), primitives.centre.double().numpy()
    reach = np.einsum("nij,nj->ni", np.abs(turn), half)
    hit = (centre[:, 2] - reach[:, 2] < high_m) & (centre[:, 2] + reach[:, 2] > low_m)
    turn, half, centre, reach = turn[hit], half[hit], centre[hit], reach[hit]
    upright = turn[:, 2, 2] > 0.999
    axes = np.where(upright[:, None, None], turn[:, :2, :2], np.eye(2))
    size = np.where(upright[:, None], half[:, :2], reach[:, :2])
    nearest = np.full(len(points), np.inf)
    for middle, frame, extent in zip(centre[:, :2], axes, size, strict=True):
        outside = np.maximum(np.abs((points - middle) @ frame) - extent, 0.0)
        nearest = np.minimum(nearest, np.hypot(outside[:, 0], outside[:, 1]))
    return nearest


def find_path(
    primitives: Primitives,
    areas: Sequence[Rectangle],
    floor_m: float,
    height_m: float,
    rng: np.random.Generator,
    cell_m: float = 0.2,
) -> Tensor | None:
    """Find a smooth path, (K, 3) float64, from a random free place to a far one; None if blocked.

    Args:
        areas: walkable rectangles (x0, y0, x1, y1).
        floor_m: height of the ground in these areas.
        height_m: height of the camera above the ground.
    """
    low, high = floor_m + 0.03, floor_m + height_m + CLEARANCE_M
    x0, y0 = min(a[0] for a in areas), min(a[1] for a in areas)
    x1, y1 = max(a[2] for a in areas), max(a[3] for a in areas)
    xs = np.arange(x0 + cell_m / 2, x1, cell_m)
    ys = np.arange(y0 + cell_m / 2, y1, cell_m)
    grid = np.stack(np.meshgrid(xs, ys, indexing="ij"), -1)
    flat = grid.reshape(-1, 2)
    allowed = np.zeros(len(flat), dtype=bool)
    for area in np.array(areas):
        allowed |= ((flat > area[:2]) & (flat < area[2:])).all(1)
    room = np.where(allowed, clearance(primitives, flat, low, high), 0.0).reshape(grid.shape[:2])
    free = room > CLEARANCE_M + 0.05
    starts = np.argwhere(free)
    for _ in range(8):
        if not len(starts):
            return None
        start = tuple(int(v) for v in starts[int(rng.integers(len(starts)))])
        way = _farthest_way(free, room, start)
        points = grid[tuple(np.array(way).T)]
        if len(way) * cell_m > 1.5:
            smooth = _smooth(points, primitives, low, high)
            z = np.full((len(smooth), 1), floor_m + height_m)
            return torch.from_numpy(np.concatenate((smooth, z), axis=1))
    return None


def find_quick_path(
    primitives: Primitives,
    areas: Sequence[Rectangle],
    floor_m: float,
    height_m: float,
    rng: np.random.Generator,
) -> Tensor | None:
    """:func:`find_path` on a raster, for worlds of thousands of solids."""
    cell, skip = 0.1, 4
    low, high = floor_m + 0.03, floor_m + height_m + CLEARANCE_M
    corners = np.array(areas)
    start, end = corners[:, :2].min(0), corners[:, 2:].max(0)
    shape = np.ceil((end - start) / cell).astype(int) + 1
    free = np.zeros(shape[::-1], np.uint8)
    for area in (corners.reshape(-1, 2, 2) - start) / cell:
        (x0, y0), (x1, y1) = np.round(area).astype(int)
        free[max(0, y0) : y1 + 1, max(0, x0) : x1 + 1] = 1
    turn = primitives.rotation.double().numpy()
    half, centre = primitives.half.double().numpy(), primitives.centre.double().numpy()
    reach = np.einsum("nij,nj->ni", np.abs(turn), half)
    hit = (centre[:, 2] - reach[:, 2] < high) & (centre[:, 2] + reach[:, 2] > low)
    hit &= (np.abs(centre[:, :2] - (start + end) / 2) < (end - start) / 2 + reach[:, :2]).all(1)
    upright = turn[:, 2, 2] > 0.999
    for row in np.nonzero(hit)[0]:
        axes = turn[row, :2, :2] if upright[row] else np.eye(2)
        size = half[row, :2] if upright[row] else reach[row, :2]
        box = centre[row, :2] + (np.array(((1, 1), (-1, 1), (-1, -1), (1, -1))) * size) @ axes.T
        cv2.fillConvexPoly(free, np.round((box - start) / cell).astype(np.int32), 0)
    free[[0, -1]] = free[:, [0, -1]] = 0
    room = cv2.distanceTransform(free, cv2.DIST_L2, 5).T * cell - cell
    coarse = room[::skip, ::skip]
    inside = coarse > CLEARANCE_M + 0.05
    starts = np.argwhere(inside)
    for _ in range(8):
        if not len(starts):
            return None
        way = np.array(_farthest_way(inside, coarse, tuple(starts[int(rng.integers(len(starts)))])))
        if len(way) * skip * cell > 1.5:
            smooth = _smooth(start + way * skip * cell, primitives, low, high)
            z = np.full((len(smooth), 1), floor_m + height_m)
            return torch.from_numpy(np.concatenate((smooth, z), axis=1))
    return None


def _farthest_way(
    free: np.ndarray, room: np.ndarray, start: tuple[int, int]
) -> list[tuple[int, int]]:
    """Cells of the path from ``start`` to the cell farthest along it, away from obstacles."""
    cost = {start: 0.0}
    before: dict[tuple[int, int], tuple[int, int]] = {}
    queue = [(0.0, start)]
    last = start
    while queue:
        so_far, cell = heapq.heappop(queue)
        if so_far > cost[cell]:
            continue
        last = cell
        for dx, dy in product((-1, 0, 1), repeat=2):
            near = (cell[0] + dx, cell[1] + dy)
            inside = 0 <= near[0] < free.shape[0] and 0 <= near[1] < free.shape[1]
            if not inside or not free[near]:
                continue
            step = math.hypot(dx, dy) * (1 + 0.4 / float(room[near]))
            if so_far + step < cost.get(near, math.inf):
                cost[near], before[near] = so_far + step, cell
                heapq.heappush(queue, (so_far + step, near))
    way = [last]
    while way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]


def _smooth(points: np.ndarray, primitives: Primitives, low: float, high: float) -> np.ndarray:
    """Resample every 0.1 m and round the corners as far as the clearance allows."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    wanted = np.linspace(0, along[-1], max(2, int(along[-1] / 0.1)))
    dense = np.stack([np.interp(wanted, along, points[:, k]) for k in range(2)], axis=1)
    for window in (13, 9, 5):
        rounded = dense
        for _ in range(2):
            padded = np.pad(rounded, ((window // 2, window // 2), (0, 0)), mode="edge")
            kernel = np.ones(window) / window
            rounded = np.stack([np.convolve(axis, kernel, "valid") for axis in padded.T], axis=1)
        rounded[0], rounded[-1] = dense[0], dense[-1]
        if clearance(primitives, rounded, low, high).min() >= CLEARANCE_M:
            return rounded
    return dense
