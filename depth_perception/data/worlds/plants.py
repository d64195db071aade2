"""Trees with branches, bushes, hedges, reeds and flowers."""

from __future__ import annotations

import math

import numpy as np

from . import palette
from .scene import Pen, Scene, by


def draw_grown_tree(scene: Scene, pen: Pen, near: bool = True) -> None:
    """A tree: leafy, bare, fir, palm, birch or pruned ball; fewer parts where it is far."""
    style = scene.pick(("leafy",) * 5 + ("bare", "bare", "fir", "fir", "ball", "palm", "young"))
    trunk = palette.bark(scene)
    if scene.ground == "snow" and style in ("leafy", "ball", "palm"):
        style = "bare"
    tall = scene.uniform(3.5, 13.0)
    if style == "fir":
        _fir(scene, pen, tall, trunk, near)
        return
    if style == "young":  # a thin stem at a stake
        tall = scene.uniform(2.2, 4.0)
        pen.limb((0.2, 0, 0), (0.2, 0, tall * 0.5), 0.025, palette.wood(scene), False)
    thick = tall * scene.uniform(0.008, 0.03)
    fork = tall * scene.uniform(0.15, 0.4)
    bend = np.array((scene.uniform(-0.1, 0.1), scene.uniform(-0.1, 0.1), 1.0))
    crotch = bend * fork
    pen.limb((0, 0, -0.1), crotch, thick, trunk, False)
    pen.ball(crotch, thick, trunk)
    if style == "palm":
        _palm(scene, pen, crotch * 2, trunk, thick)
        return
    leaves = palette.foliage(scene, scene.uniform(0.15, 0.4))
    if style == "ball":
        size = scene.uniform(0.7, 2.0)
        pen.ball(
            crotch + by(0, 0, size), [size * scene.uniform(0.8, 1.2) for _ in range(3)], leaves
        )
        return
    spread = scene.uniform(0.25, 0.6) * tall
    tips: list[np.ndarray] = []
    _grow(scene, pen, crotch, bend, tall - fork, spread, thick * 0.7, trunk, 3 if near else 2, tips)
    if style != "bare":
        for tip in tips:
            size = spread * scene.uniform(0.14, 0.42)
            half = [size * scene.uniform(0.7, 1.3) for _ in range(3)]
            pen.ball(tip, half, leaves)


def _grow(
    scene: Scene,
    pen: Pen,
    start: np.ndarray,
    way: np.ndarray,
    length: float,
    spread: float,
    thick: float,
    material: int,
    depth: int,
    tips: list[np.ndarray],
) -> None:
    """Branches that fork ``depth`` times; their ends are added to ``tips``."""
    for turn in range(int(scene.rng.integers(2, 5))):
        angle = scene.uniform(0, 1.2) + turn * 2.2
        rise = scene.uniform(-0.3, 0.3)
        side = np.array((math.cos(angle), math.sin(angle), rise)) * scene.uniform(0.3, 1.2)
        ahead = way / np.linalg.norm(way) + side * min(1.0, spread / length)
        part = length * scene.uniform(0.35, 0.6)
        end = start + ahead / np.linalg.norm(ahead) * part
        pen.limb(start, end, max(0.006, thick), material, False)
        tips.append(start + (end - start) * scene.uniform(0.6, 1.0))
        if depth > 1:
            _grow(
                scene,
                pen,
                end,
                ahead,
                length * 0.6,
                spread * 0.6,
                thick * 0.55,
                material,
                depth - 1,
                tips,
            )


def _fir(scene: Scene, pen: Pen, tall: float, trunk: int, near: bool) -> None:
    leaves = palette.foliage(scene, 0.2)
    pen.cylinder((0, 0, 0), tall * 0.015, tall * 0.9, trunk)
    base, wide = scene.uniform(0.1, 0.25) * tall, tall * scene.uniform(0.14, 0.26)
    layers = 7 if near else 4
    for k in range(layers):
        share, jitter = k / layers, wide * 0.12
        place = (scene.uniform(-jitter, jitter), scene.uniform(-jitter, jitter))
        radius = wide * (1 - share * 0.85) * scene.uniform(0.8, 1.15)
        pen.cone((*place, base + share * (tall - base)), radius, tall * 0.3, leaves)


def _palm(scene: Scene, pen: Pen, top: np.ndarray, trunk: int, thick: float) -> None:
    leaves = palette.foliage(scene, 0.2)
    pen.limb((0, 0, 0), top, thick, trunk, False)
    for k in range(9):
        angle, drop = k * 0.7, scene.uniform(-0.2, 0.5)
        way = np.array((math.cos(angle), math.sin(angle), drop))
        middle = top + way * 1.2
        pen.limb(top, middle, 0.03, leaves, False)
        pen.limb(middle, middle + way * by(1, 1, 0) + by(0, 0, -0.7), 0.05, leaves, False)


def draw_shrub(scene: Scene, pen: Pen, reach: float = 0.6) -> None:
    """A round bush, a clump of twigs, reeds or a bed of flowers."""
    style = scene.pick(("bush", "bush", "twigs", "reeds", "flowers"))
    leaves = palette.foliage(scene, 0.12)
    count = int(scene.rng.integers(3, 10))
    for _ in range(count if style == "bush" else 2 * count):
        x, y = (float(v) for v in scene.rng.normal(0, reach / 3, 2))
        if style == "bush":
            half = [scene.uniform(0.35, 0.8) * reach for _ in range(3)]
            pen.ball((x, y, half[2] * 0.7), half, leaves)
            continue
        tall = reach * scene.uniform(0.6, 2.2)
        end = (x * 2.2, y * 2.2, tall)
        pen.limb((x * 0.5, y * 0.5, 0), end, 0.008, leaves, False)
        if style == "flowers":
            pen.ball(end, 0.04, palette.paint(scene, 1.0))
        elif style == "twigs":
            pen.ball(end, [reach * scene.uniform(0.08, 0.2) for _ in range(3)], leaves)


def draw_hedge(scene: Scene, pen: Pen, length: float) -> None:
    """A clipped or an overgrown hedge along the local y."""
    leaves = palette.foliage(scene, 0.12)
    tall, thick = scene.uniform(0.4, 2.2), scene.uniform(0.3, 0.9)
    pen.box((0, 0, 0), (thick, length, tall), leaves)
    if scene.chance(0.6):
        for _ in range(int(length / 0.6)):
            place = (
                scene.uniform(-0.3, 0.3) * thick,
                scene.uniform(-0.5, 0.5) * length,
                tall * scene.uniform(0.4, 0.97),
            )
            pen.ball(place, [scene.uniform(0.2, 0.55) for _ in range(3)], leaves)
