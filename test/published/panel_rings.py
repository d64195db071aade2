"""Rings of panels around the horizon."""

from __future__ import annotations

import math

from depth_perception.geometry import Panel


def ring(count: int, hfov: float, height: int, width: int, pitch: float = 0.0) -> tuple[Panel, ...]:
    """``count`` panels at equal steps of yaw, from straight ahead to the right.

    Four panels are named front, right, back, left; otherwise ``panel_0``, ``panel_1``, ...
    """
    if count < 1:
        raise ValueError(f"a ring needs at least one panel, got {count}")
    names = ("front", "right", "back", "left")
    if count != len(names):
        names = tuple(f"panel_{index}" for index in range(count))
    yaws = (2 * math.pi * index / count for index in range(count))
    return tuple(Panel(*pose, pitch, hfov, height, width) for pose in zip(names, yaws, strict=True))
