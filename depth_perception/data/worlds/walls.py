"""Walls with openings and decoration, and the free floor area between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from . import palette
from .paths import Rectangle
from .scene import Scene
from .textures import Texture


@dataclass(frozen=True)
class Opening:
    """A hole in a wall: from ``start`` to ``end`` along it, ``low`` to ``high`` above the floor.

    ``glazed`` openings get a window frame.
    """

    start: float
    end: float
    low: float
    high: float
    glazed: bool = False


@dataclass
class Ground:
    """Occupied rectangles, in world coordinates."""

    taken: list[Rectangle] = field(default_factory=list)

    def block(self, x0: float, y0: float, x1: float, y1: float) -> None:
        """Occupy a rectangle even if it overlaps others."""
        self.taken.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))

    def claim(self, x: float, y: float, size_x: float, size_y: float, gap: float = 0.05) -> bool:
        """Occupy the rectangle centred at (x, y) if it is free, and return whether it was."""
        x0, x1 = x - size_x / 2 - gap, x + size_x / 2 + gap
        y0, y1 = y - size_y / 2 - gap, y + size_y / 2 + gap
        if any(x0 < a[2] and a[0] < x1 and y0 < a[3] and a[1] < y1 for a in self.taken):
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


def door_frame(
    scene: Scene, start: tuple[float, float], yaw: float, hole: Opening, thickness: float
) -> None:
    """A frame round a doorway and sometimes the open leaf beside it."""
    paint = palette.white(scene) if scene.chance(0.5) else palette.wood(scene)
    pen = scene.pen("door", *start, yaw)
    for s in (hole.start + 0.03, hole.end - 0.03):
        pen.box((s, -thickness / 2, 0), (0.06, thickness + 0.04, hole.high), paint)
    middle = (hole.start + hole.end) / 2
    lintel = (hole.end - hole.start, thickness + 0.04, 0.06)
    pen.box((middle, -thickness / 2, hole.high - 0.06), lintel, paint)


def window_frame(
    scene: Scene, start: tuple[float, float], yaw: float, hole: Opening, thickness: float
) -> None:
    """A window: an open view between bars, or an opaque bright pane; sometimes with curtains."""
    pen = scene.pen("window", *start, yaw)
    middle, wide, tall = (hole.start + hole.end) / 2, hole.end - hole.start, hole.high - hole.low
    if scene.chance(0.4):
        sky = scene.colour((0.5, 0.62), (0.05, 0.35), 0.97)
        land = scene.colour((0.15, 0.35), 0.3, (0.4, 0.8))
        bars = (0.8, 0.8, 0.78)
        pane = scene.material(Texture.GLASS, sky, land, bars, grain=0.05, gloss=0.3, glow=0.8)
        pen.box((middle, -thickness * 0.7, hole.low), (wide, 0.04, tall), pane)
    else:
        frame = palette.white(scene) if scene.chance(0.7) else palette.wood(scene)
        y = -thickness * 0.6
        for s in (hole.start + 0.03, middle, hole.end - 0.03):
            pen.box((s, y, hole.low), (0.06, 0.06, tall), frame)
        for z in (hole.low, hole.high - 0.06):
            pen.box((middle, y, z), (wide, 0.06, 0.06), frame)
    if hole.low > 0.3:
        pen.box((middle, 0.04, hole.low - 0.03), (wide + 0.1, 0.14, 0.03), palette.white(scene))
        if scene.chance(0.5):
            grille = scene.material(Texture.STRIPES, (0.8, 0.8, 0.78), (0.45,) * 3, scale=0.04)
            pen.box((middle, 0.06, 0.12), (wide * 0.85, 0.09, hole.low - 0.3), grille)
    if scene.chance(0.4):
        cloth = palette.fabric(scene)
        for end in (-1, 1):
            for fold in range(3):
                s = middle + end * (wide / 2 + 0.02 + fold * 0.07)
                pen.cylinder((s, 0.05, 0.05), 0.045, hole.high + 0.05, cloth)


def decorate(
    scene: Scene,
    room: Rectangle,
    height: float,
    sides: dict[str, list[Opening]],
    share_of_doors: float = 0.25,
) -> None:
    """Add paintings, closed doors, boards and clocks where the walls have no openings."""
    x0, y0, x1, y1 = room
    quarter = math.pi / 2
    walls = {
        "south": ((x0, y0), 0.0, x1 - x0),
        "east": ((x1, y0), quarter, y1 - y0),
        "north": ((x1, y1), 2 * quarter, x1 - x0),
        "west": ((x0, y1), 3 * quarter, y1 - y0),
    }
    for name, (start, yaw, length) in walls.items():
        used = [(h.start - 0.1, h.end + 0.1) for h in sides.get(name, [])]
        for _ in range(int(length / 1.6) + 1):
            is_door = scene.chance(share_of_doors)
            wide = 0.92 if is_door else scene.uniform(0.3, 1.2)
            if length < wide + 0.4:
                continue
            s = scene.uniform(wide / 2 + 0.15, length - wide / 2 - 0.15)
            if any(a < s + wide / 2 + 0.1 and s - wide / 2 - 0.1 < b for a, b in used):
                continue
            used.append((s - wide / 2, s + wide / 2))
            if is_door:
                _closed_door(scene, start, yaw, s)
            elif scene.chance(0.75):
                _hang(scene, start, yaw, s, wide, height)


def _closed_door(scene: Scene, start: tuple[float, float], yaw: float, s: float) -> None:
    base = scene.colour((0.02, 0.12), (0, 0.6), (0.35, 0.95))
    if scene.chance(0.2):
        base = scene.colour((0, 1), 0.5, 0.6)
    leaf = scene.material(Texture.DOOR, base, c=(0.5, 0.5, 0.45), gloss=0.1)
    pen = scene.pen("door", *start, yaw)
    trim = scene.plain(base, grain=0.05)
    pen.box((s, 0.012, 0), (0.86, 0.025, 2.02), leaf)
    for end in (-0.46, 0.46):
        pen.box((s + end, 0.02, 0), (0.07, 0.045, 2.09), trim)
    pen.box((s, 0.02, 2.02), (0.99, 0.045, 0.07), trim)


def _hang(
    scene: Scene, start: tuple[float, float], yaw: float, s: float, wide: float, height: float
) -> None:
    style = scene.pick(("picture", "picture", "picture", "board", "shelf", "clock"))
    tall = min(wide * scene.uniform(0.6, 1.4), height - 1.5)
    pen = scene.pen("picture", *start, yaw)
    if style == "picture":
        canvas = scene.colour((0, 1), (0.1, 0.8), (0.3, 0.95))
        frame = scene.colour((0.05, 0.15), (0, 0.6), (0.05, 0.9))
        paint = scene.material(Texture.PICTURE, canvas, frame, scene.colour((0, 1), 0.6, 0.6))
        pen.box((s, 0.015, scene.uniform(1.1, 1.4)), (wide, 0.03, tall), paint)
    elif style == "board":
        board = scene.plain(scene.colour((0, 1), 0.3, 0.85), gloss=0.2)
        pen.box((s, 0.015, 1.0), (wide, 0.03, tall), board)
    elif style == "clock":
        pen.ball((s, 0.0, 2.0), (0.16, 0.05, 0.16), palette.white(scene))
    else:
        board = scene.pen("shelf", *start, yaw)
        wood = palette.wood(scene)
        for z in (1.25, 1.65):
            board.box((s, 0.1, z), (wide, 0.2, 0.03), wood)
            for k in range(3):
                end = s + (k - 1) * wide * 0.3
                book = (0.05, 0.14, scene.uniform(0.12, 0.28))
                board.box((end, 0.09, z + 0.03), book, palette.paint(scene, 0.8))
