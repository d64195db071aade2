"""Walls with openings, and the bookkeeping of what stands where on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from .paths import Rectangle
from .scene import Scene


@dataclass(frozen=True)
class Opening:
    """A hole in a wall: from ``start`` to ``end`` along it, ``low`` to ``high`` above the floor.

    ``glazed`` says whether it gets a window frame.
    """

    start: float
    end: float
    low: float
    high: float
    glazed: bool = False


@dataclass
class Ground:
    """Rectangles that are taken, in world coordinates."""

    taken: list[Rectangle] = field(default_factory=list)

    def block(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Take a rectangle whatever stands there."""
        self.taken.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))

    def claim(self, x: float, y: float, size_x: float, size_y: float, gap: float = 0.05) -> bool:
        """Take the rectangle about (x, y) if it is free, and say whether it was."""
        x0, x1 = x - size_x / 2 - gap, x + size_x / 2 + gap
        y0, y1 = y - size_y / 2 - gap, y + size_y / 2 + gap
        for a in self.taken:
            if x0 < a[2] and a[0] < x1 and y0 < a[3] and a[1] < y1:
                return False
        self.taken.append((x0, y0, x1, y1))
        return True


def wall(
    scene: Scene,
    start: tuple[float, float],
    end: tuple[float, float],
    height: float,
    thickness: float,
    material: int,
    openings: tuple[Opening, ...] = (),
    kind: str = "wall",
) -> None:
    """A wall whose inner face runs from ``start`` to ``end``, with its body to the right."""
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    yaw = math.atan2(end[1] - start[1], end[0] - start[0])
    pen = scene.pen(kind, start[0], start[1], yaw)

    def part(s0: float, s1: float, z0: float, z1: float) -> None:
        if s1 - s0 > 1e-3 and z1 - z0 > 1e-3:
            pen.box(((s0 + s1) / 2, -thickness / 2, z0), (s1 - s0, thickness, z1 - z0), material)

    place = 0.0
    for hole in sorted(openings, key=lambda o: o.start):
        part(place, hole.start, 0.0, height)
        part(hole.start, hole.end, 0.0, hole.low)
        part(hole.start, hole.end, hole.high, height)
        place = hole.end
    part(place, length, 0.0, height)
