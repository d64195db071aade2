"""People, cars, trees and other objects of streets and courtyards; they face local +x."""

from __future__ import annotations

import math
from itertools import product

import numpy as np

from . import palette
from .scene import Pen, Scene, darker, hsv
from .textures import Texture


def draw_person(scene: Scene, pen: Pen) -> None:
    """A standing or walking person, 1.5 to 1.95 m tall."""
    size = scene.uniform(1.5, 1.95) / 1.75
    shirt, trousers, shoes = palette.fabric(scene), palette.fabric(scene), palette.metal(scene)
    skin = palette.skin(scene)
    hair = scene.plain(scene.colour((0.03, 0.12), 0.5, (0.05, 0.7)), grain=0.3)
    stride = scene.uniform(0.0, 0.28)

    def at(x: float, y: float, z: float) -> tuple[float, float, float]:
        return x * size, y * size, z * size

    for side, step in ((1, stride), (-1, -stride)):
        hip, knee = at(0, 0.1 * side, 0.9), at(step * 0.55 + 0.04, 0.1 * side, 0.48)
        ankle = at(step, 0.1 * side, 0.08)
        pen.limb(hip, knee, 0.085 * size, trousers)
        pen.limb(knee, ankle, 0.06 * size, trousers)
        pen.ball(at(step + 0.06, 0.1 * side, 0.05), [v * size for v in (0.14, 0.055, 0.05)], shoes)
        elbow = at(-step * 0.5 - 0.03, 0.25 * side, 1.12)
        hand = at(-step * 0.5 + scene.uniform(0, 0.2), 0.27 * side, 0.86)
        pen.limb(at(0, 0.2 * side, 1.4), elbow, 0.055 * size, shirt)
        pen.limb(elbow, hand, 0.042 * size, shirt)
        pen.ball(hand, 0.05 * size, skin)
    pen.ball(at(0, 0, 1.18), [v * size for v in (0.13, 0.21, 0.34)], shirt)
    pen.ball(at(0, 0, 0.95), [v * size for v in (0.13, 0.18, 0.14)], trousers)
    pen.cylinder(at(0, 0, 1.44), 0.055 * size, 0.1 * size, skin)
    pen.ball(at(0.01, 0, 1.62), [v * size for v in (0.1, 0.08, 0.125)], skin)
    pen.ball(at(-0.02, 0, 1.66), [v * size for v in (0.1, 0.09, 0.1)], hair)


def draw_car(scene: Scene, pen: Pen) -> None:
    """A car or a van, about 4 m by 1.75 m."""
    bright = scene.colour((0, 1), (0.5, 0.9), (0.3, 0.9))
    colour = scene.pick((bright, scene.colour(0.6, 0.05, (0.05, 0.95))))
    paint = scene.plain(colour, grain=0.02, gloss=0.7)
    glass = scene.plain((0.02, 0.03, 0.04), gloss=0.9, grain=0.02)
    black = scene.plain((0.02, 0.02, 0.02), grain=0.1)
    rim = scene.plain((0.4, 0.4, 0.42), gloss=0.5)
    long, wide = scene.uniform(3.8, 4.7), scene.uniform(1.68, 1.85)
    van = scene.chance(0.2)
    waist, tall = (1.05, scene.uniform(1.85, 2.1)) if van else (0.85, scene.uniform(1.4, 1.6))
    pen.box((0, 0, 0.22), (long - 0.12, wide, waist - 0.3), paint)
    pen.box((0, 0, 0.3), (long, wide - 0.12, waist - 0.45), paint)
    pen.box((long * (0.05 if van else 0), 0, waist - 0.1), (long * 0.97, wide - 0.1, 0.1), paint)
    cabin = long * (0.78 if van else 0.5)
    back = -long * (0.08 if van else 0.06)
    pen.box((back, 0, waist), (cabin, wide - 0.18, tall - waist - 0.06), glass)
    pen.box((back, 0, tall - 0.07), (cabin * 0.96, wide - 0.14, 0.07), paint)
    for share in (-0.5, 0.02, 0.5):
        pillar = (0.09, wide - 0.15, tall - waist - 0.02)
        pen.box((back + share * (cabin - 0.06), 0, waist), pillar, paint)
    for end, slope in ((1, 0.55), (-1, 0.35)):
        if not van:
            screen = (2 * slope, wide - 0.24, (tall - waist) * 0.8)
            pen.gable((back + end * cabin / 2, 0, waist), screen, glass)
    for x, side in product((-long * 0.31, long * 0.32), (-1, 1)):
        pen.lying((x, side * (wide / 2 - 0.1), 0.32), 0.32, 0.22, black)
        pen.lying((x, side * (wide / 2 - 0.09), 0.32), 0.19, 0.23, rim)
    lamp = scene.plain((0.9, 0.9, 0.8), gloss=0.5, glow=0.3)
    red = scene.plain((0.6, 0.02, 0.02), gloss=0.5, glow=0.2)
    for side in (-1, 1):
        pen.box((long / 2 - 0.01, side * wide * 0.34, 0.58), (0.06, 0.3, 0.12), lamp)
        pen.box((-long / 2 + 0.01, side * wide * 0.36, 0.6), (0.06, 0.22, 0.16), red)
    plate = scene.plain((0.8, 0.8, 0.75))
    for end in (-1, 1):
        pen.box((end * long / 2, 0, 0.4), (0.03, 0.5, 0.11), plate)


def draw_tree(scene: Scene, pen: Pen) -> None:
    """A leafy tree, a fir or a poplar."""
    trunk, leaves = palette.bark(scene), palette.foliage(scene, scene.uniform(0.2, 0.45))
    style = scene.pick(("leafy", "leafy", "leafy", "fir", "poplar"))
    thick = scene.uniform(0.09, 0.22)
    if style == "fir":
        pen.cylinder((0, 0, 0), thick, 1.5, trunk)
        base, tall = scene.uniform(0.7, 1.6), scene.uniform(4, 9)
        for step in range(4):
            radius = (1 - step * 0.2) * tall * 0.24
            pen.cone((0, 0, base + step * tall * 0.2), radius, tall * 0.42, leaves)
        return
    height = scene.uniform(2.1, 3.4)
    pen.cylinder((0, 0, 0), thick, height + 1, trunk)
    if style == "poplar":
        pen.ball((0, 0, height + 2.5), (1.1, 1.1, 3.2), leaves)
        return
    crown = scene.uniform(1.2, 2.4)
    for _ in range(int(scene.rng.integers(5, 11))):
        angle, reach = scene.uniform(0, 2 * math.pi), scene.uniform(0, crown * 0.7)
        half = [scene.uniform(0.4, 0.65) * crown for _ in range(3)]
        z = height + half[2] + scene.uniform(0, crown)
        middle = (reach * math.cos(angle), reach * math.sin(angle), z)
        pen.ball(middle, half, leaves)
        pen.limb((0, 0, height * 0.9), middle, thick * 0.35, trunk, False)


def draw_bush(scene: Scene, pen: Pen, reach: float = 0.6) -> None:
    """A bush of a few round parts."""
    leaves = palette.foliage(scene, 0.14)
    for _ in range(int(scene.rng.integers(2, 6))):
        x, y = (float(v) for v in scene.rng.normal(0, reach / 3, 2))
        half = [scene.uniform(0.4, 0.8) * reach for _ in range(3)]
        pen.ball((x, y, half[2] * 0.7), half, leaves)


def draw_lamp_post(scene: Scene, pen: Pen) -> None:
    """A street lamp with an arm or a globe."""
    iron = palette.metal(scene)
    tall = scene.uniform(3.2, 6.0)
    pen.cylinder((0, 0, 0), 0.09, 0.8, iron)
    pen.cylinder((0, 0, 0), 0.05, tall, iron)
    glow = scene.plain((0.9, 0.88, 0.8), glow=0.6)
    if tall < 4.2:
        pen.ball((0, 0, tall + 0.15), 0.2, glow)
    else:
        pen.limb((0, 0, tall), (1.0, 0, tall + 0.25), 0.04, iron)
        pen.box((1.1, 0, tall + 0.2), (0.6, 0.2, 0.1), iron, top=glow)


def draw_sign(scene: Scene, pen: Pen) -> None:
    """A traffic sign on a post."""
    pen.cylinder((0, 0, 0), 0.03, 2.6, palette.metal(scene))
    face = scene.pick((hsv(0.0, 0.85, 0.8), hsv(0.6, 0.8, 0.7), hsv(0.13, 0.9, 0.9)))
    plate = scene.material(Texture.PICTURE, (0.9, 0.9, 0.9), face, face)
    if scene.chance(0.5):
        pen.box((0.05, 0, 2.0), (0.02, 0.6, 0.6), plate)
    else:
        turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
        pen.solid_disc((0.05, 0, 2.3), turn, 0.32, 0.02, scene.plain(face))
        pen.solid_disc((0.065, 0, 2.3), turn, 0.24, 0.02, scene.plain((0.85, 0.85, 0.85)))


def draw_bin(scene: Scene, pen: Pen) -> None:
    """A litter bin or a wheeled one."""
    paint = palette.paint(scene, 0.7)
    if scene.chance(0.5):
        pen.cylinder((0, 0, 0), 0.25, scene.uniform(0.75, 0.95), paint, top=palette.metal(scene))
    else:
        pen.box((0, 0, 0.06), (0.62, 0.55, 0.95), paint)
        pen.box((0, 0, 1.0), (0.7, 0.6, 0.06), palette.metal(scene))
        pen.lying((-0.26, 0, 0.1), 0.1, 0.5, palette.metal(scene))


def draw_bench(scene: Scene, pen: Pen) -> None:
    """A bench with a back rest."""
    plank, iron = palette.wood(scene), palette.metal(scene)
    wide = scene.uniform(1.3, 1.9)
    for x in (-0.18, 0.0, 0.18):
        pen.box((x, 0, 0.42), (0.14, wide, 0.04), plank)
    for z in (0.55, 0.72):
        pen.box((-0.3, 0, z), (0.04, wide, 0.12), plank)
    for y in (-wide * 0.4, wide * 0.4):
        pen.box((0, y, 0), (0.5, 0.06, 0.42), iron)
        pen.box((-0.27, y, 0.4), (0.04, 0.06, 0.45), iron)


def draw_bollard(scene: Scene, pen: Pen) -> None:
    """A short post."""
    pen.cylinder((0, 0, 0), 0.09, scene.uniform(0.7, 1.0), palette.metal(scene))


def draw_house(scene: Scene, pen: Pen, depth: float, width: float, height: float) -> None:
    """A house with windows all round and a flat or a gabled roof; its front is at local +x."""
    front, tiles = palette.facade(scene), palette.roof(scene)
    pen.box((0, 0, 0), (depth, width, height), front, top=tiles)
    plinth = scene.plain(scene.colour(0.08, 0.1, (0.3, 0.6)), grain=0.2)
    pen.box((0, 0, 0), (depth + 0.1, width + 0.02, scene.uniform(0.25, 0.6)), plinth)
    style = scene.pick(("gable", "gable", "flat", "parapet"))
    if style == "gable":
        pen.gable((0, 0, height), (depth + 0.6, width + 0.2, scene.uniform(2.5, 4.5)), tiles)
        if scene.chance(0.6):
            brick = scene.material(Texture.BRICKS, hsv(0.03, 0.5, 0.5), scale=(0.25, 0.08))
            x, y = scene.uniform(-1, 1), scene.uniform(-0.3, 0.3) * width
            pen.box((x, y, height), (0.6, 0.6, 4.6), brick)
    elif style == "parapet":
        trim = scene.plain(scene.colour(0.1, 0.1, (0.5, 0.9)))
        pen.box((0, 0, height), (depth + 0.3, width + 0.1, 0.5), trim)
    if scene.chance(0.35):
        for level in range(1, max(1, int(height / 3.1))):
            y = scene.uniform(-0.3, 0.3) * width
            slab = scene.plain(darker(hsv(0.1, 0.08, 0.8), 0.9))
            pen.box((depth / 2 + 0.5, y, level * 3.1), (1.0, 2.4, 0.15), slab)
            pen.box((depth / 2 + 0.97, y, level * 3.1), (0.05, 2.4, 1.0), palette.metal(scene))
