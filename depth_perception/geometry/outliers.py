"""Outlier detection in point clouds."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from .exact import exact_dtype

_QUERIES_AT_ONCE = 1 << 16  # bounds the memory that distances to all neighbours take


def outlier_mask(points: Tensor, neighbours: int = 20, std_ratio: float = 3.0) -> Tensor:
    """Statistical outliers, by the mean distance of each point to its nearest neighbours.

    A point is an inlier if that mean is positive and below the mean over all points plus
    ``std_ratio`` standard deviations. The point itself counts as one of its neighbours, as in
    Open3D's statistical outlier removal, which the scripts of Pixel-Perfect Depth apply.

    Args:
        points: (..., 3) in any unit, on any device; points that are not finite are ignored.
        neighbours: number of neighbours, the point itself included.
        std_ratio: threshold above the mean, in standard deviations.

    Returns:
        (...) bool, true for outliers.

    Raises:
        ValueError: the shape of ``points`` or a number is out of range.
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
    """(N,) mean distance of finite points (N, 3) to their nearest neighbours, itself included.

    By a k-d tree on the CPU, with all cores; float64 on devices that have it.
    """
    places = points.cpu().double().numpy()
    tree = cKDTree(places)
    number = min(neighbours, len(places))
    means = [
        tree.query(part, number, workers=-1)[0].reshape(len(part), number).mean(1)
        for part in np.array_split(places, math.ceil(len(places) / _QUERIES_AT_ONCE))
    ]
    found = torch.from_numpy(np.concatenate(means))
    return found.to(exact_dtype(points.device)).to(points.device)
