"""Lawns, roads, towns and squares of version 2."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from . import palette
from .bodies import draw_bench, draw_bin
from .figures import draw_figure
from .fittings import draw_hanging_wire, draw_small, draw_thin_chair
from .house_fronts import draw_detailed_house
from .paths import Rectangle
from .plants import draw_grown_tree, draw_shrub
from .scene import Pen, Scene
from .street_things import (
    draw_fence_line,
    draw_pole_line,
    draw_post,
    draw_railing,
    draw_stairs,
    draw_street_lamp,
)
from .surroundings import draw_horizon
from .vehicles import draw_bicycle, draw_bus, draw_motorcar, draw_truck
from .walls import Ground
from .weather import choose_ground

OUTDOOR_HEADROOM_M = 99.0
Draw = Callable[[Scene, Pen], None]

_THINGS: dict[str, tuple[str, Draw, float]] = {
    "tree": ("vegetation", draw_grown_tree, 0.6),
    "shrub": ("vegetation", draw_shrub, 0.9),
    "bench": ("bench", draw_bench, 1.9),
    "bin": ("bin", draw_bin, 0.7),
    "lamp": ("pole", draw_street_lamp, 0.4),
    "post": ("pole", draw_post, 0.3),
    "small": ("clutter", draw_small, 0.5),
    "person": ("person", draw_figure, 0.6),
    "car": ("car", draw_motorcar, 5.0),
    "bicycle": ("bicycle", draw_bicycle, 1.8),
    "motorcycle": ("motorcycle", lambda scene, pen: draw_bicycle(scene, pen, True), 2.0),
    "chair": ("chair", lambda scene, pen: draw_thin_chair(scene, pen, 0.45, 0.45), 0.6),
}


def put(
    scene: Scene,
    ground: Ground,
    name: str,
    x: float,
    y: float,
    yaw: float | None = None,
    z: float = 0,
) -> None:
    """One of the things of the open air, if the place is free."""
    kind, draw, size = _THINGS[name]
    if ground.claim(x, y, size, size):
        draw(scene, scene.pen(kind, x, y, scene.uniform(0, 6.28) if yaw is None else yaw, z))


def spread(
    scene: Scene, ground: Ground, names: Sequence[str], count: float, reach: float, z: float = 0
) -> None:
    """About ``count`` of some things, denser near the origin, within ``reach`` metres."""
    for _ in range(int(scene.rng.poisson(count))):
        angle, away = scene.uniform(0, 6.28), reach * scene.uniform(0.02, 1) ** 1.3
        put(scene, ground, scene.pick(names), away * math.cos(angle), away * math.sin(angle), z=z)


def base_ground(scene: Scene, material: int, top: float = 0.0, kind: str = "terrain") -> None:
    """The ground as far as the eye sees."""
    scene.pen(kind).box((0, 0, top - 2.0), (1200, 1200, 2.0), material, casts=False)


def make_lawn(scene: Scene) -> tuple[list[Rectangle], float]:
    """A park, meadow, field, beach or car park: flat and nearly empty; areas and headroom."""
    choose_ground(scene)
    ground = Ground()
    empty = scene.pick((0.15, 0.4, 1.0, 2.0))
    cover = scene.pick(
        (palette.grass, palette.grass, palette.grass, palette.pavement, palette.bark)
    )
    base_ground(scene, cover(scene), 0.0, "terrain")
    for _ in range(int(scene.rng.integers(0, 3))):  # paths
        yaw, off = scene.uniform(0, math.pi), scene.uniform(-6, 6)
        pen = scene.pen("sidewalk", -off * math.sin(yaw), off * math.cos(yaw), yaw)
        pen.box(
            (0, 0, -0.2),
            (120, scene.uniform(1.0, 3.5), 0.205 + scene.uniform(0, 0.02)),
            palette.pavement(scene),
            casts=False,
        )
    for _ in range(int(scene.rng.integers(0, 6))):  # mounds
        angle, away = scene.uniform(0, 6.28), scene.uniform(9, 60)
        half = (scene.uniform(3, 15), scene.uniform(3, 15), scene.uniform(0.3, 2.5))
        if away > max(half) + 3:
            scene.pen("terrain").ball(
                (away * math.cos(angle), away * math.sin(angle), 0), half, palette.grass(scene)
            )
    draw_horizon(scene, scene.uniform(25, 90))
    spread(scene, ground, ("tree",), 6 * empty, 45)
    spread(
        scene,
        ground,
        ("tree", "shrub", "shrub", "post", "bench", "bin", "lamp", "small"),
        8 * empty,
        18,
    )
    spread(scene, ground, ("person", "person", "bicycle", "small"), 4 * empty, 20)
    if scene.chance(0.5):
        _lines(scene, 12)
    if scene.chance(0.3):
        _playground(scene, ground)
    return [(-6, -6, 6, 6)], OUTDOOR_HEADROOM_M


def make_road(scene: Scene) -> tuple[list[Rectangle], float]:
    """A road through open country, often empty to the horizon; areas and headroom."""
    choose_ground(scene)
    ground = Ground()
    wide, kerb = scene.uniform(4, 11), scene.pick((0.0, 0.0, 0.12))
    base_ground(scene, palette.grass(scene), -scene.uniform(0.02, 0.1))
    scene.pen("road").box(
        (0, 0, -0.5), (900, wide, 0.5), palette.asphalt(scene, scene.chance(0.7)), casts=False
    )
    if kerb:
        flags, broad = palette.pavement(scene), scene.uniform(1.2, 3)
        for side in (-1, 1):
            scene.pen("sidewalk").box(
                (0, side * (wide + broad) / 2, -0.4), (900, broad, 0.4 + kerb), flags, casts=False
            )
    draw_horizon(scene, scene.uniform(30, 120))
    lonely = scene.chance(0.4)
    for side in (-1, 1):
        edge = side * (wide / 2 + scene.uniform(0.3, 1.2))
        if scene.chance(0.35):
            draw_fence_line(scene, (-60, edge + side * 0.3), (60, edge + side * 0.3))
        pitch, name = scene.uniform(6, 30), scene.pick(("post", "lamp", "tree", "post"))
        for k in range(-3, 4):
            if scene.chance(0.8):
                put(
                    scene,
                    ground,
                    name,
                    k * pitch + scene.uniform(-1, 1),
                    edge + side * 0.8,
                    -side * math.pi / 2,
                )
        if scene.chance(0.3):
            off = edge + side * scene.uniform(2, 6)
            draw_pole_line(scene, [(x, off) for x in range(-90, 91, 30)])
        for _ in range(0 if lonely else int(scene.rng.integers(0, 5))):
            x, y = scene.uniform(-40, 40), side * wide / 4
            if ground.claim(x, y, 6, 2.2):
                _vehicle(scene, x, y, 0.0 if side < 0 else math.pi)
    spread(scene, ground, ("tree", "shrub", "small"), 2 if lonely else 8, 35)
    spread(scene, ground, ("person", "bicycle", "small", "post"), 0.5 if lonely else 3, 15)
    areas = [(-12.0, -wide / 2 + 0.5, 12.0, wide / 2 - 0.5)]
    return areas, OUTDOOR_HEADROOM_M


def make_town(scene: Scene) -> tuple[list[Rectangle], float]:
    """A street with pavements, kerbs, house fronts, parked vehicles and people."""
    choose_ground(scene)
    road, long, kerb = scene.uniform(4.5, 14.0), scene.uniform(35, 90), scene.uniform(0.03, 0.16)
    broad = {side: scene.uniform(1.5, 6.0) for side in (-1, 1)}
    base_ground(scene, palette.grass(scene), -0.05)
    scene.pen("road").box(
        (0, 0, -0.5), (3 * long, road, 0.5), palette.asphalt(scene, scene.chance(0.6)), casts=False
    )
    flags = palette.pavement(scene)
    edge = scene.photo("stone", scene.colour(0.1, 0.05, (0.3, 0.8)), 1.0)
    ground = Ground()
    for side in (-1, 1):
        y = side * (road / 2 + broad[side] / 2)
        scene.pen("sidewalk").box(
            (0, y, -0.4), (3 * long, broad[side] - 0.15, 0.4 + kerb), flags, casts=False
        )
        scene.pen("sidewalk").box(
            (0, side * (road / 2 + 0.07), -0.4), (3 * long, 0.14, 0.4 + kerb), edge, casts=False
        )
        _fronts(scene, side, road / 2 + broad[side], long, kerb)
        _parked(scene, ground, side * (road / 2 - 1.05), side, long)
        _pavement(scene, ground, side, road / 2, broad[side], long, kerb)
    draw_horizon(scene, long * 1.3)
    for _ in range(int(scene.rng.integers(0, 5))):
        side = scene.pick((-1, 1))
        x, y = scene.uniform(-long * 0.7, long * 0.7), side * road / 5
        if ground.claim(x, y, 6.5, 2.2):
            _vehicle(scene, x, y, 0.0 if side < 0 else math.pi)
    spread(scene, ground, ("person", "person", "bicycle", "small"), 2, road / 2)
    if scene.chance(0.25):
        for x in (-20.0, 5.0, 30.0):
            _across(scene, x, road / 2 + min(broad.values()) - 0.3)
    reach = min(long - 6, 18.0)
    where = scene.pick(("road", "left", "right", "left", "right"))
    if where == "road":
        return [(-reach, -road / 2 + 0.5, reach, road / 2 - 0.5)], OUTDOOR_HEADROOM_M
    side = 1 if where == "left" else -1
    y0, y1 = sorted((side * (road / 2 + 0.2), side * (road / 2 + broad[side] - 0.1)))
    scene.floor_m = kerb
    return [(-reach, y0, reach, y1)], OUTDOOR_HEADROOM_M


def make_square(scene: Scene) -> tuple[list[Rectangle], float]:
    """A square or yard between houses, with stairs, ramps, railings, posts and furniture."""
    choose_ground(scene)
    ground, wide, deep = Ground(), scene.uniform(9, 40), scene.uniform(9, 30)
    base_ground(scene, palette.pavement(scene), 0.0, "sidewalk")
    for side in range(4):
        out, length = (wide, deep) if side % 2 == 0 else (deep, wide)
        yaw = side * math.pi / 2
        c, s = math.cos(yaw), math.sin(yaw)
        if scene.chance(0.65):
            along = -length / 2
            while along < length / 2:
                part = min(scene.uniform(7, 18), length / 2 - along + 1)
                thick, m = 9.0, along + part / 2
                pen = scene.pen(
                    "building",
                    c * (out / 2 + thick / 2) - s * m,
                    s * (out / 2 + thick / 2) + c * m,
                    yaw + math.pi,
                )
                draw_detailed_house(scene, pen, thick, part, scene.uniform(3, 16))
                along += part
        else:
            ends = [(c * out / 2 - s * m, s * out / 2 + c * m) for m in (-length / 2, length / 2)]
            draw_fence_line(scene, *ends)
    draw_horizon(scene, max(wide, deep) * 1.2)
    for _ in range(int(scene.rng.integers(0, 3))):
        _terrace(scene, ground, wide, deep)
    reach = min(wide, deep) / 2 - 1
    spread(
        scene,
        ground,
        ("tree", "shrub", "bench", "bin", "lamp", "post", "post", "small", "bicycle"),
        14,
        reach,
    )
    spread(scene, ground, ("person", "person", "chair", "small"), 6, reach)
    if min(wide, deep) > 14:
        spread(scene, ground, ("car", "motorcycle"), 2, reach - 2)
    if scene.chance(0.6):
        _lines(scene, reach)
    return [(-wide / 2 + 0.3, -deep / 2 + 0.3, wide / 2 - 0.3, deep / 2 - 0.3)], OUTDOOR_HEADROOM_M


def _vehicle(scene: Scene, x: float, y: float, yaw: float) -> None:
    kind, draw = scene.pick(
        (("car", draw_motorcar),) * 5 + (("bus", draw_bus), ("truck", draw_truck))
    )
    draw(scene, scene.pen(kind, x, y, yaw))


def _lines(scene: Scene, reach: float) -> None:
    """One or two fences or railings across the place."""
    for _ in range(int(scene.rng.integers(1, 3))):
        angle, off = scene.uniform(0, 6.28), scene.uniform(2.0, max(2.1, reach * 0.7))
        c, s, half = math.cos(angle), math.sin(angle), scene.uniform(1.5, reach)
        ends = [(c * off - s * m, s * off + c * m) for m in (-half, half)]
        draw_fence_line(scene, *ends)


def _terrace(scene: Scene, ground: Ground, wide: float, deep: float) -> None:
    """A raised part with steps or a ramp and a railing."""
    size = (scene.uniform(1.5, wide * 0.4), scene.uniform(1.5, deep * 0.4))
    x, y = scene.uniform(-0.3, 0.3) * wide, scene.uniform(-0.3, 0.3) * deep
    rise, run = scene.uniform(0.15, 1.6), scene.uniform(0.6, 3.0)
    if not ground.claim(x + run / 2, y, size[0] + run + 0.4, size[1] + 0.2):
        return
    stone = palette.pavement(scene)
    scene.pen("sidewalk", x, y).box((0, 0, 0), (*size, rise), stone)
    foot = x + size[0] / 2 + run
    if scene.chance(0.5):
        draw_stairs(scene, scene.pen("stairs", foot, y, math.pi), rise, run, size[1] * 0.9)
    else:
        scene.pen("sidewalk", x + size[0] / 2 + run / 2, y, math.pi).wedge(
            (0, 0, 0), (run, size[1] * 0.6, rise), stone
        )
    if rise > 0.4 or scene.chance(0.3):
        for side in (-1, 1):
            ends = [(x + e * size[0] / 2, y + side * (size[1] / 2 - 0.05), rise) for e in (-1, 1)]
            draw_railing(scene, scene.pen("fence"), *ends)


def _playground(scene: Scene, ground: Ground) -> None:
    """A swing and a climbing frame of thin tubes."""
    x, y = scene.uniform(-9, 9), scene.uniform(-9, 9)
    if not ground.claim(x, y, 4, 3):
        return
    paint, pen, tall = (
        palette.paint(scene, 1.0),
        scene.pen("clutter", x, y, scene.uniform(0, 6)),
        scene.uniform(1.8, 2.6),
    )
    for end in (-1.5, 1.5):
        for side in (-1, 1):
            pen.limb((end, side * 0.8, 0), (end, 0, tall), 0.035, paint, False)
    pen.limb((-1.5, 0, tall), (1.5, 0, tall), 0.04, paint, False)
    for seat in (-0.6, 0.6):
        for side in (-0.2, 0.2):
            pen.limb((seat + side, 0, 0.5), (seat + side, 0, tall), 0.008, paint, False)
        pen.box((seat, 0, 0.47), (0.45, 0.2, 0.04), paint)


def _fronts(scene: Scene, side: int, front: float, long: float, kerb: float) -> None:
    """Houses along one side, with gaps that fences, trees and gardens fill."""
    x, closed = -long, scene.chance(0.5)
    setback = 0.0 if closed else scene.pick((0.0, scene.uniform(1.5, 7.0)))
    while x < long:
        wide, depth = scene.uniform(6, 18), scene.uniform(7, 11)
        height = int(scene.rng.integers(1, 6)) * 3.1 + scene.uniform(0.2, 0.9)
        near = abs(x + wide / 2) < 22
        pen = scene.pen(
            "building",
            x + wide / 2,
            side * (front + setback + depth / 2),
            -side * math.pi / 2,
            kerb - 0.05,
        )
        draw_detailed_house(scene, pen, depth, wide, height, near)
        if setback > 1.2:
            if near and scene.chance(0.7):
                draw_fence_line(scene, (x, side * (front + 0.1)), (x + wide, side * (front + 0.1)))
            for _ in range(2):
                spot = (
                    x + wide * scene.uniform(0.1, 0.9),
                    side * (front + scene.uniform(0.6, setback)),
                )
                draw_shrub(scene, scene.pen("vegetation", *spot), 0.6)
        x += wide
        if not closed and scene.chance(0.6):
            gap = scene.uniform(2, 16)
            if near and scene.chance(0.6):
                draw_fence_line(scene, (x, side * (front + 0.1)), (x + gap, side * (front + 0.1)))
            spot = (x + gap / 2, side * (front + scene.uniform(3, 9)))
            draw_grown_tree(scene, scene.pen("vegetation", *spot), near)
            x += gap


def _parked(scene: Scene, ground: Ground, y: float, side: int, long: float) -> None:
    if scene.chance(0.3):
        return
    x, full = -min(long, 45), scene.uniform(0.2, 0.95)
    while x < min(long, 45):
        if scene.chance(full) and ground.claim(x, y, 5.2, 2.0, gap=0.0):
            yaw = (0.0 if side < 0 else math.pi) + scene.uniform(-0.04, 0.04)
            draw_motorcar(scene, scene.pen("car", x, y, yaw))
        elif scene.chance(0.15):
            put(scene, ground, scene.pick(("motorcycle", "bicycle")), x, y)
        x += scene.uniform(5.4, 7.0)


def _pavement(
    scene: Scene, ground: Ground, side: int, start: float, broad: float, long: float, kerb: float
) -> None:
    """Rows along the kerb, things at the walls, and people."""
    facing, x = -side * math.pi / 2, -min(long, 40.0)
    row = (
        scene.pick(("tree", "lamp", "post", "post", "lamp"))
        if broad > 2
        else scene.pick(("post", "lamp"))
    )
    pitch = scene.uniform(1.5, 4) if row == "post" else scene.uniform(7, 16)
    while x < min(long, 40.0):
        put(
            scene,
            ground,
            row if scene.chance(0.85) else "post",
            x,
            side * (start + 0.45),
            facing,
            kerb,
        )
        x += pitch * scene.uniform(0.9, 1.1)
    for _ in range(int(scene.rng.poisson(7))):
        x, name = (
            scene.uniform(-22, 22),
            scene.pick(("bin", "bench", "shrub", "small", "small", "bicycle", "post", "chair")),
        )
        put(
            scene,
            ground,
            name,
            x,
            side * (start + broad - 0.55),
            facing if name == "bench" else None,
            kerb,
        )
    for _ in range(int(scene.rng.poisson(scene.pick((1, 4, 9))))):
        x, y = scene.uniform(-25, 25), side * (start + scene.uniform(0.5, broad - 0.4))
        put(
            scene,
            ground,
            "person",
            x,
            y,
            scene.pick((0.0, math.pi)) + scene.uniform(-0.5, 0.5),
            kerb,
        )
    if scene.chance(0.25):
        x0 = scene.uniform(-15, 10)
        draw_railing(
            scene,
            scene.pen("fence"),
            (x0, side * (start + 0.3), kerb),
            (x0 + scene.uniform(3, 12), side * (start + 0.3), kerb),
        )


def _across(scene: Scene, x: float, reach: float) -> None:
    """A wire over the street with a lamp."""
    height = scene.uniform(4.5, 7)
    draw_hanging_wire(scene, scene.pen("pole"), (x, -reach - 3, height), (x, reach + 3, height))
