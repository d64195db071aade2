"""Merging of the depth of pinhole panels into a panorama."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from ..depth_space import DepthKind
from .agreement import Overlap, agreeing_factors
from .camera import Camera
from .panels import Panel, sample_range
from .pinhole import Pinhole
from .sampling import SamplingGrid

_SAME_SURFACE = math.log(1.25)
_LEAST_OVERLAP = 1e-4  # share of the panorama


@dataclass(frozen=True)
class PanelDepth:
    """Depth of one panel.

    Attributes:
        panel: pose, field of view and size of the panel.
        depth: (h, w) float, positive where valid.
        valid: (h, w) bool.
        camera: camera of ``depth``: that of the panel, possibly resized.
        kind: kind of ``depth``.
        trust: weight of the panel in the common scale; 0 adopts the scale of the others.
    """

    panel: Panel
    depth: Tensor
    valid: Tensor
    camera: Pinhole
    kind: DepthKind = DepthKind.Z
    trust: float = 1.0


@dataclass(frozen=True)
class MergedPanels:
    """A panorama merged from panels.

    Attributes:
        range_m: (H, W) float32 range, NaN where not valid.
        valid: (H, W) bool.
        factors: (panels,) float64 by which each panel was multiplied.
    """

    range_m: Tensor
    valid: Tensor
    factors: Tensor


def merge_panels(
    parts: Sequence[PanelDepth], camera: Camera, *, joint_scale: bool = True
) -> MergedPanels:
    """Blend panels into the range image of ``camera``.

    Ranges are sampled by :func:`~depth_perception.geometry.panels.sample_range`. The weight of a
    panel falls towards its border. Panels that show another surface than the panel with the largest
    weight at a pixel are ignored there, so that no surface is interpolated between the two.

    Args:
        parts: at least one panel, all on one device.
        camera: the panorama; it has the same centre as the panels.
        joint_scale: multiply each panel by a factor that fits it to the others, see
            :func:`~depth_perception.geometry.agreement.agreeing_factors`.

    Raises:
        ValueError: no parts.
    """
    if not parts:
        raise ValueError("there are no panels to merge")
    read = zip(*(_read(part, camera) for part in parts), strict=True)
    logs, seen = (torch.stack(maps) for maps in read)
    known = torch.isfinite(logs)
    weights = torch.where(known, seen, 0)
    logs = torch.where(known, logs, 0)
    factors = torch.ones(len(parts), dtype=torch.float64)
    if joint_scale:
        factors = _joint(logs, known & (weights > 0), [part.trust for part in parts])
        logs = logs + factors.log().to(logs)[:, None, None]
    first = weights.argmax(0, keepdim=True)
    near = (logs - logs.gather(0, first)).abs() < _SAME_SURFACE
    shares = torch.where(near, weights, 0)
    total = shares.sum(0)
    # valid where panels with more than half of the weight have a surface
    valid = (total > 0) & (2 * weights.sum(0) >= seen.sum(0))
    merged = ((shares * logs).sum(0) / total.clamp_min(1e-12)).exp()
    return MergedPanels(torch.where(valid, merged, math.nan), valid, factors)


def surrounding_panels(side: int) -> tuple[Panel, ...]:
    """Eight square panels of ``side`` pixels that cover the sphere: six level, up, and down."""
    level, steep = math.radians(90), math.radians(110)
    turn = math.pi / 3
    around = [Panel(f"level_{i}", i * turn, 0.0, level, side, side) for i in range(6)]
    up = Panel("up", 0.0, math.pi / 2, steep, side, side)
    return (*around, up, Panel("down", 0.0, -math.pi / 2, steep, side, side))


def _read(part: PanelDepth, camera: Camera) -> tuple[Tensor, Tensor]:
    """ln(range) (H, W) of a panel on the panorama, NaN where unknown, and its weight there."""
    grid, weight = seen_by_panel(part.panel, part.camera, camera, part.depth.device)
    distance = part.camera.convert(part.depth.float(), part.kind, DepthKind.RANGE)
    usable = part.valid & torch.isfinite(distance) & (distance > 0)
    return sample_range(grid, torch.where(usable, distance, math.nan)).log(), weight


def _joint(logs: Tensor, known: Tensor, trust: Sequence[float]) -> Tensor:
    count, size = len(logs), logs[0].numel()
    areas = torch.einsum("ihw,jhw->ij", known.float(), known.float()) / size
    overlaps = []
    for one, row in enumerate(areas.tolist()):
        for other in range(one + 1, count):
            if row[other] > _LEAST_OVERLAP:
                both = known[one] & known[other]
                ratio = (logs[one] - logs[other])[both].median()
                overlaps.append(Overlap(one, other, ratio, row[other]))
    if not overlaps:
        return torch.ones(count, dtype=torch.float64)
    return agreeing_factors(overlaps, count, trust if any(trust) else None)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def seen_by_panel(
    panel: Panel, source: Pinhole, camera: Camera, device: torch.device
) -> tuple[SamplingGrid, Tensor]:
    """The sampling grid of a panorama in a panel, and the weight of the panel at each pixel.

    Args:
        panel: pose, field of view and size of the panel.
        source: camera of the maps of the panel, possibly resized.
        camera: the panorama.
        device: device of the results, which are cached.

    Returns:
        The grid, and the weight (H, W) float32: 1 in the middle of the panel, falling towards its
        borders, 0 outside.
    """
    grid = SamplingGrid.of(source, camera.rays(dtype=torch.float64) @ panel.rotation)
    across = torch.minimum(grid.u, source.width - grid.u) / source.width
    down = torch.minimum(grid.v, source.height - grid.v) / source.height
    weight = torch.where(grid.valid, (4 * across * down).clamp_min(1e-6), 0)
    return grid.to(device), weight.to(device, torch.float32)
