"""Storeys of buildings with many rooms: flats, offices along a corridor, rows of rooms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import palette
from .fittings import ceiling_lamp, furnish_room, scatter
from .paths import Rectangle
from .portals import Portal, draw_portal
from .scene import Scene
from .street_things import draw_stairs
from .surroundings import draw_surroundings
from .walls import Ground, Opening, decorate, wall
from .weather import add_lamp

HALF_M = 0.06
"""Half of the thickness of a wall; either half is painted as its own room."""

_QUARTER = math.pi / 2


@dataclass
class Room:
    """A room: its rectangle between the middles of its walls, and its use."""

    box: Rectangle
    use: str
    openings: dict[str, list[Opening]] = field(default_factory=dict)

    @property
    def inner(self) -> Rectangle:
        """The rectangle between the faces of its walls."""
        x0, y0, x1, y1 = self.box
        return x0 + HALF_M, y0 + HALF_M, x1 - HALF_M, y1 - HALF_M

    def sides(self) -> dict[str, tuple[tuple[float, float], tuple[float, float]]]:
        """Start and end of the faces of the walls, the room to the left."""
        x0, y0, x1, y1 = self.inner
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))
        names = ("south", "east", "north", "west")
        return {name: (corners[k], corners[k + 1]) for k, name in enumerate(names)}


def make_flat(scene: Scene) -> tuple[list[Rectangle], float]:
    """A flat or house of 3 to 10 rooms that open into each other; areas and headroom."""
    wide, deep = scene.uniform(7, 18), scene.uniform(6, 13)
    rooms = [
        Room(box, "living") for box in _split(scene, (0, 0, wide, deep), scene.uniform(2.6, 4.2))
    ]
    for room in rooms:
        room.use = scene.pick(("living", "living", "sleeping", "kitchen", "office", "store"))
    return _build(scene, rooms, scene.uniform(2.3, 3.3), scene.uniform(0.1, 0.5))


def make_offices(scene: Scene) -> tuple[list[Rectangle], float]:
    """A long corridor with rooms on both sides, most doors open; areas and headroom."""
    wide, long = scene.uniform(1.4, 3.2), scene.uniform(12, 55)
    rooms = [Room((0, -wide / 2, long, wide / 2), "corridor")]
    use = scene.pick(("office", "school", "sleeping", "store", "office"))
    for side in (1, -1):
        if scene.chance(0.12):
            continue
        deep = scene.uniform(2.8, 7.0)
        x, typical = 0.0, scene.uniform(2.6, 7.5)
        while x < long - 1.5:
            end = min(long, x + typical * scene.uniform(0.8, 1.25))
            end = long if long - end < 2 else end
            y0, y1 = sorted((side * wide / 2, side * (wide / 2 + deep)))
            rooms.append(Room((x, y0, end, y1), use if scene.chance(0.8) else "kitchen"))
            x = end
    return _build(scene, rooms, scene.uniform(2.3, 3.6), scene.uniform(0.0, 0.4))


def make_enfilade(scene: Scene) -> tuple[list[Rectangle], float]:
    """A row of 3 to 9 rooms with wide openings in line, as in museums; areas and headroom."""
    rooms, x, height = [], 0.0, scene.uniform(2.5, 5.5)
    use = scene.pick(("gallery", "living", "school", "office"))
    low, high = -scene.uniform(1.6, 4.5), scene.uniform(1.6, 4.5)
    for _ in range(int(scene.rng.integers(3, 10))):
        long = scene.uniform(2.8, 8.0)
        rooms.append(Room((x, low, x + long, high), use))
        x += long
    return _build(scene, rooms, height, 0.0, in_line=scene.uniform(-0.4, 0.4))


def _split(scene: Scene, box: Rectangle, least: float) -> list[Rectangle]:
    x0, y0, x1, y1 = box
    wide, deep = x1 - x0, y1 - y0
    if max(wide, deep) < 2 * least or (max(wide, deep) < 2.8 * least and scene.chance(0.25)):
        return [box]
    if wide > deep:
        cut = x0 + scene.uniform(least, wide - least)
        return _split(scene, (x0, y0, cut, y1), least) + _split(scene, (cut, y0, x1, y1), least)
    cut = y0 + scene.uniform(least, deep - least)
    return _split(scene, (x0, y0, x1, cut), least) + _split(scene, (x0, cut, x1, y1), least)


def _shared(a: Rectangle, b: Rectangle) -> tuple[str, float, float] | None:
    """Side of ``a`` that touches ``b``, and the bounds of the contact along it."""
    across = max(a[1], b[1]), min(a[3], b[3])
    along = max(a[0], b[0]), min(a[2], b[2])
    for side, touches, bounds in (
        ("east", abs(a[2] - b[0]) < 1e-6, across), ("west", abs(a[0] - b[2]) < 1e-6, across),
        ("north", abs(a[3] - b[1]) < 1e-6, along), ("south", abs(a[1] - b[3]) < 1e-6, along),
    ):  # fmt: skip
        if touches and bounds[1] - bounds[0] > 1.0:
            return side, *bounds
    return None


def _build(
    scene: Scene,
    rooms: Sequence[Room],
    height: float,
    extra: float,
    in_line: float | None = None,
) -> tuple[list[Rectangle], float]:
    """Walls, doors, windows, lamps and furniture of rooms that touch each other."""
    ground, areas = Ground(), [room.inner for room in rooms]
    joined, closed = {0}, scene.uniform(0, 0.3)
    style = scene.pick(("doors", "doors", "doors", "arches", "mixed"))
    taken: list[tuple[Room, str, float, float]] = []
    order = sorted(range(len(rooms)), key=lambda i: i)
    pairs = [
        (a, b, found)
        for a in order
        for b in order
        if a < b and (found := _shared(rooms[a].box, rooms[b].box)) is not None
    ]
    while pairs:
        usable = [p for p in pairs if (p[0] in joined) != (p[1] in joined)] or pairs
        a, b, (side, low, high) = usable[int(scene.rng.integers(len(usable)))]
        pairs.remove((a, b, (side, low, high)))
        is_needed = not {a, b} <= joined
        if not is_needed and not scene.chance(extra):
            continue
        joined |= {a, b}
        portal = Portal.draw_new(scene, high - low, height, style, closed)
        middle = scene.uniform(low + portal.wide / 2 + 0.15, high - portal.wide / 2 - 0.15)
        if in_line is not None and low + portal.wide / 2 < in_line < high - portal.wide / 2:
            middle = in_line + scene.uniform(-0.2, 0.2)
        _open(rooms[a], side, middle, portal, 0.0, portal.tall)
        _open(rooms[b], _OPPOSITE[side], middle, portal, 0.0, portal.tall)
        line = _line(rooms[a].box, side)
        flat = side in ("north", "south")
        place = (middle, line) if flat else (line, middle)
        draw_portal(scene, place, 0.0 if flat else _QUARTER, portal, 2 * HALF_M)
        reach, half = (portal.wide / 2, 0.8) if flat else (0.8, portal.wide / 2)
        ground.block(place[0] - reach, place[1] - half, place[0] + reach, place[1] + half)
        if portal.walkable:
            thick = 0.15
            reach, half = (portal.wide / 2, thick) if flat else (thick, portal.wide / 2)
            areas.append((place[0] - reach, place[1] - half, place[0] + reach, place[1] + half))
        taken.append((rooms[a], side, middle, portal.wide))
    _add_windows(scene, rooms, height)
    shared = _surfaces(scene)
    same = scene.chance(0.5)
    bulbs = scene.uniform(0.5, 1.0)
    for room in rooms:
        surfaces = shared if same or room.use == "corridor" else (_surfaces(scene)[0], *shared[1:])
        if scene.chance(0.2):
            surfaces = _surfaces(scene)
        _enclose(scene, room, height, surfaces)
        ceiling_lamp(scene, room.inner, height, on=scene.chance(bulbs))
        if room.use != "corridor" and scene.chance(0.12):
            _flight(scene, ground, room.inner, height)
        furnish_room(scene, ground, room.inner, room.use, height)
        decorate(scene, room.inner, height, room.openings, 0.1 if room.use != "corridor" else 0.4)
    scatter(scene, ground, [room.inner for room in rooms])
    draw_surroundings(scene, _hull(rooms))
    return areas, height


def _flight(scene: Scene, ground: Ground, room: Rectangle, height: float) -> None:
    """Stairs along a wall, up to the ceiling or to a landing."""
    x0, y0, x1, _ = room
    wide, rise = scene.uniform(0.8, 1.3), min(height - 0.05, scene.uniform(0.5, 3.2))
    run = min(rise * scene.uniform(1.1, 1.8), x1 - x0 - 1.2)
    if run > 0.8 and ground.claim(x1 - run / 2, y0 + wide / 2, run + 0.6, wide):
        draw_stairs(scene, scene.pen("stairs", x1 - run, y0 + wide / 2), rise, run, wide)


_OPPOSITE = {"east": "west", "west": "east", "north": "south", "south": "north"}


def _line(box: Rectangle, side: str) -> float:
    return {"west": box[0], "south": box[1], "east": box[2], "north": box[3]}[side]


def _open(
    room: Room,
    side: str,
    middle: float,
    portal: Portal,
    low: float,
    high: float,
    glazed: bool = False,
) -> None:
    """Add a hole in world coordinates to a side of a room."""
    start, _ = room.sides()[side]
    axis = 0 if side in ("south", "north") else 1
    place = abs(middle - start[axis])
    hole = Opening(place - portal.wide / 2, place + portal.wide / 2, low, high, glazed)
    room.openings.setdefault(side, []).append(hole)


def _surfaces(scene: Scene) -> tuple[int, int, int]:
    ceiling = palette.white(scene) if scene.chance(0.85) else palette.wood(scene)
    return palette.room_wall(scene), palette.room_floor(scene), ceiling


def _hull(rooms: Sequence[Room]) -> Rectangle:
    boxes = [room.box for room in rooms]
    low, high = (
        (min(b[k] for b in boxes) for k in (0, 1)),
        (max(b[k] for b in boxes) for k in (2, 3)),
    )
    return (*low, *high)


def _add_windows(scene: Scene, rooms: Sequence[Room], height: float) -> None:
    """Windows in the walls that no other room touches."""
    share = scene.uniform(0.3, 1.0)
    sill = scene.pick((0.0, 0.02, 0.75, 0.9, 0.9, 1.1))
    top = min(height - 0.12, scene.uniform(2.0, 2.5) if sill > 0.1 else scene.uniform(2.1, 3.2))
    for room in rooms:
        x0, y0, x1, y1 = room.box
        for side, length in (
            ("south", x1 - x0),
            ("north", x1 - x0),
            ("west", y1 - y0),
            ("east", y1 - y0),
        ):
            line = _line(room.box, side)
            touched = any(
                other is not room and abs(_line(other.box, _OPPOSITE[side]) - line) < 1e-6
                and (_shared(room.box, other.box) or ("",))[0] == side
                for other in rooms
            )  # fmt: skip
            if touched or not scene.chance(share) or length < 1.6:
                continue
            count = int(scene.rng.integers(1, max(2, min(7, int(length / 1.3)) + 1)))
            wide = scene.uniform(0.45, 0.92) * length / count
            start = x0 if side in ("south", "north") else y0
            for k in range(count):
                pane = Portal("window", wide, top)
                _open(room, side, start + (k + 0.5) * length / count, pane, sill, top, True)
            if scene.chance(0.6):
                _daylight(scene, room, side, line, height)


def _daylight(scene: Scene, room: Room, side: str, line: float, height: float) -> None:
    x0, y0, x1, y1 = room.box
    inwards = 0.3 if side in ("south", "west") else -0.3
    flat = side in ("south", "north")
    place = ((x0 + x1) / 2, line + inwards) if flat else (line + inwards, (y0 + y1) / 2)
    box = (x0, y0, -0.1, x1, y1, height + 0.1)
    add_lamp(scene, (*place, height * 0.6), box, scene.uniform(0.3, 1.2), 0.02)


def _enclose(scene: Scene, room: Room, height: float, surfaces: tuple[int, int, int]) -> None:
    """Floor, ceiling, walls with their openings, skirting boards and windows."""
    paper, floor, ceiling = surfaces
    x0, y0, x1, y1 = room.box
    middle, size = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0)
    scene.pen("floor").box((*middle, -0.2), (*size, 0.2), floor, casts=False)
    scene.pen("ceiling").box((*middle, height), (*size, 0.2), ceiling)
    accent = palette.room_wall(scene) if scene.chance(0.2) else paper
    board = palette.white(scene) if scene.chance(0.7) else None
    for name, (start, end) in room.sides().items():
        holes = tuple(room.openings.get(name, ()))
        wall(scene, start, end, height, HALF_M, accent if name == "north" else paper, holes)
        yaw = math.atan2(end[1] - start[1], end[0] - start[0])
        length = math.dist(start, end)
        if board is not None:
            pen, place = scene.pen("wall", *start, yaw), 0.0
            low = sorted(h for h in ((h.start, h.end) for h in holes if h.low < 0.05))
            for begin, stop in [*low, (length, length)]:
                if begin - place > 0.05:
                    pen.box(((place + begin) / 2, 0.007, 0), (begin - place, 0.014, 0.08), board)
                place = stop
        for hole in holes:
            if hole.glazed:
                _window(scene, start, yaw, hole)


def _window(scene: Scene, start: tuple[float, float], yaw: float, hole: Opening) -> None:
    """Frame, bars, clear glass, sill, curtains or blinds."""
    middle, wide, tall = (hole.start + hole.end) / 2, hole.end - hole.start, hole.high - hole.low
    pen = scene.pen("window", *start, yaw)
    frame = palette.white(scene) if scene.chance(0.6) else palette.metal(scene)
    bar = scene.uniform(0.025, 0.07)
    y = -HALF_M * 0.6
    for s in {hole.start + bar / 2, hole.end - bar / 2, *([middle] if wide > 1.2 else [])}:
        pen.box((s, y, hole.low), (bar, 0.05, tall), frame)
    for z in (hole.low, hole.high - bar):
        pen.box((middle, y, z), (wide, 0.05, bar), frame)
    assert scene.glass is not None
    scene.glass.pen("window", *start, yaw).box((middle, y, hole.low), (wide, 0.01, tall), 0)
    if hole.low > 0.3:
        pen.box((middle, 0.05, hole.low - 0.03), (wide + 0.1, 0.18, 0.03), palette.white(scene))
        if scene.chance(0.4):
            heater = scene.pen("clutter", *start, yaw)
            ribs, paint = max(3, int(wide / 0.12)), palette.white(scene)
            for k in range(ribs):
                s = middle + ((k + 0.5) / ribs - 0.5) * wide * 0.85
                heater.box((s, 0.07, 0.12), (0.05, 0.09, hole.low - 0.3), paint)
    dress = scene.pick(("none", "none", "curtains", "veil", "blind"))
    cloth = palette.fabric(scene)
    if dress == "curtains":
        for end in (-1, 1):
            for fold in range(int(scene.rng.integers(3, 7))):
                s = middle + end * (wide / 2 - 0.05 + 0.1 - fold * 0.09)
                pen.cylinder((s, 0.09, 0.03), 0.055, hole.high + 0.12, cloth)
    elif dress == "veil":  # bright cloth before all of the glass; a surface for a lidar
        veil = scene.photo("cloth", (0.9, 0.9, 0.88), 0.5, glow=scene.uniform(0.2, 1.0))
        folds = max(3, int(wide / 0.12))
        for k in range(folds):
            s = middle + ((k + 0.5) / folds - 0.5) * (wide + 0.2)
            pen.cylinder((s, 0.08, 0.03), 0.6 * (wide + 0.2) / folds, hole.high + 0.1, veil)
    elif dress == "blind":
        drop = scene.uniform(0.2, 0.9) * tall
        for k in range(int(drop / 0.07)):
            z = hole.high - 0.03 - k * 0.07
            pen.box((middle, 0.03, z), (wide - 0.04, 0.035, 0.012), cloth)
