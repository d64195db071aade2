"""A world: solids, materials, light and a camera path."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from ...geometry.rotations import axis_rotation
from .primitives import Primitives
from .textures import Materials

BODY_OF_OPTICAL = torch.tensor([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=torch.float64)
"""Rotation from the optical to the body frame (REP-103)."""
HEADING_REACH_M = 0.3
"""The heading is from this far behind the camera on its path to this far ahead."""


@dataclass(frozen=True)
class Light:
    """Light sources: sun, sky and lamps.

    Attributes:
        sun_direction: (3,) unit vector towards the sun.
        sun_colour: (3,) linear RGB strength, 0 without sun.
        ambient_up, ambient_down: (3,) light on faces that point up and down.
        zenith, horizon: (3,) colours of the sky.
        clouds: cloud cover of the sky, 0..1.
        lamps: (L, 3) positions; the first ``shadow_lamps`` of them cast shadows.
        lamp_colours: (L, 3) linear RGB strength at one metre.
        shadow_lamps: number of lamps that cast shadows.
        haze_m: distance at which haze hides 63 % of a surface, outdoors.
        lamp_boxes: (L, 6) low and high corner of the space that each lamp reaches, for worlds of
            version 2.
        open_m: solids within this distance take ambient light from a point, in version 2.
    """

    sun_direction: Tensor
    sun_colour: Tensor
    ambient_up: Tensor
    ambient_down: Tensor
    zenith: Tensor
    horizon: Tensor
    clouds: float
    lamps: Tensor
    lamp_colours: Tensor
    shadow_lamps: int
    haze_m: float = 400.0
    lamp_boxes: Tensor = field(default_factory=lambda: torch.zeros(0, 6))
    open_m: float = 1.0

    def to(self, device: torch.device | str) -> Light:
        """The lights on another device."""
        tensors = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **tensors)


@dataclass(frozen=True)
class World:
    """Everything needed to render a world.

    Attributes:
        kind: one of :data:`KINDS`, or "custom".
        seed: seed of the random numbers of the world.
        primitives, materials, light: contents of the world.
        path: (K, 3) float64, path of the camera centre in world coordinates, metres.
        floor_m: height of the ground below the path in world coordinates.
        version: 1, or 2 for worlds with photographed textures, reflections and ambient occlusion,
            which are rendered by compiled code.
        panes: clear glass of version 2. It reflects, but it is no surface: the range of a pixel
            is that of what lies behind.
    """

    kind: str
    seed: int
    primitives: Primitives
    materials: Materials
    light: Light
    path: Tensor
    floor_m: float = 0.0
    version: int = 1
    panes: Primitives | None = None

    def to(self, device: torch.device | str) -> World:
        """The world on another device (the path and the panes stay on the CPU)."""
        parts = {n: getattr(self, n).to(device) for n in ("primitives", "materials", "light")}
        return replace(self, **parts)

    @property
    def path_length_m(self) -> float:
        """Length of the camera path, metres."""
        return float(torch.diff(self.path, dim=0).norm(dim=1).sum())

    def pose(
        self, distance_m: float, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0
    ) -> Tensor:
        """Camera pose after ``distance_m`` on the path, (4, 4) float64: optical frame to world.

        By default the body is level and looks along the path. ``yaw`` turns left, ``pitch`` down,
        ``roll`` to the right, radians.
        """
        steps = torch.diff(self.path, dim=0).norm(dim=1)
        cumulative = torch.cat((torch.zeros(1, dtype=torch.float64), steps.cumsum(0)))
        end = float(cumulative[-1])
        place = min(max(distance_m, 0.0), end)
        before = _along(self.path, cumulative, max(0.0, place - HEADING_REACH_M))
        after = _along(self.path, cumulative, min(end, place + HEADING_REACH_M))
        ahead = math.atan2(float(after[1] - before[1]), float(after[0] - before[0]))
        return camera_pose(_along(self.path, cumulative, place), ahead + yaw, pitch, roll)


def camera_pose(position: Tensor, yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Tensor:
    """Pose (4, 4) float64 of an optical frame at ``position`` (3,), by angles of the body frame.

    The body frame is that of REP-103 (x forward, y left, z up), rotated by yaw, pitch and roll
    about z, y and x; the optical frame (x right, y down, z forward) is fixed to it.
    """
    turn = axis_rotation(2, yaw) @ axis_rotation(1, pitch) @ axis_rotation(0, roll)
    pose = torch.eye(4, dtype=torch.float64)
    pose[:3, :3] = turn @ BODY_OF_OPTICAL
    pose[:3, 3] = position
    return pose


def float32(values: object) -> Tensor:
    """Convert numbers through float64 to a float32 tensor."""
    return torch.tensor(np.asarray(values, dtype=np.float64), dtype=torch.float32)


def _along(path: Tensor, cumulative: Tensor, distance_m: float) -> Tensor:
    part = int(torch.searchsorted(cumulative, torch.tensor(distance_m, dtype=torch.float64)))
    part = min(max(part, 1), len(path) - 1)
    span = float(cumulative[part] - cumulative[part - 1])
    share = (distance_m - float(cumulative[part - 1])) / span
    return path[part - 1] + share * (path[part] - path[part - 1])
