"""Rooms and corridors."""

from __future__ import annotations

import math
from collections import defaultdict

from . import furniture, palette
from .bodies import draw_house, draw_person, draw_tree
from .furniture import Piece
from .paths import Rectangle
from .scene import Scene, hsv
from .textures import Texture
from .walls import Ground, Opening, decorate, door_frame, wall, window_frame

Sides = dict[str, list[Opening]]
WALL_M = 0.16
ALL_OPEN = Opening(-9, 99, 0, 9)


def make_room(scene: Scene) -> tuple[list[Rectangle], list[tuple[float, float, float]]]:
    """A furnished room, often with a second one behind a doorway; walkable areas and lamps."""
    width, depth = scene.uniform(3.2, 8.0), scene.uniform(3.0, 6.5)
    height = scene.uniform(2.4, 3.2)
    ground = Ground()
    rooms = [(0.0, 0.0, width, depth)]
    sides: Sides = defaultdict(list)
    areas = list(rooms)
    if scene.chance(0.6):
        middle, half = scene.uniform(0.9, depth - 0.9), scene.uniform(0.45, 0.8)
        half = min(half, middle - 0.1, depth - middle - 0.1)
        tall = scene.pick((2.05, 2.1, height))
        hole = Opening(middle - half, middle + half, 0.0, min(tall, height))
        sides["east"].append(hole)
        long = scene.uniform(2.2, 4.5)
        y0 = max(0.0, middle - scene.uniform(1.0, 3.0))
        y1 = min(depth, middle + scene.uniform(1.0, 3.0))
        rooms.append((width + WALL_M, y0, width + WALL_M + long, y1))
        areas += [rooms[1], (width - 0.1, hole.start, width + WALL_M + 0.1, hole.end)]
        ground.block(width - 0.9, hole.start, width + WALL_M + 0.9, hole.end)
        if tall < height:
            door_frame(scene, (width, 0.0), math.pi / 2, hole, WALL_M)
    for side, length in (("south", width), ("north", width), ("west", depth)):
        if scene.chance(0.55):
            sides[side] += _window_row(scene, length, height)
    lamps = [_enclose(scene, rooms[0], height, sides)]
    if len(rooms) > 1:
        inner: Sides = defaultdict(list)
        if scene.chance(0.5):
            inner["east"] += _window_row(scene, rooms[1][3] - rooms[1][1], height)
        lamps.append(_enclose(scene, rooms[1], height, inner, skip="west"))
    _outside(scene, rooms)
    _shape_room(scene, ground, rooms[0], height)
    for room in rooms:
        _furnish(scene, ground, room)
        decorate(scene, room, height, sides if room is rooms[0] else {"west": [ALL_OPEN]})
    return areas, lamps


def make_corridor(scene: Scene) -> tuple[list[Rectangle], list[tuple[float, float, float]]]:
    """A corridor with doors, straight or with a turn; walkable areas and lamps."""
    wide, long, height = scene.uniform(1.5, 2.8), scene.uniform(7.0, 20.0), scene.uniform(2.35, 3.0)
    ground = Ground()
    first = (0.0, 0.0, long, wide)
    sides: Sides = defaultdict(list)
    rooms, areas = [first], [first]
    turn = scene.chance(0.55)
    if turn:
        across, reach = scene.uniform(1.5, 2.8), scene.uniform(4.0, 10.0)
        sides["north"].append(Opening(0.0, across, 0.0, height))
        rooms.append((long - across, wide, long, wide + reach))
        areas.append((long - across, wide - 0.1, long, wide + reach))
        ground.block(long - across, 0, long, wide + 1)
    elif scene.chance(0.5):
        sides["east"] += _window_row(scene, wide, height)
    place = scene.uniform(0.8, 2.0)
    while place < long - 4.2:
        if scene.chance(0.3):
            hole = Opening(place, place + 0.95, 0.0, 2.05)
            sides["south"].append(hole)
            room = (max(0.0, place - 1.2), -WALL_M - scene.uniform(2.2, 4.0), place + 2.2, -WALL_M)
            inner: Sides = defaultdict(list)
            if scene.chance(0.6):
                inner["south"] += _window_row(scene, room[2] - room[0], height)
            door_frame(scene, (0.0, 0.0), 0.0, hole, WALL_M)
            _enclose(scene, room, height, inner, skip="north")
            areas += [room, (hole.start, -WALL_M - 0.1, hole.end, 0.1)]
            ground.block(hole.start, -WALL_M - 0.9, hole.end, 0.9)
            _furnish(scene, ground, room, few=True)
            decorate(scene, room, height, {"north": [ALL_OPEN]})
            place += 3.6
        place += scene.uniform(1.4, 3.0)
    surfaces = _surfaces(scene)
    _enclose(scene, first, height, sides, surfaces)
    if turn:
        _enclose(scene, rooms[1], height, {}, surfaces, skip="south")
    lamps = []
    for room in rooms:
        lamps += _strip_lights(scene, room, height)
    _outside(scene, rooms)
    for room in rooms:
        _line_corridor(scene, ground, room)
        openings = sides if room is first else {"south": [ALL_OPEN]}
        decorate(scene, room, height, openings, 0.55)
    return areas, lamps


def _window_row(scene: Scene, length: float, height: float) -> list[Opening]:
    """One to three equal windows along a wall."""
    low = scene.pick((0.0, 0.75, 0.9, 0.9))
    high = min(height - 0.2, scene.uniform(1.95, 2.3))
    count = int(scene.rng.integers(1, 4))
    each = min(scene.uniform(0.8, 1.8), length / count - 0.4)
    if each < 0.5:
        return []
    middles = [(k + 0.5) * (length / count) for k in range(count)]
    return [Opening(m - each / 2, m + each / 2, low, high, True) for m in middles]


def _surfaces(scene: Scene) -> tuple[int, int, int]:
    return palette.room_wall(scene), palette.room_floor(scene), palette.white(scene)


def _enclose(
    scene: Scene,
    room: Rectangle,
    height: float,
    sides: Sides,
    materials: tuple[int, int, int] | None = None,
    skip: str = "",
) -> tuple[float, float, float]:
    """Floor, ceiling and walls of a room, without the wall ``skip``; where its lamp hangs."""
    x0, y0, x1, y1 = room
    walls, floor, ceiling = materials or _surfaces(scene)
    accent = palette.room_wall(scene) if scene.chance(0.25) else walls
    middle, size = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)
    pad = WALL_M
    scene.pen("floor").box((*middle, -0.2), (size[0] + pad, size[1] + pad, 0.2), floor, casts=False)
    scene.pen("ceiling").box((*middle, height), (size[0] + pad, size[1] + pad, 0.2), ceiling)
    corners = {
        "south": ((x0, y0), (x1, y0)),
        "east": ((x1, y0), (x1, y1)),
        "north": ((x1, y1), (x0, y1)),
        "west": ((x0, y1), (x0, y0)),
    }
    for name, (start, end) in corners.items():
        if name == skip:
            continue
        holes = tuple(sides.get(name, ()))
        paper = accent if name == "north" else walls
        wall(scene, start, end, height, WALL_M, paper, holes)
        yaw = math.atan2(end[1] - start[1], end[0] - start[0])
        for hole in holes:
            if hole.glazed:
                window_frame(scene, start, yaw, hole, WALL_M)
    lamp = (middle[0] + scene.uniform(-0.5, 0.5), middle[1] + scene.uniform(-0.4, 0.4))
    drop = scene.pick((0.06, 0.06, scene.uniform(0.3, 0.6)))
    pen = scene.pen("lamp", *lamp)
    shade = scene.plain(hsv(0.13, 0.15, 1.0), glow=1.5)
    if drop > 0.1:
        pen.cylinder((0, 0, height - drop), 0.01, drop, palette.metal(scene))
        pen.ball((0, 0, height - drop), scene.uniform(0.1, 0.22), shade, casts=False)
    else:
        pen.cylinder((0, 0, height - drop), scene.uniform(0.15, 0.3), drop, shade, casts=False)
    return lamp[0], lamp[1], height - drop - 0.1


def _strip_lights(scene: Scene, room: Rectangle, height: float) -> list[tuple[float, float, float]]:
    x0, y0, x1, y1 = room
    along_x = x1 - x0 > y1 - y0
    length = (x1 - x0) if along_x else (y1 - y0)
    count = max(1, int(length / scene.uniform(3.0, 4.5)))
    glow = scene.plain(hsv(0.15, 0.05, 1.0), glow=1.5)
    places = []
    for k in range(count):
        s = (k + 0.5) * length / count
        x, y = (x0 + s, (y0 + y1) / 2) if along_x else ((x0 + x1) / 2, y0 + s)
        pen = scene.pen("lamp", x, y, 0.0 if along_x else math.pi / 2)
        pen.box((0, 0, height - 0.05), (1.1, 0.15, 0.05), glow, casts=False)
        places.append((x, y, height - 0.15))
    return places


def _outside(scene: Scene, rooms: list[Rectangle]) -> None:
    """The surroundings visible through windows: a lawn or a yard, trees and houses."""
    ground = scene.pick((palette.grass, palette.pavement))(scene)
    scene.pen("terrain").box((3, 3, -0.9), (120, 120, 0.6), ground, casts=False)
    x0, y0 = min(r[0] for r in rooms), min(r[1] for r in rooms)
    x1, y1 = max(r[2] for r in rooms), max(r[3] for r in rooms)
    centre, reach = ((x0 + x1) / 2, (y0 + y1) / 2), max(x1 - x0, y1 - y0) / 2
    for k in range(4):
        angle = k * math.pi / 2 + scene.uniform(-0.3, 0.3)
        away = reach + scene.uniform(9, 18)
        spot = (centre[0] + away * math.cos(angle), centre[1] + away * math.sin(angle))
        if scene.chance(0.6):
            pen = scene.pen("building", *spot, angle + math.pi, -0.3)
            draw_house(scene, pen, 6.0, scene.uniform(8, 16), scene.uniform(4, 9))
        tree = reach + scene.uniform(4, 7)
        turn = angle + scene.uniform(-0.5, 0.5)
        where = (centre[0] + tree * math.cos(turn), centre[1] + tree * math.sin(turn))
        draw_tree(scene, scene.pen("vegetation", *where, 0.0, -0.3))


def _shape_room(scene: Scene, ground: Ground, room: Rectangle, height: float) -> None:
    """Corner blocks (L-shapes), wing walls, pillars and beams."""
    x0, y0, x1, y1 = room
    wide, deep = x1 - x0, y1 - y0
    plaster = palette.room_wall(scene)
    if scene.chance(0.35) and wide > 4 and deep > 3.6:
        size = (scene.uniform(0.5, wide * 0.4), scene.uniform(0.5, deep * 0.4))
        y = scene.pick((y0 + size[1] / 2, y1 - size[1] / 2))
        if ground.claim(x0 + size[0] / 2, y, *size):
            scene.pen("wall").box((x0 + size[0] / 2, y, 0), (*size, height), plaster)
    if scene.chance(0.3) and wide > 4.5:
        x, out = scene.uniform(x0 + 1.6, x1 - 1.6), scene.uniform(0.5, deep * 0.4)
        if ground.claim(x, y1 - out / 2, 0.14, out):
            scene.pen("wall").box((x, y1 - out / 2, 0), (0.14, out, height), plaster)
    if scene.chance(0.25) and wide > 5 and deep > 4.5:
        spot = (scene.uniform(x0 + 1.6, x1 - 1.6), scene.uniform(y0 + 1.6, y1 - 1.6))
        if ground.claim(*spot, 0.5, 0.5):
            pen = scene.pen("column", *spot)
            if scene.chance(0.5):
                pen.cylinder((0, 0, 0), scene.uniform(0.12, 0.25), height, plaster)
            else:
                pen.box((0, 0, 0), (0.35, 0.35, height), plaster)
    if scene.chance(0.25):
        beam, count = palette.wood(scene), int(wide / scene.uniform(0.8, 1.5))
        for k in range(count):
            x = x0 + (k + 0.5) * wide / count
            scene.pen("ceiling").box((x, (y0 + y1) / 2, height - 0.16), (0.12, deep, 0.16), beam)


def _furnish(scene: Scene, ground: Ground, room: Rectangle, few: bool = False) -> None:
    x0, y0, x1, y1 = room
    area = (x1 - x0) * (y1 - y0)
    theme = scene.pick(("living", "sleeping", "office", "store", "mixed"))
    at_wall = {
        "living": [furniture.SOFA] * 2 + [furniture.SHELF, furniture.LAMP, furniture.PLANT],
        "sleeping": [furniture.BED, furniture.CUPBOARD, furniture.CUPBOARD, furniture.LAMP],
        "office": [furniture.SHELF, furniture.SHELF, furniture.CUPBOARD, furniture.PLANT],
        "store": [furniture.BOXES] * 3 + [furniture.SHELF, furniture.SHELF],
        "mixed": [furniture.SHELF, furniture.CUPBOARD, furniture.PLANT, furniture.BOXES],
    }[theme]
    pieces = list(at_wall) + [scene.pick(at_wall) for _ in range(int(area / 5))]
    for piece in pieces[: 2 if few else 99]:
        put_at_wall(scene, ground, room, piece)
    if scene.chance(0.5):
        carpet = scene.material(
            Texture.CARPET,
            *(scene.colour((0, 1), (0.1, 0.7), (0.2, 0.8)) for _ in range(3)),
            scale=scene.uniform(0.1, 0.4),
            grain=0.2,
            grain_size=0.03,
        )
        size = (min(2.6, (x1 - x0) * 0.6), min(1.8, (y1 - y0) * 0.6))
        scene.pen("carpet").box(((x0 + x1) / 2, (y0 + y1) / 2, 0), (*size, 0.012), carpet)
    for _ in range(0 if few else int(scene.rng.integers(0, 1 + int(area / 10) + 1))):
        _put_table(scene, ground, room)
    for _ in range(int(scene.rng.integers(0, 3)) if scene.chance(0.4) else 0):
        x, y = scene.uniform(x0 + 0.5, x1 - 0.5), scene.uniform(y0 + 0.5, y1 - 0.5)
        if ground.claim(x, y, 0.55, 0.55):
            draw_person(scene, scene.pen("person", x, y, scene.uniform(0, 6.28)))


def put_at_wall(scene: Scene, ground: Ground, room: Rectangle, piece: Piece) -> None:
    """A piece of furniture with its back to a wall where there is room."""
    x0, y0, x1, y1 = room
    for _ in range(6):
        depth, width = scene.uniform(*piece.depth), scene.uniform(*piece.width)
        side = int(scene.rng.integers(4))
        span = (y1 - y0) if side % 2 == 0 else (x1 - x0)
        if span < width + 0.1:
            continue
        s, back = scene.uniform(width / 2 + 0.05, span - width / 2 - 0.05), depth / 2 + 0.03
        x, y, yaw = (
            (x0 + back, y0 + s, 0.0),
            (x0 + s, y0 + back, math.pi / 2),
            (x1 - back, y0 + s, math.pi),
            (x0 + s, y1 - back, -math.pi / 2),
        )[side]
        size = (depth, width) if side % 2 == 0 else (width, depth)
        if ground.claim(x, y, *size, gap=0.02):
            piece.draw(scene, scene.pen(piece.kind, x, y, yaw), depth, width)
            return


def _put_table(scene: Scene, ground: Ground, room: Rectangle) -> None:
    """A table off the walls with chairs round it."""
    x0, y0, x1, y1 = room
    piece = furniture.TABLE
    depth, width = scene.uniform(*piece.depth), scene.uniform(*piece.width)
    if x1 - x0 < depth + 2 or y1 - y0 < width + 2:
        return
    x = scene.uniform(x0 + 1 + depth / 2, x1 - 1 - depth / 2)
    y = scene.uniform(y0 + 1 + width / 2, y1 - 1 - width / 2)
    if not ground.claim(x, y, depth, width):
        return
    piece.draw(scene, scene.pen(piece.kind, x, y), depth, width)
    for yaw, dx, dy in ((0.0, -1, 0), (math.pi, 1, 0), (math.pi / 2, 0, -1), (-math.pi / 2, 0, 1)):
        if scene.chance(0.7):
            chair = scene.pick((furniture.CHAIR, furniture.CHAIR, furniture.STOOL))
            size = scene.uniform(*chair.depth)
            cx, cy = x + dx * (depth / 2 + size / 2 + 0.06), y + dy * (width / 2 + size / 2 + 0.06)
            if ground.claim(cx, cy, size, size, gap=0.0):
                turn = yaw + scene.uniform(-0.15, 0.15)
                chair.draw(scene, scene.pen(chair.kind, cx, cy, turn), size, size)


def _line_corridor(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    narrow = min(x1 - x0, y1 - y0)
    pieces = [furniture.PLANT, furniture.BOXES, furniture.LAMP]
    if narrow > 1.9:
        pieces += [furniture.SHELF, furniture.CUPBOARD]
    for _ in range(int(scene.rng.integers(1, 6))):
        put_at_wall(scene, ground, room, scene.pick(pieces))
    for _ in range(int(scene.rng.integers(0, 3))):
        x, y = scene.uniform(x0 + 0.4, x1 - 0.4), scene.uniform(y0 + 0.35, y1 - 0.35)
        if ground.claim(x, y, 0.5, 0.5):
            draw_person(scene, scene.pen("person", x, y, scene.uniform(0, 6.28)))
