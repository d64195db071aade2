"""Views of a world from three viewpoints, for stereo with either baseline."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular
from ..world_options import BASELINE_M
from .render import Frame, render
from .world import World

_CLEARANCE_M = 0.15


@dataclass(frozen=True)
class Triplet:
    """Three level views that share one orientation.

    Attributes:
        centre: the view from the pose itself (Left_Down in 3D60).
        right: from ``baseline_m`` along the x axis of the optical frame.
        up: from ``baseline_m`` against its y axis.
        baseline_m: distance from the centre, metres.
    """

    centre: Frame
    right: Frame
    up: Frame
    baseline_m: float


def render_triplet(
    world: World,
    camera: Camera,
    pose: Tensor,
    baseline_m: float = BASELINE_M,
    *,
    shadows: bool = True,
    antialias: bool = True,
) -> Triplet | None:
    """Render a world from three viewpoints; None if a solid is at one of them.

    Args:
        world: the world to render.
        camera: the grid of all views.
        pose: (4, 4) float64, optical frame of the centre to world.
        baseline_m: distance from the centre to the other viewpoints, metres.
        shadows, antialias: see :func:`~depth_perception.data.worlds.render.render`.

    Raises:
        ValueError: the baseline is not positive.
    """
    if not baseline_m > 0:
        raise ValueError(f"baseline_m must be positive, got {baseline_m}")
    offsets = {"right": (baseline_m, 0.0, 0.0), "up": (0.0, -baseline_m, 0.0)}
    if not all(_is_free(world, pose, torch.tensor(offset)) for offset in offsets.values()):
        return None

    views = {}
    for name, offset in {"centre": (0.0, 0.0, 0.0), **offsets}.items():
        moved = shifted(pose, torch.tensor(offset, dtype=torch.float64))
        views[name] = render(world, camera, moved, shadows=shadows, antialias=antialias)
    return Triplet(**views, baseline_m=baseline_m)


def shifted(pose: Tensor, offset: Tensor) -> Tensor:
    """The pose (4, 4) moved by ``offset`` (3,) metres in its own optical frame."""
    moved = pose.clone()
    moved[:3, 3] += pose[:3, :3] @ offset.to(pose)
    return moved


def _is_free(world: World, pose: Tensor, offset: Tensor) -> bool:
    """Whether the line from the pose by ``offset``, and a little farther, is free of surfaces."""
    probe = Equirectangular(32, 64)
    frame = render(world, probe, pose, shadows=False)
    ahead = probe.rays() @ (offset / offset.norm()).to(torch.float32)
    within = ahead > 0.8
    return bool(frame.range_m[within].min() > float(offset.norm()) + _CLEARANCE_M)
