"""Furniture of rooms. Every piece has its back to local -x and faces local +x."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

from . import palette
from .scene import Pen, Scene
from .textures import Texture


@dataclass(frozen=True)
class Piece:
    """A kind of furniture.

    Attributes:
        kind: name of its class.
        depth, width: bounds of its footprint in metres, along local x and y.
        draw: function that draws it with a pen, given depth and width.
    """

    kind: str
    depth: tuple[float, float]
    width: tuple[float, float]
    draw: Callable[[Scene, Pen, float, float], None]


def draw_table(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A table, square or round, sometimes with things on it."""
    top = scene.pick((palette.wood, palette.wood, palette.paint))(scene)
    leg = scene.pick((palette.wood, palette.metal))(scene)
    height = scene.uniform(0.68, 0.78)
    if scene.chance(0.25):
        radius = min(depth, width) / 2
        pen.cylinder((0, 0, height - 0.04), radius, 0.04, top)
        pen.cylinder((0, 0, 0), 0.05, height - 0.04, leg)
        pen.cylinder((0, 0, 0), radius * 0.55, 0.03, leg)
    else:
        pen.box((0, 0, height - 0.04), (depth, width, 0.04), top)
        x, y = depth / 2 - 0.05, width / 2 - 0.05
        for sx, sy in product((-x, x), (-y, y)):
            pen.box((sx, sy, 0), (0.06, 0.06, height - 0.04), leg)
    draw_clutter(scene, pen, height, depth * 0.6, width * 0.6)


def draw_clutter(scene: Scene, pen: Pen, height: float, depth: float, width: float) -> None:
    """A few small things on a flat top."""
    for _ in range(int(scene.rng.integers(0, 4))):
        x, y = scene.uniform(-depth / 2, depth / 2), scene.uniform(-width / 2, width / 2)
        thing = scene.pen("clutter", pen.x, pen.y, pen.yaw, pen.z)
        style = scene.pick(("cup", "book", "vase", "screen", "ball"))
        if style == "cup":
            thing.cylinder((x, y, height), 0.045, 0.1, palette.paint(scene, 0.8))
        elif style == "book":
            cover = palette.paint(scene, 0.8)
            thing.box((x, y, height), (0.16, 0.22, 0.04), cover, turn=scene.uniform(0, 3))
        elif style == "vase":
            thing.ball((x, y, height + 0.13), (0.08, 0.08, 0.13), palette.paint(scene, 0.7))
        elif style == "screen":
            dark = scene.plain((0.02, 0.02, 0.03), gloss=0.6)
            thing.box((x, y, height + 0.08), (0.03, 0.5, 0.3), dark)
            thing.cylinder((x, y, height), 0.08, 0.09, dark)
        else:
            thing.ball((x, y, height + 0.08), 0.08, palette.paint(scene, 0.9))


def draw_chair(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A chair with four legs or a swivel foot."""
    frame = scene.pick((palette.wood, palette.metal))(scene)
    seat = scene.pick((palette.wood, palette.fabric))(scene)
    height = scene.uniform(0.43, 0.48)
    pen.box((0, 0, height - 0.05), (depth, width, 0.05), seat)
    back = scene.uniform(0.38, 0.55)
    pen.box((-depth / 2 + 0.02, 0, height + 0.08), (0.04, width * 0.95, back - 0.08), seat)
    x, y = depth / 2 - 0.03, width / 2 - 0.03
    if scene.chance(0.25):
        pen.cylinder((0, 0, 0.05), 0.035, height - 0.1, frame)
        for angle in range(5):
            turn = angle * 2 * math.pi / 5
            foot = (0.26 * math.cos(turn), 0.26 * math.sin(turn), 0.04)
            pen.limb((0, 0, 0.07), foot, 0.025, frame, False)
        return
    for sx, sy in product((-x, x), (-y, y)):
        tall = height + 0.15 if sx < 0 else height - 0.05
        pen.box((sx, sy, 0), (0.035, 0.035, tall), frame)


def draw_sofa(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A sofa or an armchair with cushions."""
    cloth = palette.fabric(scene)
    seat, arm = scene.uniform(0.38, 0.46), scene.uniform(0.14, 0.24)
    pen.box((0.0, 0, 0.08), (depth, width, seat - 0.2), cloth)
    pen.box((-depth / 2 + 0.11, 0, 0.08), (0.22, width, scene.uniform(0.65, 0.85)), cloth)
    for side in (-1, 1):
        pen.box((0, side * (width - arm) / 2, 0.08), (depth, arm, seat + 0.1), cloth)
    count = max(1, round((width - 2 * arm) / 0.7))
    each = (width - 2 * arm) / count
    for index in range(count):
        y = -width / 2 + arm + (index + 0.5) * each
        pen.box((0.09, y, seat - 0.12), (depth - 0.2, each - 0.02, 0.14), cloth)
    for _ in range(int(scene.rng.integers(0, 3))):
        y = scene.uniform(-width / 2 + arm + 0.2, width / 2 - arm - 0.19)
        pen.ball((-depth / 2 + 0.3, y, seat + 0.18), (0.1, 0.2, 0.18), palette.fabric(scene))


def draw_bed(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A bed with head board, blanket and pillows."""
    frame = palette.wood(scene)
    pen.box((0, 0, 0.1), (depth, width, 0.2), frame)
    pen.box((-depth / 2 + 0.03, 0, 0), (0.06, width, scene.uniform(0.7, 1.15)), frame)
    pen.box((0.03, 0, 0.3), (depth - 0.08, width - 0.06, 0.2), palette.white(scene))
    pen.box((0.2, 0, 0.42), (depth - 0.45, width - 0.02, 0.12), palette.fabric(scene))
    for y in (-width / 4, width / 4) if width > 1.2 else (0,):
        pen.ball((-depth / 2 + 0.35, y, 0.55), (0.22, 0.33, 0.09), palette.white(scene))


def draw_shelf(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """Open boards with things between them, or a full bookcase."""
    height = scene.uniform(0.9, 2.1)
    board = scene.pick((palette.wood, palette.white, palette.paint))(scene)
    if scene.chance(0.55):
        frame = scene.colour((0.05, 0.1), (0, 0.6), (0.3, 0.9))
        scale = scene.uniform(0.03, 0.06), scene.uniform(0.28, 0.38)
        books = scene.material(Texture.BOOKS, frame, scale=scale)
        pen.box((0, 0, 0), (depth, width, height), books, top=board)
        return
    pen.box((-depth / 2 + 0.01, 0, 0), (0.02, width, height), board)
    for y in (-width / 2 + 0.015, width / 2 - 0.015):
        pen.box((0, y, 0), (depth, 0.03, height), board)
    count = int(height / 0.38) + 1
    for level in range(count):
        z = 0.05 + level * (height - 0.08) / max(1, count - 1)
        pen.box((0, 0, z), (depth, width, 0.025), board)
        if z < height - 0.3:
            draw_clutter(scene, pen, z + 0.025, depth * 0.3, width * 0.7)


def draw_cupboard(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A wardrobe, a chest of drawers or a kitchen row."""
    tall = scene.pick((scene.uniform(0.75, 0.95), scene.uniform(1.7, 2.2)))
    body = scene.pick((palette.wood, palette.paint, palette.white))(scene)
    top = scene.pick((palette.wood, palette.metal))(scene)
    pen.box((-0.01, 0, 0.06), (depth - 0.02, width, tall - 0.06), body, top=top)
    pen.box((-0.03, 0, 0), (depth - 0.08, width - 0.04, 0.06), palette.metal(scene))
    knob = palette.metal(scene)
    doors = max(1, round(width / 0.5))
    drawers = int(scene.rng.integers(1, 5)) if tall < 1 else 1
    for column in range(doors):
        y = -width / 2 + (column + 0.5) * width / doors
        for row in range(drawers):
            part = (tall - 0.1) / drawers
            front = (0.02, width / doors - 0.02, part - 0.02)
            pen.box((depth / 2 - 0.01, y, 0.08 + row * part), front, body)
        pen.box((depth / 2 + 0.01, y + 0.3 * width / doors, tall * 0.5), (0.02, 0.02, 0.12), knob)
    if tall < 1:
        draw_clutter(scene, pen, tall, depth * 0.5, width * 0.8)


def draw_floor_lamp(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A pole with a shade that glows."""
    height = scene.uniform(1.3, 1.7)
    pen.cylinder((0, 0, 0), 0.15, 0.03, palette.metal(scene))
    pen.cylinder((0, 0, 0), 0.015, height, palette.metal(scene))
    shade = scene.plain(scene.colour((0.05, 0.15), 0.3, 0.95), glow=0.7)
    if scene.chance(0.5):
        pen.cylinder((0, 0, height - 0.05), 0.18, 0.28, shade, casts=False)
    else:
        pen.cone((0, 0, height - 0.05), 0.22, 0.5, shade, casts=False)


def draw_plant(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A pot with leaves."""
    pot, height = scene.uniform(0.12, 0.2), scene.uniform(0.2, 0.4)
    pen.cylinder((0, 0, 0), pot, height, palette.paint(scene, 0.6))
    leaves = palette.foliage(scene, 0.08)
    reach = scene.uniform(0.15, 0.32)
    if scene.chance(0.4):
        stem = scene.uniform(0.3, 0.8)
        pen.cylinder((0, 0, height), 0.02, stem, palette.bark(scene))
        height += stem * 0.8
    for _ in range(int(scene.rng.integers(4, 9))):
        x, y = scene.rng.normal(0, reach / 2, 2)
        half = [scene.uniform(0.4, 0.8) * reach for _ in range(3)]
        pen.ball((float(x), float(y), height + half[2] + scene.uniform(0, reach)), half, leaves)


def draw_stool(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A round seat or a pouffe."""
    pen.cylinder((0, 0, 0), min(depth, width) / 2, scene.uniform(0.3, 0.5), palette.fabric(scene))


def draw_boxes(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A pile of cartons."""
    z = 0.0
    for _ in range(int(scene.rng.integers(1, 4))):
        shares = [scene.uniform(low, high) for low, high in ((0.6, 1), (0.6, 1), (0.2, 0.4))]
        size = (depth * shares[0], width * shares[1], shares[2])
        card = scene.plain(scene.colour(0.09, (0.3, 0.5), (0.5, 0.75)), grain=0.12)
        pen.box((0, 0, z), size, card, turn=scene.uniform(-0.15, 0.15))
        z += size[2]


TABLE = Piece("table", (0.6, 1.0), (0.8, 1.9), draw_table)
CHAIR = Piece("chair", (0.4, 0.48), (0.4, 0.5), draw_chair)
SOFA = Piece("sofa", (0.8, 0.95), (0.9, 2.3), draw_sofa)
BED = Piece("bed", (1.95, 2.1), (0.9, 1.8), draw_bed)
SHELF = Piece("shelf", (0.25, 0.4), (0.6, 1.8), draw_shelf)
CUPBOARD = Piece("cupboard", (0.4, 0.62), (0.6, 2.4), draw_cupboard)
LAMP = Piece("lamp", (0.4, 0.4), (0.4, 0.4), draw_floor_lamp)
PLANT = Piece("plant", (0.5, 0.5), (0.5, 0.5), draw_plant)
STOOL = Piece("chair", (0.4, 0.6), (0.4, 0.6), draw_stool)
BOXES = Piece("clutter", (0.35, 0.6), (0.35, 0.6), draw_boxes)
