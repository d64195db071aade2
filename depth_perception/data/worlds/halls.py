"""Large indoor spaces: stores, sports halls, lobbies, car parks, churches, and stairwells."""

from __future__ import annotations

import math

from . import palette
from .figures import draw_figure
from .fittings import (
    ceiling_lamp,
    draw_hanging_wire,
    draw_steel_rack,
    furnish_room,
    scatter,
)
from .paths import Rectangle
from .scene import Scene
from .street_things import draw_railing, draw_stairs
from .surroundings import draw_surroundings
from .vehicles import draw_motorcar
from .walls import Ground, Opening, decorate, wall
from .weather import add_lamp

USES = ("store", "store", "sports", "lobby", "lobby", "parking", "nave", "works")
WALL_M = 0.3


def make_hall(scene: Scene) -> tuple[list[Rectangle], float]:
    """A large hall; areas and headroom."""
    use = scene.pick(USES)
    wide, deep = scene.uniform(10, 45), scene.uniform(8, 24)
    height = scene.uniform(2.4, 3.0) if use == "parking" else scene.uniform(3.2, 9.0)
    room = (0.0, 0.0, wide, deep)
    ground = Ground()
    _shell(scene, room, height, 0.8 if use == "lobby" else 0.35 if use != "parking" else 0.1)
    ceiling_lamp(scene, room, height, on=scene.chance(0.85))
    _structure(scene, ground, room, height, use)
    if use in ("store", "works"):
        _aisles(scene, ground, room, height)
    if use == "parking":
        _parking(scene, ground, room)
    if use in ("lobby", "works", "sports") and scene.chance(0.7):
        _gallery(scene, ground, room, height)
    if use in ("lobby", "nave", "sports"):
        kind = {"lobby": "living", "nave": "gallery", "sports": "corridor"}[use]
        furnish_room(scene, ground, room, kind, height)
    if use == "nave":
        _pews(scene, ground, room)
    if use == "sports":
        _sports(scene, ground, room)
    scatter(scene, ground, [room])
    for _ in range(int(scene.rng.integers(0, 4))):
        start = (scene.uniform(1, wide - 1), scene.uniform(1, deep - 1), height - 0.05)
        end = (start[0] + scene.uniform(-4, 4), start[1] + scene.uniform(-3, 3), height - 0.05)
        if math.dist(start, end) > 0.5:
            draw_hanging_wire(scene, scene.pen("clutter"), start, end)
    for _ in range(int(scene.rng.poisson(3))):
        x, y = scene.uniform(1, wide - 1), scene.uniform(1, deep - 1)
        if ground.claim(x, y, 0.6, 0.6):
            draw_figure(scene, scene.pen("person", x, y, scene.uniform(0, 6.28)))
    draw_surroundings(scene, room)
    return [room], height


def _shell(scene: Scene, room: Rectangle, height: float, glazed: float) -> None:
    """Floor, ceiling and walls, some of them of glass from the floor to the ceiling."""
    x0, y0, x1, y1 = room
    middle, size = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)
    scene.pen("floor").box((*middle, -0.3), (*size, 0.3), palette.room_floor(scene), casts=False)
    roof = scene.pick((palette.white, palette.metal, palette.wood))(scene)
    scene.pen("ceiling").box((*middle, height), (size[0] + 0.6, size[1] + 0.6, 0.3), roof)
    paper, frame = palette.room_wall(scene), palette.metal(scene)
    corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
    sides: dict[str, list[Opening]] = {}
    for k, name in enumerate(("south", "east", "north", "west")):
        start, end = corners[k], corners[k + 1]
        length, yaw = math.dist(start, end), k * math.pi / 2
        holes: list[Opening] = []
        if scene.chance(glazed):
            low = scene.pick((0.0, 0.0, 1.0, height * 0.55))
            holes = [Opening(0.3, length - 0.3, low, height - scene.uniform(0.0, 0.6), True)]
            _glass_front(scene, start, yaw, holes[0], frame)
            inwards = (
                middle[0] * 0.1 + (start[0] + end[0]) * 0.45,
                middle[1] * 0.1 + (start[1] + end[1]) * 0.45,
            )
            box = (x0, y0, -0.1, x1, y1, height + 0.1)
            add_lamp(scene, (*inwards, height * 0.6), box, scene.uniform(0.5, 2.5), 0.02)
        wall(scene, start, end, height, WALL_M, paper, tuple(holes))
        sides[name] = holes
    decorate(scene, room, height, sides, 0.3)


def _glass_front(
    scene: Scene, start: tuple[float, float], yaw: float, hole: Opening, frame: int
) -> None:
    pen, pitch = scene.pen("window", *start, yaw), scene.uniform(1.0, 3.0)
    middle, wide, tall = (hole.start + hole.end) / 2, hole.end - hole.start, hole.high - hole.low
    thick = scene.uniform(0.03, 0.12)
    for k in range(int(wide / pitch) + 1):
        pen.box((hole.start + k * pitch, -0.1, hole.low), (thick, 0.12, tall), frame)
    for k in range(int(tall / scene.uniform(1.2, 3.0)) + 1):
        pen.box((middle, -0.1, hole.low + k * 1.7), (wide, 0.1, thick), frame)
    assert scene.glass is not None
    scene.glass.pen("window", *start, yaw).box((middle, -0.1, hole.low), (wide, 0.012, tall), 0)


def _structure(scene: Scene, ground: Ground, room: Rectangle, height: float, use: str) -> None:
    """Columns in a grid, beams and pipes below the ceiling."""
    x0, y0, x1, y1 = room
    stone = scene.pick((palette.room_wall, palette.white, palette.metal))(scene)
    if scene.chance(0.7) or use in ("nave", "parking"):
        pitch = scene.uniform(4.5, 8.0)
        thick, is_round = scene.uniform(0.12, 0.45), scene.chance(0.5)
        for i in range(1, int((x1 - x0) / pitch) + 1):
            for j in (1, 2):
                x, y = x0 + i * pitch, y0 + j * (y1 - y0) / 3
                if x < x1 - 0.6 and ground.claim(x, y, thick * 2, thick * 2):
                    pen = scene.pen("column", x, y)
                    if is_round:
                        pen.cylinder((0, 0, 0), thick, height, stone)
                    else:
                        pen.box((0, 0, 0), (2 * thick, 2 * thick, height), stone)
    if scene.chance(0.6):
        beam, pitch, thick = palette.metal(scene), scene.uniform(2, 5), scene.uniform(0.06, 0.3)
        for i in range(int((x1 - x0) / pitch)):
            x = x0 + (i + 0.5) * pitch
            scene.pen("ceiling").box(
                (x, (y0 + y1) / 2, height - thick * 1.6), (thick, y1 - y0, thick * 1.6), beam
            )
    for _ in range(int(scene.rng.integers(0, 4))):
        y, z, thick = (
            scene.uniform(y0 + 0.5, y1 - 0.5),
            height - scene.uniform(0.3, 0.6),
            scene.uniform(0.03, 0.25),
        )
        pipe = scene.pen("ceiling")
        pipe.limb((x0, y, z), (x1, y, z), thick, palette.metal(scene), False)


def _aisles(scene: Scene, ground: Ground, room: Rectangle, height: float) -> None:
    """Rows of shelves as in a store."""
    x0, y0, x1, y1 = room
    tall, deep = min(height - 0.8, scene.uniform(1.3, 4.0)), scene.uniform(0.5, 1.1)
    y = y0 + 1.5 + deep / 2
    while y < y1 - 1.5:
        x = x0 + scene.uniform(1.5, 4)
        while x < x1 - 4:
            wide = scene.uniform(1.8, 2.8)
            if scene.chance(0.9) and ground.claim(x + wide / 2, y, wide, deep, gap=0.0):
                pen = scene.pen("shelf", x + wide / 2, y, math.pi / 2)
                draw_steel_rack(scene, pen, deep, wide, tall)
            x += wide
        y += deep + scene.uniform(1.3, 2.6)


def _parking(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    for y, yaw in ((y0 + 2.7, -math.pi / 2), (y1 - 2.7, math.pi / 2)):
        x = x0 + 1.5
        while x < x1 - 1.5:
            if scene.chance(0.55) and ground.claim(x, y, 2.0, 4.9, gap=0.0):
                turn = yaw + scene.pick((0, math.pi)) + scene.uniform(-0.05, 0.05)
                draw_motorcar(scene, scene.pen("car", x, y, turn))
            x += 2.6
    mark = scene.plain((0.75, 0.75, 0.7), grain=0.2)
    for k in range(int((x1 - x0) / 2.6)):
        for y in (y0 + 2.7, y1 - 2.7):
            scene.pen("floor").box((x0 + 0.2 + 2.6 * k, y, 0), (0.1, 4.8, 0.004), mark, casts=False)


def _gallery(scene: Scene, ground: Ground, room: Rectangle, height: float) -> None:
    """A flight of stairs, and a gallery with a railing if the hall is high enough."""
    x0, _, x1, y1 = room
    rise = min(height - 2.2, scene.uniform(0.5, 3.2))
    if rise < 0.35:
        return
    wide, run = scene.uniform(1.2, 3.0), rise * scene.uniform(1.6, 2.2)
    x, y = x0 + scene.uniform(2, max(2.1, x1 - x0 - run - 3)), y1 - wide / 2
    if not ground.claim(x + run / 2, y, run + 0.5, wide, gap=0.0):
        return
    draw_stairs(scene, scene.pen("stairs", x, y), rise, run, wide)
    stone = palette.room_floor(scene)
    long = x1 - x - run
    if long > 1 and ground.claim((x + run + x1) / 2, y, long, wide, gap=0.0):
        open_below = rise > 2.0
        deck = (long, wide, 0.25 if open_below else rise)
        scene.pen("floor").box(((x + run + x1) / 2, y, rise - deck[2]), deck, stone)
        draw_railing(
            scene, scene.pen("fence"), (x + run, y - wide / 2, rise), (x1, y - wide / 2, rise)
        )


def _pews(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    wood, wide = palette.wood(scene), (y1 - y0) * 0.22
    for k in range(int((x1 - x0 - 6) / 1.1)):
        for side in (-1, 1):
            x, y = x0 + 3 + k * 1.1, (y0 + y1) / 2 + side * (wide / 2 + 0.9)
            if ground.claim(x, y, 0.5, wide, gap=0.0):
                pen = scene.pen("bench", x, y)
                pen.box((0.1, 0, 0.42), (0.4, wide, 0.05), wood)
                pen.box((-0.12, 0, 0.3), (0.05, wide, 0.65), wood)
                for end in (-1, 1):
                    pen.box((0.05, end * wide / 2, 0), (0.5, 0.06, 0.9), wood)


def _sports(scene: Scene, ground: Ground, room: Rectangle) -> None:
    x0, y0, x1, y1 = room
    metal, mark = palette.metal(scene), palette.paint(scene, 1.0)
    for end in (x0 + 1.2, x1 - 1.2):
        pen, y = scene.pen("clutter"), (y0 + y1) / 2
        for side in (-1.5, 1.5):
            pen.limb((end, y + side, 0), (end, y + side, 2.0), 0.04, metal, False)
        pen.limb((end, y - 1.5, 2.0), (end, y + 1.5, 2.0), 0.04, metal, False)
    for _ in range(6):
        y = scene.uniform(y0 + 1, y1 - 1)
        scene.pen("floor").box(((x0 + x1) / 2, y, 0), (x1 - x0 - 2, 0.06, 0.003), mark, casts=False)
