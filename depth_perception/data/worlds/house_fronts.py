"""Houses whose windows, doors, balconies and pipes stand out of the wall."""

from __future__ import annotations

from itertools import pairwise

from . import palette
from .bodies import draw_house
from .scene import Pen, Scene
from .street_things import draw_railing, pen_point

STOREY_M = 3.1


def draw_detailed_house(
    scene: Scene, pen: Pen, depth: float, width: float, height: float, near: bool = True
) -> None:
    """A house with its front at local +x; far ones have painted windows."""
    if not near or scene.chance(0.2):
        draw_house(scene, pen, depth, width, height)
        return
    wall = scene.pick((palette.room_wall, palette.room_wall, palette.paint))(scene)
    tiles, trim = palette.roof(scene), palette.white(scene)
    pen.box((0, 0, 0), (depth, width, height), wall, top=tiles)
    roof = scene.pick(("gable", "flat", "flat", "parapet"))
    if roof == "gable":
        pen.gable((0, 0, height), (depth + 0.6, width + 0.1, scene.uniform(2, 4.5)), tiles)
    elif roof == "parapet":
        pen.box((0, 0, height), (depth + 0.3, width, 0.4), trim)
    glass = scene.plain(
        scene.colour(0.6, 0.2, (0.01, 0.15)), mirror=scene.uniform(0.25, 0.6), gloss=0.4, grain=0.0
    )
    lit = scene.plain((0.9, 0.75, 0.45), glow=0.6)
    frame = scene.pick((palette.white, palette.wood, palette.metal))(scene)
    front, storeys = depth / 2, max(1, int(height / STOREY_M))
    count = max(1, int(width / scene.uniform(1.7, 3.4)))
    each = width / count
    wide, tall, sill = (
        each * scene.uniform(0.3, 0.7),
        scene.uniform(1.2, 2.1),
        scene.uniform(0.5, 1.0),
    )
    shutters, balconies = scene.chance(0.2), scene.chance(0.3)
    shop = scene.chance(0.35)
    if shop:
        _shop(scene, pen, front, width, glass, frame)
    doors = {int(scene.rng.integers(count))}
    for level in range(1 if shop else 0, storeys):
        for k in range(count):
            y, z = (k + 0.5) * each - width / 2, level * STOREY_M + sill
            if level == 0 and k in doors:
                _entrance(scene, pen, front, y, trim)
                continue
            pane = lit if scene.chance(0.08) else glass
            pen.box((front, y, z), (0.02, wide, tall), pane)
            for end in (-1, 1):
                pen.box((front, y + end * wide / 2, z), (0.1, 0.07, tall), frame)
            pen.box((front, y, z + tall), (0.14, wide + 0.14, 0.1), trim)
            pen.box((front + 0.03, y, z - 0.08), (0.2, wide + 0.2, 0.08), trim)
            if wide > 0.9:
                pen.box((front, y, z), (0.06, 0.05, tall), frame)
            if shutters:
                for end in (-1, 1):
                    pen.box(
                        (front + 0.02, y + end * wide * 0.77, z), (0.05, wide * 0.5, tall), frame
                    )
            if balconies and level and (k + level) % 2 == 0:
                _balcony(scene, pen, front, y, level * STOREY_M, each * 0.9, trim)
    for end in (-1, 1):
        if scene.chance(0.5):
            y = end * (width / 2 - 0.2)
            pen.limb(
                (front + 0.06, y, 0), (front + 0.06, y, height), 0.045, palette.metal(scene), False
            )


def _shop(scene: Scene, pen: Pen, front: float, width: float, glass: int, frame: int) -> None:
    """A shop front of large panes with an awning or a sign."""
    count = max(1, int(width / scene.uniform(2, 3.5)))
    pen.box((front, 0, 0.25), (0.02, width * 0.92, 2.3), glass)
    for k in range(count + 1):
        pen.box((front, (k / count - 0.5) * width * 0.92, 0), (0.12, 0.08, 2.6), frame)
    board = palette.paint(scene, 0.9)
    pen.box((front + 0.05, 0, 2.6), (0.15, width * 0.95, 0.5), board)
    if scene.chance(0.4):
        out = scene.uniform(0.8, 1.8)
        pen.wedge(
            (front + out / 2, 0, 2.2),
            (out, width * 0.9, 0.4),
            palette.fabric(scene),
            turn=3.14159265,
        )


def _entrance(scene: Scene, pen: Pen, front: float, y: float, trim: int) -> None:
    leaf = scene.pick((palette.wood, palette.paint))(scene)
    steps = int(scene.rng.integers(0, 4))
    low = steps * 0.16
    pen.box((front, y, low), (0.06, 1.0, 2.1), leaf)
    for end in (-0.55, 0.55):
        pen.box((front, y + end, low), (0.16, 0.1, 2.2), trim)
    pen.box((front, y, low + 2.1), (0.3, 1.2, 0.12), trim)
    for k in range(steps):
        out = (steps - k) * 0.3
        pen.box((front + out / 2, y, k * 0.16), (out, 1.4, 0.16), palette.pavement(scene))


def _balcony(
    scene: Scene, pen: Pen, front: float, y: float, z: float, wide: float, trim: int
) -> None:
    pen.box((front + 0.55, y, z - 0.12), (1.1, wide, 0.14), trim)
    corners = ((front, -1), (front + 1.05, -1), (front + 1.05, 1), (front, 1))
    points = [pen_point(pen, x, y + side * wide / 2, z) for x, side in corners]
    for a, b in pairwise(points):
        draw_railing(scene, scene.pen("fence"), a, b)
