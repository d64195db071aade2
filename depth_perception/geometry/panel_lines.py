"""One line for each panel of unknown scale and shift, so that panels agree where they overlap.

A ray that two panels see has one range, but its z-depth differs between them, by the cosines of its
angles to the two optical axes. So a shift of z-depth, or of inverse z-depth, that is wrong in both
panels still makes their ranges differ. That determines every shift, and every scale but one for all
panels together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..depth_space import DepthSpace
from .camera import Camera
from .panels import Panel
from .pinhole import Pinhole
from .sampling import SamplingGrid

_ROUNDS = 8
_HUBER = 0.05  # of the range
_PRIOR = 1e-3  # weight of a shift of 0, in shares of the pixels that overlap
_LEAST_PIXELS = 8


@dataclass(frozen=True)
class PanelValues:
    """Values of one panel, of unknown scale and shift.

    Attributes:
        panel: pose and field of view of the panel.
        values: (h, w) float, linear in z-depth or in inverse z-depth.
        valid: (h, w) bool.
        camera: camera of ``values``: that of the panel, possibly resized.
    """

    panel: Panel
    values: Tensor
    valid: Tensor
    camera: Pinhole


def agreeing_lines(
    parts: Sequence[PanelValues], space: DepthSpace, camera: Camera
) -> tuple[Tensor, Tensor]:
    """Scale and shift of each panel after which overlapping panels have the same range.

    Least squares of the relative difference with Huber weights, in rounds; shifts are drawn towards
    0 by little, which decides where the panels do not.

    Args:
        parts: at least one panel, all on one device.
        space: ``DEPTH`` or ``INVERSE_DEPTH``, in which the values are linear.
        camera: a panorama with the centre of the panels; its pixels are the rays that are compared,
            so few are enough.

    Returns:
        Scales and shifts, both (panels,) float64 on the CPU, so that ``scale * values + shift`` is
        z-depth, or inverse z-depth, of one unit for all panels: their mean is 1. A scale of NaN
        marks a panel that overlaps no other one or that does not rise with the others.

    Raises:
        ValueError: no parts, or another space.
    """
    if not parts or space not in (DepthSpace.DEPTH, DepthSpace.INVERSE_DEPTH):
        raise ValueError(f"need parts in depth or inverse depth, got {len(parts)} in {space.value}")
    read = zip(*(_read(part, space, camera) for part in parts), strict=True)
    values, factors = (torch.stack(maps).double() for maps in read)  # (panels, rays)
    known = torch.isfinite(values)
    centre = torch.stack([_median(v[k]) for v, k in zip(values, known, strict=True)])
    values = values / centre[:, None]
    pairs = [
        (i, j, both)
        for i in range(len(parts))
        for j in range(i + 1, len(parts))
        if (both := known[i] & known[j]).sum() >= _LEAST_PIXELS
    ]
    met = {k for i, j, _ in pairs for k in (i, j)}
    lines = torch.tensor([[1.0, 0.0]]).repeat(len(parts), 1).double()
    for _ in range(_ROUNDS if pairs else 0):
        lines = _round(lines, pairs, values, factors)
    scales, shifts = (lines.unbind(1)[k] / (centre if k == 0 else 1) for k in (0, 1))
    alone = torch.tensor([k not in met for k in range(len(parts))])
    scales = torch.where(alone | (lines[:, 0] <= 0), torch.nan, scales)
    return (torch.ones(1), torch.zeros(1)) if len(parts) == 1 else (scales, shifts)


Pair = tuple[int, int, Tensor]


def _round(lines: Tensor, pairs: Sequence[Pair], values: Tensor, factors: Tensor) -> Tensor:
    """Lines (panels, 2) that fit better than those before."""
    size = 2 * len(lines)
    matrix = torch.zeros(size, size, dtype=torch.float64)
    count = sum(int(both.sum()) for _, _, both in pairs)
    for i, j, both in pairs:
        rows, found = [], []
        for k, sign in ((i, 1), (j, -1)):
            weight, value = factors[k, both], values[k, both]
            rows.append(sign * torch.stack((weight * value, weight), 1))
            found.append(weight * (lines[k, 0] * value + lines[k, 1]))
        mean = (found[0].abs() + found[1].abs()).clamp_min(1e-6) / 2
        error = (found[0] - found[1]).abs() / mean
        trust = (_HUBER / error.clamp_min(_HUBER)) / mean.square()
        row = torch.cat(rows, 1)
        places = torch.tensor([2 * i, 2 * i + 1, 2 * j, 2 * j + 1])
        matrix[places[:, None], places] += row.T @ (trust[:, None] * row)
    shifts = torch.arange(1, size, 2)
    matrix[shifts, shifts] += _PRIOR * count / len(lines)
    # the mean of the scales is 1: one multiplier more
    border = torch.zeros(size + 1, dtype=torch.float64)
    border[:size:2] = 1 / len(lines)
    whole = torch.zeros(size + 1, size + 1, dtype=torch.float64)
    whole[:size, :size], whole[size], whole[:, size] = matrix, border, border
    wanted = torch.zeros(size + 1, dtype=torch.float64)
    wanted[size] = 1
    solved = torch.linalg.lstsq(whole, wanted[:, None], driver="gelsd").solution[:size, 0]
    return solved.view(-1, 2)


def _read(part: PanelValues, space: DepthSpace, camera: Camera) -> tuple[Tensor, Tensor]:
    """Values (rays,) of a panel along the rays of a panorama, NaN where unknown, and the factors by
    which z-depth, or its inverse, becomes range, or its inverse."""
    rays = camera.rays(dtype=torch.float64) @ part.panel.rotation
    usable = torch.where(part.valid & torch.isfinite(part.values), part.values.float(), torch.nan)
    grid = SamplingGrid.of(part.camera, rays)
    sampled = grid.to(usable.device).sample(usable, "nearest").flatten().cpu()
    inside = grid.valid.flatten()
    cosine = rays[..., 2].flatten().clamp_min(1e-6)
    factor = 1 / cosine if space is DepthSpace.DEPTH else cosine
    return torch.where(inside, sampled, torch.nan), factor


def _median(values: Tensor) -> Tensor:
    """Of magnitudes; 1 where there are none."""
    found = values.abs().median() if len(values) else values.new_ones(())
    return found.clamp_min(1e-12)
