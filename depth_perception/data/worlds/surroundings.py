"""What lies around: buildings seen from windows, hills and woods at the horizon."""

from __future__ import annotations

import math

from . import palette
from .bodies import draw_house
from .paths import Rectangle
from .plants import draw_grown_tree, draw_shrub
from .scene import Scene
from .vehicles import draw_motorcar


def draw_surroundings(scene: Scene, hull: Rectangle) -> None:
    """Ground, trees, houses and cars round a building, which its windows show.

    The storey lies on the ground or up to four storeys above it. By day everything glows as under
    a sky that is brighter than the rooms.
    """
    drop = scene.pick((0.1, 0.3, 3.2, 6.5, 12.0))
    before = len(scene.materials)
    ground = scene.pick((palette.grass, palette.pavement))(scene)
    x0, y0, x1, y1 = hull
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    scene.pen("terrain").box((*middle, -drop - 1), (400, 400, 1.0), ground, casts=False)
    for _ in range(int(scene.rng.integers(4, 14))):
        side = scene.pick(("x", "y"))
        out = scene.uniform(3, 28) * scene.pick((-1, 1))
        if side == "x":
            x = (x1 if out > 0 else x0) + out
            y = scene.uniform(y0 - 10, y1 + 10)
        else:
            x, y = scene.uniform(x0 - 10, x1 + 10), (y1 if out > 0 else y0) + out
        yaw = math.atan2(middle[1] - y, middle[0] - x)
        kind = scene.pick(("house", "house", "tree", "tree", "tree", "shrub", "car"))
        if kind == "house" and abs(out) > 12:
            pen = scene.pen("building", x, y, round(yaw / (math.pi / 2)) * math.pi / 2, -drop)
            draw_house(scene, pen, 8.0, scene.uniform(9, 25), scene.uniform(4, 18))
        elif kind == "tree" and abs(out) > 4:
            draw_grown_tree(scene, scene.pen("vegetation", x, y, 0, -drop), near=abs(out) < 9)
        elif kind == "car" and abs(out) > 5:
            draw_motorcar(scene, scene.pen("car", x, y, scene.uniform(0, 6.28), -drop))
        elif kind == "shrub":
            draw_shrub(scene, scene.pen("vegetation", x, y, 0, -drop), 0.7)
    glow = scene.uniform(0.3, 2.0)
    for row in range(before, len(scene.materials)):
        material = list(scene.materials[row])
        material[6] += glow
        scene.materials[row] = tuple(material)


def draw_horizon(scene: Scene, near_m: float) -> None:
    """Hills, woods and far houses beyond ``near_m``."""
    for _ in range(int(scene.rng.integers(0, 6))):
        angle, away = scene.uniform(0, 6.28), scene.uniform(120, 300)
        half = (scene.uniform(40, 120), scene.uniform(40, 120), scene.uniform(4, 35))
        hill = scene.pick((palette.grass, palette.foliage))(scene)
        scene.pen("terrain").ball((away * math.cos(angle), away * math.sin(angle), -1), half, hill)
    for _ in range(int(scene.rng.integers(0, 4))):
        start, span = scene.uniform(0, 6.28), scene.uniform(0.2, 1.5)
        away = near_m * scene.uniform(1.0, 2.5)
        leaves, tall = palette.foliage(scene, 0.6), scene.uniform(4, 14)
        pen = scene.pen("vegetation")
        for k in range(int(span * away / (tall * 0.6))):
            angle = start + k * tall * 0.6 / away
            size = tall * scene.uniform(0.3, 0.6)
            far = away + scene.uniform(0, 6)
            pen.ball(
                (far * math.cos(angle), far * math.sin(angle), size * 0.8),
                (size, size, size * 1.2),
                leaves,
            )
    for _ in range(int(scene.rng.integers(0, 5))):
        angle, away = scene.uniform(0, 6.28), near_m * scene.uniform(1.0, 2.5)
        pen = scene.pen(
            "building", away * math.cos(angle), away * math.sin(angle), scene.uniform(0, 6.28)
        )
        draw_house(scene, pen, 8.0, scene.uniform(8, 25), scene.uniform(3.5, 15))
