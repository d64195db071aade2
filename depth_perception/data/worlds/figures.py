"""People in many poses."""

from __future__ import annotations

import math

import numpy as np

from . import palette
from .scene import Pen, Scene, by

POSES = (
    "standing", "standing", "walking", "walking", "walking", "sitting", "crouching", "reaching",
    "carrying", "phone", "leaning", "lying",
)  # fmt: skip


def draw_figure(scene: Scene, pen: Pen, pose: str = "") -> None:
    """A person of any age in one of :data:`POSES`, about the origin of the pen, facing local +x.

    ``sitting`` people sit on something 0.45 m high.
    """
    pose = pose or scene.pick(tuple(p for p in POSES if p != "sitting"))
    tall = scene.uniform(1.5, 1.95) if scene.chance(0.85) else scene.uniform(0.85, 1.5)
    stout = scene.uniform(0.85, 1.3) * tall / 1.75
    k = tall / 1.75
    legs, top = palette.fabric(scene), palette.fabric(scene)
    skin, shoes = palette.skin(scene), palette.fabric(scene)
    hair = scene.plain(scene.colour((0.02, 0.12), (0, 0.6), (0.02, 0.8)), grain=0.2)
    hips = {"sitting": 0.55 / k, "crouching": 0.45, "lying": 0.9}.get(pose, 0.92)
    lean = {"leaning": 0.5, "crouching": 0.45, "walking": 0.06}.get(
        pose, scene.uniform(-0.03, 0.08)
    )
    swing = scene.uniform(0.1, 0.5) if pose == "walking" else scene.uniform(0, 0.06)
    spine = np.array((math.sin(lean), 0.0, math.cos(lean)))
    hip = np.array((0.0, 0.0, hips))
    chest, neck = hip + spine * 0.36, hip + spine * 0.53
    head = neck + spine * 0.2 + by(0.03, 0, 0)
    rotation = np.eye(3)
    if pose == "lying":
        rotation = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])

    def at(point: np.ndarray | tuple[float, float, float]) -> np.ndarray:
        placed = rotation @ np.asarray(point, float) * k
        return placed + ((0.85 * k, 0, 0.16) if pose == "lying" else (0, 0, 0))

    def limb(points: list, radii: list[float], material: int) -> None:
        for a, b, radius in zip(points, points[1:], radii, strict=False):
            pen.limb(at(a), at(b), radius * stout, material)

    for side in (1, -1):
        step = side * swing
        root = hip + by(0, 0.09 * side, 0)
        if pose == "sitting":
            knee, ankle = root + by(0.45, 0.02 * side, 0.0), root + by(0.45, 0.02 * side, -0.45)
        elif pose == "crouching":
            knee, ankle = root + by(0.38, 0.08 * side, 0.1), root + by(0.08, 0.06 * side, -0.38)
        else:
            bend = max(0.0, -step) * 0.8
            knee = root + 0.44 * np.array(
                (math.sin(step + bend * 0.5), 0.02 * side, -math.cos(step))
            )
            ankle = knee + 0.42 * np.array((math.sin(step - bend), 0.0, -math.cos(step - bend)))
        limb([root, knee, ankle], [0.085, 0.062], legs)
        pen.limb(at(ankle), at(ankle + by(0.14, 0, -0.03)), 0.045 * k, shoes)
        shoulder = neck + by(0, 0.2 * side * stout / k, -0.06)
        hang = np.array((math.sin(-step * 1.1), 0.12 * side, -1.0))
        elbow = shoulder + 0.29 * hang / np.linalg.norm(hang)
        hand = elbow + by(scene.uniform(0, 0.12), 0.0, -0.25)
        if pose == "reaching" and side > 0:
            way = np.array((scene.uniform(0.2, 1), scene.uniform(0, 0.8), scene.uniform(-0.1, 1)))
            way /= np.linalg.norm(way)
            elbow, hand = shoulder + 0.29 * way, shoulder + 0.55 * way
        elif pose in ("carrying", "sitting"):
            hand = elbow + by(0.25, -0.06 * side, 0.02)
        elif pose == "phone" and side > 0:
            hand = elbow + by(0.14, -0.1, 0.26)
        limb([shoulder, elbow, hand], [0.052, 0.04], top if scene.chance(0.7) else skin)
        pen.ball(at(hand), 0.05 * k, skin)
    if pose == "carrying":
        load = at(chest + by(0.36, 0, -0.1))
        pen.box(
            load - by(0, 0, 0.15), [scene.uniform(0.2, 0.45) for _ in range(3)], palette.wood(scene)
        )
    wide = 0.115 * stout / k
    for side in (1, -1):
        limb([hip + by(0, side * 0.05, 0), chest + by(0, side * 0.075, 0.08)], [wide], top)
    limb([hip + by(0, -0.06, 0), hip + by(0, 0.06, 0)], [0.12], legs)
    limb([neck + by(0, -0.13, -0.07), neck + by(0, 0.13, -0.07)], [0.075], top)
    if scene.chance(0.25) and pose != "lying":  # a skirt or coat
        low = scene.uniform(0.3, 0.6)
        pen.cone(at(hip + by(0, 0, -low)), 0.32 * stout, (low + 0.55) * k, top)
    pen.limb(at(neck), at(head), 0.05 * k, skin)
    size = 0.098 * (k + 1) / 2
    pen.ball(at(head + by(0.01, 0, 0.02)), (size, size * 0.85, size * 1.25), skin)
    cap = head + by(-0.025, 0, 0.06)
    pen.ball(at(cap), (size * 1.06, size * 0.95, size * 1.05), hair)
    if scene.chance(0.3):
        pen.ball(at(head + by(-0.06, 0, -0.06)), (0.07 * k, 0.09 * k, 0.17 * k), hair)
    if scene.chance(0.25) and pose not in ("lying", "sitting"):
        pen.ball(
            at(chest + by(-0.2, 0, 0.02)), (0.1 * k, 0.15 * k, 0.22 * k), palette.fabric(scene)
        )
