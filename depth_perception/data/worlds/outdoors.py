"""Streets and courtyards."""

from __future__ import annotations

import math

from . import palette
from .bodies import (
    draw_bench,
    draw_bin,
    draw_bollard,
    draw_bush,
    draw_car,
    draw_house,
    draw_lamp_post,
    draw_person,
    draw_sign,
    draw_tree,
)
from .paths import Rectangle
from .scene import Scene, hsv
from .textures import Texture
from .walls import Ground

KERB_M = 0.1


def make_street(scene: Scene) -> tuple[list[Rectangle], float]:
    """A street along x with houses on both sides; walkable areas and the ground height there.

    The areas are on one pavement or on the road, which lies at height 0.
    """
    road, long = scene.uniform(4.5, 8.0), scene.uniform(28.0, 42.0)
    left, right = scene.uniform(1.8, 4.5), scene.uniform(1.8, 4.5)
    marked = scene.chance(0.6)
    scene.pen("terrain").box((0, 0, -1.3), (150, 150, 1.0), palette.grass(scene), casts=False)
    asphalt = palette.asphalt(scene, marked)
    scene.pen("road").box((0, 0, -0.5), (2 * long, road, 0.5), asphalt, casts=False)
    kerb = scene.plain(scene.colour(0.1, 0.05, (0.5, 0.75)), grain=0.1)
    flags = palette.pavement(scene)
    for side, wide in ((1, left), (-1, right)):
        pen, deep = scene.pen("sidewalk"), 0.4 + KERB_M
        y, edge = side * (road / 2 + wide / 2 + 0.075), side * (road / 2 + 0.075)
        pen.box((0, y, -0.4), (2 * long, wide - 0.15, deep), flags, casts=False)
        pen.box((0, edge, -0.4), (2 * long, 0.15, deep), kerb, casts=False)
    ground = Ground()
    for side, wide in ((1, left), (-1, right)):
        _house_row(scene, side, road / 2 + wide, long)
    _close_ends(scene, long, road)
    lane = road / 2 - 1.0
    parking = scene.pick(((1,), (-1,), (1, -1), ()))
    walk = scene.pick(("left", "right", "road", "left", "right"))
    for side in parking:
        x = -long + 4
        while x < long - 4:
            if scene.chance(0.6):
                ground.claim(x, side * lane, 4.7, 1.9, gap=0.0)
                yaw = 0.0 if side < 0 else math.pi
                draw_car(scene, scene.pen("car", x, side * lane, yaw + scene.uniform(-0.03, 0.03)))
            x += scene.uniform(5.2, 9.0)
    for _ in range(int(scene.rng.integers(0, 3))):
        side = scene.pick((-1, 1))
        x, y = scene.uniform(-long * 0.7, long * 0.7), side * road / 5
        if ground.claim(x, y, 4.8, 1.9):
            draw_car(scene, scene.pen("car", x, y, 0.0 if side < 0 else math.pi))
    for side, wide in ((1, left), (-1, right)):
        _line_pavement(scene, ground, side, road / 2, wide, long)
    for _ in range(int(scene.rng.integers(0, 3))):
        x, y = scene.uniform(-14, 14), scene.uniform(-road / 3, road / 3)
        if ground.claim(x, y, 0.6, 0.6):
            draw_person(scene, scene.pen("person", x, y, scene.uniform(0, 6.28)))
    reach = min(long - 6, 16.0)
    if walk == "road":
        return [(-reach, -road / 2 + 0.4, reach, road / 2 - 0.4)], 0.0
    if walk == "left":
        return [(-reach, road / 2 + 0.2, reach, road / 2 + left - 0.1)], KERB_M
    return [(-reach, -road / 2 - right + 0.1, reach, -road / 2 - 0.2)], KERB_M


def make_courtyard(scene: Scene) -> tuple[list[Rectangle], float]:
    """A yard, garden or square between houses, walls, fences and hedges."""
    wide, deep = scene.uniform(8, 24), scene.uniform(8, 20)
    base = scene.pick((palette.pavement, palette.pavement, palette.grass))(scene)
    kind = "sidewalk" if scene.chance(0.6) else "terrain"
    scene.pen("terrain").box((0, 0, -1.2), (150, 150, 1.0), palette.grass(scene), casts=False)
    scene.pen(kind).box((0, 0, -0.3), (wide + 8, deep + 8, 0.3), base, casts=False)
    ground = Ground()
    for side in range(4):
        out, length = (wide, deep) if side % 2 == 0 else (deep, wide)
        _border(scene, side * math.pi / 2, out / 2, length)
    if scene.chance(0.6):
        x, y = scene.uniform(-wide / 4, wide / 4), scene.uniform(-deep / 4, deep / 4)
        size = (scene.uniform(2, wide / 3), scene.uniform(2, deep / 3))
        if ground.claim(x, y, *size):
            _bed_of_plants(scene, x, y, size)
    if scene.chance(0.35):
        x, y = scene.uniform(-wide / 4, wide / 4), scene.uniform(-deep / 4, deep / 4)
        if ground.claim(x, y, 2.4, 2.4):
            _fountain(scene, x, y)
    things = (
        ("vegetation", draw_tree, 0.6, int(wide * deep / 60)),
        ("vegetation", draw_bush, 1.2, 3),
        ("bench", draw_bench, 1.9, 3),
        ("bin", draw_bin, 0.8, 3),
        ("pole", draw_lamp_post, 0.4, 2),
        ("person", draw_person, 0.6, 4),
        ("car", draw_car, 4.7, 2),
        ("pole", draw_bollard, 0.3, 4),
    )
    for name, draw, size, most in things:
        if name == "car" and min(wide, deep) < 12:
            continue
        for _ in range(int(scene.rng.integers(0, most + 1))):
            x = scene.uniform(-wide / 2 + 0.5 + size / 2, wide / 2 - 0.5 - size / 2)
            y = scene.uniform(-deep / 2 + 0.5 + size / 2, deep / 2 - 0.5 - size / 2)
            if ground.claim(x, y, size, size):
                draw(scene, scene.pen(name, x, y, scene.uniform(0, 2 * math.pi)))
    return [(-wide / 2 + 0.2, -deep / 2 + 0.2, wide / 2 - 0.2, deep / 2 - 0.2)], 0.0


def _house_row(scene: Scene, side: int, front: float, long: float) -> None:
    """Houses, gaps with walls or hedges, and front gardens from one end to the other."""
    x = -long
    closed = scene.chance(0.4)
    setback = 0.0 if closed else scene.pick((0.0, scene.uniform(1.0, 4.0)))
    yaw = -side * math.pi / 2
    while x < long:
        wide, depth = scene.uniform(7.0, 15.0), scene.uniform(7.0, 11.0)
        storeys = int(scene.rng.integers(1, 5))
        height = storeys * 3.1 + scene.uniform(0.2, 0.9)
        back = front + setback + depth / 2
        pen = scene.pen("building", x + wide / 2, side * back, yaw)
        draw_house(scene, pen, depth, wide, height)
        if setback > 0.8:
            _fence(scene, x, x + wide, side * (front + 0.1))
            if scene.chance(0.5):
                place = (x + wide * scene.uniform(0.2, 0.8), side * (front + setback / 2))
                draw_bush(scene, scene.pen("vegetation", *place), 0.5)
        x += wide
        if not closed and scene.chance(0.6):
            gap = scene.uniform(1.5, 9.0)
            if gap < 6:
                _fence(scene, x, x + gap, side * (front + 0.15))
            middle = (x + gap / 2, side * (front + scene.uniform(3, 8)))
            draw_tree(scene, scene.pen("vegetation", *middle))
            x += gap


def _fence(scene: Scene, x0: float, x1: float, y: float) -> None:
    """A wall, hedge or picket fence along x."""
    style = scene.pick(("wall", "hedge", "fence"))
    middle, length = (x0 + x1) / 2, x1 - x0
    height = scene.uniform(0.7, 1.9)
    if style == "wall":
        colour = scene.colour(0.05, 0.4, (0.4, 0.8))
        brick = scene.material(Texture.BRICKS, colour, scale=(0.3, 0.1))
        scene.pen("wall").box((middle, y, 0), (length, 0.25, height), brick)
    elif style == "hedge":
        leaves = palette.foliage(scene, 0.12)
        scene.pen("vegetation").box((middle, y, 0), (length, 0.5, height), leaves)
    else:
        pen, paint = scene.pen("fence"), palette.paint(scene)
        for z in (0.25, height * 0.8):
            pen.box((middle, y, z), (length, 0.04, 0.08), paint)
        count = min(24, int(length / 0.35) + 1)
        for k in range(count):
            pen.box((x0 + (k + 0.5) * length / count, y, 0), (0.09, 0.05, height), paint)


def _close_ends(scene: Scene, long: float, road: float) -> None:
    """The ends of the street: houses across, or trees."""
    for end in (-1, 1):
        if scene.chance(0.6):
            x, y, yaw = end * (long + 8), scene.uniform(-3, 3), math.pi if end > 0 else 0.0
            pen = scene.pen("building", x, y, yaw)
            draw_house(scene, pen, 10, scene.uniform(14, 26), scene.uniform(5, 13))
        else:
            for _ in range(5):
                y = scene.uniform(-road - 4, road + 4)
                draw_tree(scene, scene.pen("vegetation", end * (long + scene.uniform(2, 8)), y))


def _line_pavement(
    scene: Scene, ground: Ground, side: int, start: float, wide: float, long: float
) -> None:
    """Trees, posts, signs, bins, benches and people on one pavement."""
    kerb_side = side * (start + 0.45)
    has_trees = wide > 2.6 and scene.chance(0.6)
    pitch = scene.uniform(7, 12)
    x = -long + scene.uniform(2, 6)
    facing = -side * math.pi / 2
    posts = (draw_lamp_post, "pole", 0.3), (draw_sign, "traffic sign", 0.4)
    while x < long - 3:
        draw, name, size = (draw_tree, "vegetation", 0.5) if has_trees else scene.pick(posts)
        if ground.claim(x, kerb_side, size, size):
            draw(scene, scene.pen(name, x, kerb_side, facing, KERB_M))
        x += pitch * scene.uniform(0.8, 1.3)
    wall_side = side * (start + wide - 0.5)
    things = (draw_bin, "bin", 0.75), (draw_bench, "bench", 1.9), (draw_bush, "vegetation", 0.8)
    for _ in range(int(scene.rng.integers(0, 5))):
        x = scene.uniform(-18, 18)
        draw, name, size = scene.pick(things)
        if ground.claim(x, wall_side, size, 0.75):
            draw(scene, scene.pen(name, x, wall_side, facing, KERB_M))
    for _ in range(int(scene.rng.integers(0, 7))):
        x, y = scene.uniform(-20, 20), side * (start + scene.uniform(0.5, wide - 0.4))
        if ground.claim(x, y, 0.6, 0.6):
            yaw = scene.pick((0.0, math.pi)) + scene.uniform(-0.4, 0.4)
            draw_person(scene, scene.pen("person", x, y, yaw, KERB_M))


def _border(scene: Scene, yaw: float, reach: float, length: float) -> None:
    """One side of a courtyard; ``yaw`` points to it from the middle."""
    cos, sin = math.cos(yaw), math.sin(yaw)
    style = scene.pick(("house", "house", "houses", "wall", "hedge", "fence", "arcade"))

    def pen(kind: str, out: float, along: float = 0.0):
        return scene.pen(kind, cos * out - sin * along, sin * out + cos * along, yaw + math.pi)

    if style == "house":
        draw_house(scene, pen("building", reach + 4), 8, length + 1, scene.uniform(3.5, 14))
        return
    if style == "houses":
        part = length * scene.uniform(0.35, 0.65)
        rest = length - part
        for out, along, wide in ((4, -rest / 2, part), (5, part / 2, rest)):
            house = pen("building", reach + out, along)
            draw_house(scene, house, 8, wide, scene.uniform(3.5, 11))
        return
    if style == "arcade":
        stone = palette.room_wall(scene)
        pen("wall", reach + 2.6).box((0, 0, 0), (0.3, length, 4.5), palette.facade(scene))
        pen("building", reach + 1.3).box((0, 0, 2.9), (2.6, length, 0.5), stone)
        count = max(2, int(length / 2.4))
        for k in range(count):
            along = (k + 0.5) * length / count - length / 2
            pen("column", reach + 0.2, along).cylinder((0, 0, 0), 0.18, 2.9, stone)
        return
    height = scene.uniform(1.0, 2.8)
    along = pen({"wall": "wall", "hedge": "vegetation", "fence": "fence"}[style], reach + 0.2)
    if style == "wall":
        along.box((0, 0, 0), (0.3, length + 0.6, height), palette.room_wall(scene))
    elif style == "hedge":
        along.box((0, 0, 0), (0.7, length + 0.6, height), palette.foliage(scene, 0.15))
    else:
        paint, count = palette.wood(scene), int(length / 0.5)
        for k in range(count):
            along.box((0, (k + 0.5) * length / count - length / 2, 0), (0.04, 0.4, height), paint)
    for _ in range(int(scene.rng.integers(0, 5))):
        place = (reach + scene.uniform(2, 7), scene.uniform(-length / 2, length / 2))
        draw_tree(scene, pen("vegetation", *place))
    if scene.chance(0.7):
        house = pen("building", reach + 16)
        draw_house(scene, house, 8, scene.uniform(9, 18), scene.uniform(5, 12))


def _bed_of_plants(scene: Scene, x: float, y: float, size: tuple[float, float]) -> None:
    rim = scene.plain(scene.colour(0.08, 0.15, (0.4, 0.7)), grain=0.2)
    height = scene.uniform(0.1, 0.5)
    scene.pen("terrain", x, y).box((0, 0, 0), (*size, height), rim, top=palette.grass(scene))
    for _ in range(int(scene.rng.integers(1, 6))):
        spot = (x + scene.uniform(-0.35, 0.35) * size[0], y + scene.uniform(-0.35, 0.35) * size[1])
        draw = scene.pick((draw_bush, draw_bush, draw_tree))
        draw(scene, scene.pen("vegetation", *spot, 0.0, height - 0.05))


def _fountain(scene: Scene, x: float, y: float) -> None:
    stone = scene.plain(scene.colour(0.1, 0.1, (0.5, 0.8)), grain=0.15)
    water = scene.plain(hsv(0.52, 0.4, 0.5), gloss=0.8)
    pen = scene.pen("wall", x, y)
    pen.cylinder((0, 0, 0), 1.15, 0.5, stone, top=water)
    pen.cylinder((0, 0, 0.5), 0.16, 0.8, stone)
    pen.cylinder((0, 0, 1.3), 0.5, 0.12, stone, top=water)
