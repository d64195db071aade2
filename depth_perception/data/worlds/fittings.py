"""What rooms of version 2 hold: lamps, furniture by use, people, and things to stumble over."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise, product

from . import furniture, palette
from .figures import draw_figure
from .interiors import put_at_wall
from .paths import Rectangle
from .scene import Pen, Scene, hsv
from .walls import Ground
from .weather import add_lamp

MOST_LAMPS = 6
"""Lamps of a room beyond this number give no light of their own; the others give more."""

Draw = Callable[[Scene, Pen, float, float], None]


def ceiling_lamp(scene: Scene, room: Rectangle, height: float, on: bool = True) -> None:
    """One kind of lamps at the ceiling of a room, in a grid or a row."""
    x0, y0, x1, y1 = room
    wide, deep = x1 - x0, y1 - y0
    style = scene.pick(("globe", "disc", "strip", "panel", "spots", "pendant"))
    pitch = scene.uniform(2.0, 4.5)
    across, along = max(1, round(wide / pitch)), max(1, round(deep / pitch))
    every = -(-across * along // MOST_LAMPS)
    strength = scene.uniform(0.5, 1.6) * every / (across * along) ** 0.35
    tint = scene.uniform(0.0, 0.5)
    glow = scene.plain(hsv(scene.uniform(0.08, 0.15), tint * 0.4, 1.0), glow=2.5 if on else 0.0)
    metal = palette.metal(scene)
    drop = scene.uniform(0.3, min(1.0, height - 1.9)) if style in ("globe", "pendant") else 0.05
    pen = scene.pen("lamp")
    for i, j in product(range(across), range(along)):
        x, y = x0 + (i + 0.5) * wide / across, y0 + (j + 0.5) * deep / along
        if style in ("globe", "pendant"):
            pen.cylinder((x, y, height - drop), 0.006, drop, metal)
            if style == "globe":
                pen.ball((x, y, height - drop), scene.uniform(0.1, 0.2), glow, casts=False)
            else:
                pen.cone((x, y, height - drop - 0.1), 0.22, 0.25, metal, casts=False)
                pen.ball((x, y, height - drop - 0.1), 0.06, glow, casts=False)
        elif style == "disc":
            pen.cylinder((x, y, height - 0.07), 0.2, 0.07, glow, casts=False)
        elif style == "strip":
            pen.box((x, y, height - 0.06), (1.2, 0.12, 0.06), glow, casts=False)
        elif style == "panel":
            pen.box((x, y, height - 0.02), (0.6, 0.6, 0.02), glow, casts=False)
        else:
            pen.cylinder((x, y, height - 0.02), 0.05, 0.02, glow, casts=False)
        if on and (i * along + j) % every == 0:
            box = (x0 - 0.08, y0 - 0.08, -0.1, x1 + 0.08, y1 + 0.08, height + 0.1)
            add_lamp(scene, (x, y, height - drop - 0.12), box, strength, tint)


def furnish_room(scene: Scene, ground: Ground, room: Rectangle, use: str, height: float) -> None:
    """Furniture along the walls and in the middle, by the use of the room."""
    x0, y0, x1, y1 = room
    area = (x1 - x0) * (y1 - y0)
    fill = scene.pick((0.0, 0.5, 1.0, 1.0, 1.0, 1.6))
    at_wall = {
        "living": [furniture.SOFA, furniture.SHELF, furniture.LAMP, furniture.PLANT, TELLY, DESK],
        "sleeping": [
            furniture.BED,
            furniture.CUPBOARD,
            furniture.LAMP,
            RACK,
            furniture.CHAIR,
            MIRROR,
        ],
        "office": [
            DESK,
            DESK,
            furniture.SHELF,
            furniture.CUPBOARD,
            furniture.PLANT,
            furniture.BOXES,
        ],
        "kitchen": [COUNTER, COUNTER, FRIDGE, furniture.SHELF, furniture.BOXES],
        "store": [STEEL_RACK, STEEL_RACK, furniture.BOXES, furniture.BOXES, LADDER],
        "school": [furniture.SHELF, furniture.CUPBOARD, DESK],
        "gallery": [furniture.PLANT, BENCH, furniture.STOOL],
        "corridor": [furniture.PLANT, furniture.CHAIR, furniture.BOXES, BENCH, MIRROR, LADDER],
    }[use]
    density = 0.2 if use in ("corridor", "gallery") else 0.33
    for _ in range(int(fill * area * density * scene.uniform(0.6, 1.4))):
        put_at_wall(scene, ground, room, scene.pick(at_wall))
    if scene.chance(0.4 if use in ("corridor", "store") else 0.05):
        hang_sign(scene, room, height)
    if use in ("living", "sleeping") and scene.chance(0.5):
        size = (min(3.0, (x1 - x0) * 0.6), min(2.2, (y1 - y0) * 0.6))
        rug = palette.fabric(scene)
        scene.pen("carpet").box(((x0 + x1) / 2, (y0 + y1) / 2, 0), (*size, 0.012), rug)
    if use in ("school", "office") and area > 18 and fill:
        _rows_of_desks(scene, ground, room)
    elif use in ("living", "kitchen", "office", "gallery"):
        for _ in range(int(scene.rng.integers(0, 2 + int(area / 15)))):
            _table_with_chairs(scene, ground, room)
    if use == "gallery":
        for _ in range(int(scene.rng.integers(0, 4))):
            x, y = scene.uniform(x0 + 0.8, x1 - 0.8), scene.uniform(y0 + 0.8, y1 - 0.8)
            if ground.claim(x, y, 0.7, 0.7, gap=0.2):
                pen = scene.pen("clutter", x, y, scene.uniform(0, 6.28))
                pen.box((0, 0, 0), (0.5, 0.5, 0.9), palette.white(scene))
                pen.ball(
                    (0, 0, 1.15),
                    [scene.uniform(0.1, 0.25) for _ in range(3)],
                    palette.paint(scene, 0.7),
                )


def hang_sign(scene: Scene, room: Rectangle, height: float) -> None:
    """A board or a lit sign on two wires below the ceiling."""
    x0, y0, x1, y1 = room
    low = height - scene.uniform(0.3, max(0.35, min(1.2, height - 1.7)))
    pen = scene.pen("clutter", (x0 + x1) / 2, (y0 + y1) / 2, scene.pick((0.0, math.pi / 2)))
    wide, metal = scene.uniform(0.3, 1.2), palette.metal(scene)
    colour = scene.colour(scene.pick((0.38, 0.0, 0.6)), (0, 0.9), (0.4, 0.95))
    pen.box((0, 0, low), (0.03, wide, 0.2), scene.plain(colour, glow=scene.uniform(0, 1)))
    for side in (-0.4, 0.4):
        pen.cylinder((0, side * wide, low + 0.2), 0.004, height - low - 0.2, metal)


def scatter(scene: Scene, ground: Ground, rooms: Sequence[Rectangle]) -> None:
    """People, small things on the floor, cables, and things that hang from above."""
    for room in rooms:
        x0, y0, x1, y1 = room
        area = (x1 - x0) * (y1 - y0)
        for _ in range(int(scene.rng.poisson(min(2.0, area / 30))) if scene.chance(0.4) else 0):
            x, y = scene.uniform(x0 + 0.4, x1 - 0.4), scene.uniform(y0 + 0.4, y1 - 0.4)
            if ground.claim(x, y, 0.6, 0.6):
                draw_figure(scene, scene.pen("person", x, y, scene.uniform(0, 6.28)))
        for _ in range(int(scene.rng.poisson(area / 14)) if scene.chance(0.5) else 0):
            x, y = scene.uniform(x0 + 0.2, x1 - 0.2), scene.uniform(y0 + 0.2, y1 - 0.2)
            if ground.claim(x, y, 0.3, 0.3, gap=0.0):
                draw_small(scene, scene.pen("clutter", x, y, scene.uniform(0, 6.28)))
        if scene.chance(0.2) and min(x1 - x0, y1 - y0) > 1:
            draw_cable(scene, room)


def draw_small(scene: Scene, pen: Pen) -> None:
    """A low obstacle: a box, bag, bucket, ball, bottle, shoe, cone, plank or step."""
    style = scene.pick(
        ("box", "bag", "bucket", "ball", "bottle", "shoes", "cone", "plank", "block")
    )
    paint = scene.pick((palette.paint, palette.fabric, palette.wood))(scene)
    if style == "box":
        pen.box((0, 0, 0), [scene.uniform(0.1, 0.4) for _ in range(3)], paint)
    elif style == "bag":
        pen.ball((0, 0, 0.15), (0.12, 0.18, 0.17), paint)
        pen.limb((0, -0.1, 0.28), (0, 0.1, 0.28), 0.015, paint)
    elif style == "bucket":
        pen.cylinder((0, 0, 0), 0.13, 0.26, paint)
        pen.limb((0, -0.13, 0.26), (0.05, 0, 0.38), 0.006, paint)
        pen.limb((0.05, 0, 0.38), (0, 0.13, 0.26), 0.006, paint)
    elif style == "ball":
        size = scene.uniform(0.05, 0.16)
        pen.ball((0, 0, size), size, paint)
    elif style == "bottle":
        for k in range(int(scene.rng.integers(1, 4))):
            pen.cylinder((0.1 * k, 0, 0), 0.035, 0.22, paint)
            pen.cylinder((0.1 * k, 0, 0.22), 0.014, 0.08, paint)
    elif style == "shoes":
        for side in (-0.07, 0.07):
            pen.ball((0, side, 0.05), (0.14, 0.05, 0.055), paint)
    elif style == "cone":
        orange = scene.plain(scene.colour((0.03, 0.07), 0.9, 0.95))
        pen.box((0, 0, 0), (0.3, 0.3, 0.03), orange)
        pen.cone((0, 0, 0.03), 0.12, scene.uniform(0.35, 0.7), orange)
    elif style == "plank":
        pen.box((0, 0, 0), (scene.uniform(0.5, 1.8), 0.12, 0.04), palette.wood(scene))
    else:
        pen.box((0, 0, 0), (0.25, 0.4, scene.uniform(0.05, 0.2)), palette.pavement(scene))


def draw_cable(scene: Scene, room: Rectangle) -> None:
    """A cable that winds over the floor."""
    x0, y0, x1, y1 = room
    x, y, yaw = scene.uniform(x0, x1), scene.uniform(y0, y1), scene.uniform(0, 6.28)
    pen, rubber = scene.pen("clutter"), scene.plain(scene.colour((0, 1), (0, 0.9), (0.02, 0.9)))
    thick = scene.uniform(0.004, 0.02)
    for _ in range(int(scene.rng.integers(6, 24))):
        yaw += scene.uniform(-0.7, 0.7)
        end = x + 0.25 * math.cos(yaw), y + 0.25 * math.sin(yaw)
        if not (x0 + 0.05 < end[0] < x1 - 0.05 and y0 + 0.05 < end[1] < y1 - 0.05):
            yaw += math.pi / 2
            continue
        pen.limb((x, y, thick), (*end, thick), thick, rubber, False)
        x, y = end


def draw_hanging_wire(scene: Scene, pen: Pen, start: Sequence[float], end: Sequence[float]) -> None:
    """A wire that sags between two points."""
    rubber = scene.plain(scene.colour((0, 1), 0.2, (0.02, 0.4)))
    sag, parts, thick = scene.uniform(0.02, 0.12), 8, scene.uniform(0.006, 0.02)
    length = math.dist(start, end)
    points = [
        [a + (b - a) * k / parts for a, b in zip(start, end, strict=True)] for k in range(parts + 1)
    ]
    for k, point in enumerate(points):
        point[2] -= 4 * sag * length * (k / parts) * (1 - k / parts)
    for a, b in pairwise(points):
        pen.limb(a, b, thick, rubber, False)


def _rows_of_desks(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    pitch = (scene.uniform(1.5, 2.2), scene.uniform(1.4, 2.4))
    yaw = scene.pick((0.0, math.pi))
    for i in range(1, int((x1 - x0) / pitch[0])):
        for j in range(1, int((y1 - y0) / pitch[1])):
            x, y = x0 + i * pitch[0], y0 + j * pitch[1]
            if scene.chance(0.9) and ground.claim(x, y, 0.7, 1.2):
                draw_desk(scene, scene.pen("table", x, y, yaw), 0.7, 1.2)
                turn = yaw + scene.uniform(-0.4, 0.4)
                where = x + 0.55 * math.cos(yaw), y
                draw_thin_chair(scene, scene.pen("chair", *where, turn + math.pi), 0.44, 0.44)


def _table_with_chairs(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    depth, width = scene.uniform(0.5, 1.1), scene.uniform(0.7, 2.2)
    if x1 - x0 < depth + 1.4 or y1 - y0 < width + 1.4:
        return
    x = scene.uniform(x0 + 0.7 + depth / 2, x1 - 0.7 - depth / 2)
    y = scene.uniform(y0 + 0.7 + width / 2, y1 - 0.7 - width / 2)
    if not ground.claim(x, y, depth, width):
        return
    draw_desk(scene, scene.pen("table", x, y), depth, width)
    for yaw, dx, dy in ((0.0, -1, 0), (math.pi, 1, 0), (math.pi / 2, 0, -1), (-math.pi / 2, 0, 1)):
        if scene.chance(0.75):
            away = scene.uniform(-0.1, 0.35)
            cx, cy = x + dx * (depth / 2 + 0.2 + away), y + dy * (width / 2 + 0.2 + away)
            if ground.claim(cx, cy, 0.3, 0.3, gap=0.0):
                turn = yaw + scene.uniform(-0.4, 0.4)
                draw = scene.pick((draw_thin_chair, draw_thin_chair, furniture.draw_chair))
                draw(scene, scene.pen("chair", cx, cy, turn), 0.45, 0.45)
                if scene.chance(0.12):
                    draw_figure(scene, scene.pen("person", cx, cy, turn), "sitting")


def draw_desk(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A table whose legs are thin tubes, a trestle, two panels or one foot."""
    top = scene.pick((palette.wood, palette.white, palette.paint))(scene)
    leg, height = scene.pick((palette.wood, palette.metal))(scene), scene.uniform(0.65, 0.78)
    thick = scene.uniform(0.01, 0.035)
    pen.box((0, 0, height - 0.03), (depth, width, 0.03), top)
    style = scene.pick(("tubes", "tubes", "tubes", "panels", "frame", "foot"))
    x, y = depth / 2 - 0.05, width / 2 - 0.05
    if style == "panels":
        for side in (-y, y):
            pen.box((0, side, 0), (depth * 0.9, 0.03, height - 0.03), top)
    elif style == "foot":
        pen.cylinder((0, 0, 0), 0.04, height - 0.03, leg)
        pen.cylinder((0, 0, 0), min(depth, width) * 0.35, 0.025, leg)
    else:
        splay = scene.uniform(0.0, 0.08)
        for sx, sy in product((-1, 1), repeat=2):
            foot = (sx * (x + splay), sy * (y + splay), 0.0)
            pen.limb(foot, (sx * x, sy * y, height - 0.03), thick, leg, False)
        if style == "frame":
            for sy in (-y, y):
                pen.limb((-x, sy, 0.05), (x, sy, 0.05), thick, leg, False)
    furniture.draw_clutter(scene, pen, height, depth * 0.7, width * 0.8)


def draw_thin_chair(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    """A chair of thin tubes or sticks, with a slatted or a closed back, or a bar stool."""
    frame = scene.pick((palette.wood, palette.metal, palette.metal))(scene)
    seat = scene.pick((palette.wood, palette.fabric, palette.paint))(scene)
    thick = scene.uniform(0.008, 0.02)
    if scene.chance(0.12):
        height = scene.uniform(0.6, 0.8)
        pen.cylinder((0, 0, height), 0.18, 0.04, seat)
        for angle in range(4):
            turn = (angle + 0.5) * math.pi / 2
            foot = (0.22 * math.cos(turn), 0.22 * math.sin(turn), 0)
            pen.limb(
                foot, (0.1 * math.cos(turn), 0.1 * math.sin(turn), height), thick, frame, False
            )
        return
    height, back = scene.uniform(0.42, 0.48), scene.uniform(0.3, 0.55)
    pen.box((0, 0, height - 0.03), (depth, width, scene.uniform(0.02, 0.06)), seat)
    x, y, splay = depth / 2 - 0.02, width / 2 - 0.02, scene.uniform(0, 0.06)
    for sx, sy in product((-1, 1), repeat=2):
        foot = (sx * (x + splay), sy * (y + splay), 0.0)
        pen.limb(foot, (sx * x, sy * y, height), thick, frame, False)
    lean = scene.uniform(0.02, 0.1)
    for sy in (-y, y):
        pen.limb((-x, sy, height), (-x - lean, sy, height + back), thick, frame, False)
    if scene.chance(0.5):
        pen.box((-x - lean * 0.7, 0, height + back * 0.45), (0.02, width, back * 0.5), seat)
    else:
        for k in range(3):
            z = height + back * (0.35 + 0.3 * k)
            pen.box((-x - lean * (0.35 + 0.3 * k), 0, z), (0.015, width, 0.035), frame)
    if scene.chance(0.25):
        for sy in (-y, y):
            pen.limb((-x, sy, height + 0.2), (x, sy, height + 0.2), thick, frame, False)
            pen.limb((x, sy, height), (x, sy, height + 0.2), thick, frame, False)


def _desk_at_wall(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    draw_desk(scene, pen, depth, width)
    if scene.chance(0.7):
        chair = scene.pen(
            "chair",
            pen.x + 0.5 * math.cos(pen.yaw),
            pen.y + 0.5 * math.sin(pen.yaw),
            pen.yaw + math.pi,
        )
        draw_thin_chair(scene, chair, 0.45, 0.45)


def _telly(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    pen.box((0, 0, 0.1), (depth, width, 0.4), palette.wood(scene))
    dark = scene.plain((0.01, 0.01, 0.012), gloss=0.6, mirror=scene.uniform(0.1, 0.35))
    screen = scene.pen("clutter", pen.x, pen.y, pen.yaw)
    screen.box((0, 0, 0.56), (0.04, width * 0.9, width * 0.5), dark)
    screen.box((0, 0, 0.5), (0.2, 0.3, 0.06), dark)


def _counter(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    furniture.draw_cupboard(scene, pen, depth, width)
    if scene.chance(0.6):
        pen.box((-depth * 0.2, 0, 1.45), (depth * 0.55, width, 0.65), palette.paint(scene, 0.3))


def _fridge(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    pen.box((0, 0, 0.02), (depth, width, scene.uniform(0.85, 1.9)), palette.white(scene))


def _rack(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    metal, tall = palette.metal(scene), scene.uniform(1.3, 1.7)
    for side in (-width / 2, width / 2):
        pen.limb((0, side, 0.02), (0, side, tall), 0.012, metal, False)
        pen.limb((-depth / 2, side, 0.02), (depth / 2, side, 0.02), 0.012, metal, False)
    pen.limb((0, -width / 2, tall), (0, width / 2, tall), 0.012, metal, False)
    for _ in range(int(scene.rng.integers(0, 9))):
        y, long = scene.uniform(-0.45, 0.45) * width, scene.uniform(0.5, 1.1)
        pen.box((0, y, tall - 0.08 - long), (0.35, 0.05, long), palette.fabric(scene))


def _mirror(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    frame, tall = palette.wood(scene), scene.uniform(1.0, 1.9)
    low = scene.uniform(0.03, 0.5)
    picture = scene.pen("picture", pen.x, pen.y, pen.yaw)
    picture.box((-depth / 2 + 0.01, 0, low), (0.03, width, tall), frame)
    silver = scene.plain((0.8, 0.85, 0.85), mirror=0.92)
    glass = scene.pen("mirror", pen.x, pen.y, pen.yaw)
    glass.box((-depth / 2 + 0.02, 0, low + 0.04), (0.03, width - 0.08, tall - 0.08), silver)


def draw_steel_rack(scene: Scene, pen: Pen, depth: float, width: float, tall: float = 0.0) -> None:
    """Open boards on thin posts with boxes on them."""
    metal, board = palette.metal(scene), palette.wood(scene)
    tall, thick = tall or scene.uniform(1.4, 2.2), scene.uniform(0.012, 0.03)
    for sx, sy in product((-depth / 2, depth / 2), (-width / 2, width / 2)):
        pen.box((sx, sy, 0), (thick * 2, thick * 2, tall), metal)
    count = max(2, int(tall / scene.uniform(0.4, 0.9)))
    for level in range(count + 1):
        z = 0.08 + (tall - 0.1) * level / count
        pen.box((0, 0, z), (depth, width, 0.03), board)
        y = -width / 2 + 0.1
        while level < count and y < width / 2 - 0.3:
            size = scene.uniform(0.12, 0.45)
            if scene.chance(0.65):
                card = scene.photo(
                    "plaster", scene.colour((0.05, 0.12), (0.1, 0.5), (0.3, 0.9)), 1.0
                )
                high = scene.uniform(0.3, 0.85) * (tall / count - 0.08)
                pen.box(
                    (0, y + size / 2, z + 0.03),
                    (depth * scene.uniform(0.5, 0.95), size, high),
                    card,
                )
            y += size + 0.03


def _ladder(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    metal, tall = palette.metal(scene), scene.uniform(1.2, 2.2)
    for side in (-0.2, 0.2):
        pen.limb((0.35, side, 0), (0.0, side, tall), 0.02, metal, False)
        pen.limb((-0.3, side, 0), (0.0, side, tall), 0.015, metal, False)
    for k in range(1, int(tall / 0.28)):
        x = 0.35 * (1 - k * 0.28 / tall)
        pen.box((x, 0, k * 0.28), (0.08, 0.4, 0.025), metal)


def _bench(scene: Scene, pen: Pen, depth: float, width: float) -> None:
    pen.box((0, 0, 0.42), (depth, width, 0.05), palette.wood(scene))
    for sx, sy in product((-1, 1), repeat=2):
        foot = (sx * (depth / 2 - 0.04), sy * (width / 2 - 0.1), 0.0)
        pen.box(foot, (0.04, 0.04, 0.42), palette.metal(scene))


DESK = furniture.Piece("table", (0.55, 0.8), (0.9, 1.8), _desk_at_wall)
TELLY = furniture.Piece("cupboard", (0.35, 0.5), (1.0, 1.8), _telly)
COUNTER = furniture.Piece("cupboard", (0.55, 0.65), (0.9, 3.0), _counter)
FRIDGE = furniture.Piece("cupboard", (0.55, 0.7), (0.55, 0.9), _fridge)
RACK = furniture.Piece("clutter", (0.4, 0.5), (0.8, 1.5), _rack)
MIRROR = furniture.Piece("picture", (0.08, 0.1), (0.4, 1.4), _mirror)
STEEL_RACK = furniture.Piece("shelf", (0.35, 0.6), (0.8, 2.2), draw_steel_rack)
LADDER = furniture.Piece("clutter", (0.8, 0.8), (0.5, 0.5), _ladder)
BENCH = furniture.Piece("bench", (0.35, 0.45), (1.0, 2.0), _bench)
