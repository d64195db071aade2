"""Stairs, railings, fences, posts, lamps, wires and other things of streets and parks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from . import palette
from .fittings import draw_hanging_wire
from .plants import draw_hedge
from .scene import Pen, Scene, hsv
from .weather import add_lamp


def draw_stairs(scene: Scene, pen: Pen, rise: float, run: float, wide: float) -> None:
    """A flight that rises along local x from the origin, often with handrails."""
    count = max(2, round(rise / scene.uniform(0.14, 0.19)))
    stone = scene.pick((palette.pavement, palette.room_floor, palette.wood))(scene)
    solid = scene.chance(0.7)
    for k in range(count):
        high = rise * (k + 1) / count
        thick = high if solid else min(high, 0.05)
        pen.box(((k + 0.5) * run / count, 0, high - thick), (run / count, wide, thick), stone)
    if scene.chance(0.7):
        for side in (-1, 1):
            ends = [pen_point(pen, x, side * wide / 2, z) for x, z in ((0.1, 0.1), (run, rise))]
            draw_railing(scene, scene.pen("fence"), *ends)


def pen_point(pen: Pen, x: float, y: float, z: float) -> tuple[float, float, float]:
    """World coordinates of a point in the frame of a pen."""
    c, s = math.cos(pen.yaw), math.sin(pen.yaw)
    return pen.x + c * x - s * y, pen.y + s * x + c * y, pen.z + z


def draw_railing(scene: Scene, pen: Pen, start: Sequence[float], end: Sequence[float]) -> None:
    """A railing in world coordinates: posts with rails, bars, wires or a pane of glass."""
    a, b = np.asarray(start, float), np.asarray(end, float)
    length = float(np.linalg.norm(b - a))
    if length < 0.3:
        return
    iron, style = palette.metal(scene), scene.pick(("rails", "rails", "bars", "wires", "glass"))
    tall, thick = np.array((0, 0, scene.uniform(0.85, 1.15))), scene.uniform(0.012, 0.03)
    posts = max(1, round(length / scene.uniform(0.9, 2.0)))
    for k in range(posts + 1):
        foot = a + (b - a) * k / posts
        pen.limb(foot, foot + tall, thick, iron, False)
    pen.limb(a + tall, b + tall, thick * 1.2, iron, False)
    if style in ("rails", "wires"):
        count = 2 if style == "rails" else 5
        for k in range(1, count + 1):
            lift = tall * k / (count + 1)
            pen.limb(a + lift, b + lift, thick * 0.7 if style == "rails" else 0.004, iron, False)
    elif style == "bars":
        pen.limb(a + tall * 0.1, b + tall * 0.1, thick * 0.7, iron, False)
        for k in range(min(120, int(length / scene.uniform(0.1, 0.16)))):
            foot = a + (b - a) * (k + 0.5) / max(1, int(length / 0.13))
            if np.linalg.norm(foot - a) < length:
                pen.limb(foot + tall * 0.1, foot + tall, thick * 0.45, iron, False)
    elif scene.glass is not None and abs(a[2] - b[2]) < 1e-6:
        yaw = math.atan2(b[1] - a[1], b[0] - a[0])
        middle = (a + b) / 2
        pane = scene.glass.pen("fence", middle[0], middle[1], yaw, middle[2])
        pane.box((0, 0, 0.08), (length, 0.012, tall[2] - 0.12), 0)


def draw_fence_line(
    scene: Scene, start: Sequence[float], end: Sequence[float], z: float = 0.0
) -> None:
    """A fence, wall, hedge, railing, guard rail or rope between two points of the ground."""
    a, b = np.array((*start[:2], z)), np.array((*end[:2], z))
    length = float(np.linalg.norm(b - a))
    yaw, middle = math.atan2(b[1] - a[1], b[0] - a[0]), (a + b) / 2
    style = scene.pick(
        (
            "picket",
            "planks",
            "ranch",
            "wall",
            "hedge",
            "railing",
            "railing",
            "guard",
            "wire",
            "rope",
        )
    )
    tall = scene.uniform(0.6, 1.9)

    def pen(kind: str) -> Pen:
        return scene.pen(kind, middle[0], middle[1], yaw, z)

    if style == "railing":
        draw_railing(scene, scene.pen("fence"), a, b)
    elif style == "hedge":
        draw_hedge(
            scene, scene.pen("vegetation", middle[0], middle[1], yaw - math.pi / 2, z), length
        )
    elif style == "wall":
        stone = scene.pick((palette.room_wall, palette.pavement))(scene)
        pen("wall").box((0, 0, 0), (length, scene.uniform(0.12, 0.4), tall), stone)
    elif style in ("picket", "planks"):
        fence, wood, pitch = pen("fence"), palette.wood(scene), 0.13 if style == "picket" else 0.16
        wide = pitch * (0.5 if style == "picket" else 0.97)
        for height in (0.2, tall * 0.8):
            fence.box((0, 0.03, height), (length, 0.03, 0.07), wood)
        for k in range(min(150, int(length / pitch))):
            fence.box((-length / 2 + (k + 0.5) * pitch, 0, 0.04), (wide, 0.02, tall), wood)
    else:
        _posts_with_lines(scene, pen("fence"), style, length, tall)


def _posts_with_lines(scene: Scene, fence: Pen, style: str, length: float, tall: float) -> None:
    pitch = {"ranch": 2.2, "guard": 2.5, "wire": 2.8, "rope": 1.8}[style]
    post = scene.pick((palette.wood, palette.metal))(scene)
    thick = scene.uniform(0.02, 0.07)
    count = max(1, round(length / pitch))
    xs = [-length / 2 + length * k / count for k in range(count + 1)]
    for x in xs:
        fence.cylinder((x, 0, 0), thick, min(tall, 1.2), post)
    if style == "guard":
        steel = palette.metal(scene)
        for z, wide in ((0.5, 0.1), (0.62, 0.04), (0.72, 0.1)):
            fence.box((0, 0.08, z), (length, 0.04, wide), steel)
    elif style == "ranch":
        for z in np.linspace(0.35, min(tall, 1.2) - 0.08, int(scene.rng.integers(1, 4))):
            fence.box((0, 0.05, float(z)), (length, 0.03, 0.1), post)
    elif style == "wire":
        for z in np.linspace(0.15, min(tall, 1.2) - 0.05, 6):
            fence.limb(
                (-length / 2, 0, float(z)),
                (length / 2, 0, float(z)),
                0.004,
                palette.metal(scene),
                False,
            )
    else:
        rope = palette.fabric(scene)
        for x0, x1 in pairwise(xs):
            low = ((x0 + x1) / 2, 0, min(tall, 1.2) - 0.25)
            for x in (x0, x1):
                fence.limb((x, 0, min(tall, 1.2) - 0.05), low, 0.014, rope, False)


def draw_post(scene: Scene, pen: Pen) -> None:
    """A bollard, stake, marker, hydrant, meter, flag pole or sign on a thin post."""
    style = scene.pick(
        ("bollard", "bollard", "stake", "marker", "hydrant", "meter", "flag", "sign", "sign")
    )
    iron, thick = palette.metal(scene), scene.uniform(0.015, 0.06)
    if style == "bollard":
        radius, tall = scene.uniform(0.04, 0.15), scene.uniform(0.4, 1.1)
        pen.cylinder((0, 0, 0), radius, tall, scene.pick((iron, palette.pavement(scene))))
        if scene.chance(0.5):
            pen.ball((0, 0, tall), radius, iron)
        if scene.chance(0.4):
            pen.cylinder((0, 0, tall * 0.8), radius * 1.03, 0.08, palette.paint(scene, 1.0))
    elif style == "stake":
        pen.cylinder((0, 0, 0), thick, scene.uniform(0.5, 2.0), palette.wood(scene))
    elif style == "marker":
        pen.box((0, 0, 0), (0.05, 0.11, 0.95), scene.plain((0.85, 0.85, 0.85)))
        pen.box((0, 0, 0.7), (0.055, 0.115, 0.12), scene.plain((0.7, 0.1, 0.02)))
    elif style == "hydrant":
        red = palette.paint(scene, 1.0)
        pen.cylinder((0, 0, 0), 0.12, 0.5, red)
        pen.ball((0, 0, 0.55), (0.13, 0.13, 0.15), red)
        pen.lying((0, 0, 0.4), 0.06, 0.4, red)
    elif style == "meter":
        pen.cylinder((0, 0, 0), thick, 1.1, iron)
        pen.box((0, 0, 1.05), (0.12, 0.16, 0.3), palette.paint(scene, 0.7))
    elif style == "flag":
        tall = scene.uniform(4, 8)
        pen.cylinder((0, 0, 0), thick, tall, iron)
        pen.box((0, 0.6, tall - 1.1), (0.02, 1.2, 0.8), palette.fabric(scene))
    else:
        tall = scene.uniform(1.9, 2.8)
        pen.cylinder((0, 0, 0), max(0.02, thick * 0.7), tall, iron)
        face = scene.plain(hsv(*scene.pick(((0.0, 0.85, 0.8), (0.6, 0.8, 0.7), (0.13, 0.9, 0.9)))))
        if scene.chance(0.5):
            pen.box((0.04, 0, tall - 0.65), (0.015, scene.uniform(0.3, 0.9), 0.6), face)
        else:
            turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
            pen.solid_disc((0.04, 0, tall - 0.35), turn, 0.32, 0.02, face)
            pen.solid_disc((0.055, 0, tall - 0.35), turn, 0.24, 0.02, scene.plain((0.85,) * 3))


def draw_street_lamp(scene: Scene, pen: Pen) -> None:
    """A lamp on a post; by night it shines."""
    iron, tall = palette.metal(scene), scene.uniform(3.0, 8.0)
    thick, glow = scene.uniform(0.035, 0.09), scene.plain((0.95, 0.9, 0.75), glow=2.0)
    pen.cylinder((0, 0, 0), thick * 1.6, 0.7, iron)
    pen.cylinder((0, 0, 0), thick, tall, iron)
    arm = 0.0
    if tall < 4.5:
        pen.ball((0, 0, tall + 0.15), scene.uniform(0.12, 0.25), glow, casts=False)
    else:
        arm = scene.uniform(0.6, 1.8)
        pen.limb((0, 0, tall), (arm, 0, tall + 0.25), thick * 0.7, iron, False)
        pen.box((arm + 0.2, 0, tall + 0.2), (0.6, 0.22, 0.08), glow, casts=False)
    place = pen_point(pen, arm, 0, tall - 0.1)
    box = (place[0] - 16, place[1] - 16, -9, place[0] + 16, place[1] + 16, 30)
    add_lamp(scene, place, box, scene.uniform(3.0, 9.0), scene.uniform(0.1, 0.7))


def draw_pole_line(scene: Scene, points: Sequence[tuple[float, float]]) -> None:
    """Wooden or concrete masts with wires between them."""
    tall, wood = scene.uniform(5, 9), palette.bark(scene)
    radius = scene.uniform(0.07, 0.16)
    for x, y in points:
        scene.pen("pole", x, y).cylinder((0, 0, 0), radius, tall, wood)
    for (x0, y0), (x1, y1) in pairwise(points):
        for off in (-0.3, 0.3)[: int(scene.rng.integers(1, 3))]:
            pen = scene.pen("pole")
            draw_hanging_wire(scene, pen, (x0 + off, y0, tall - 0.3), (x1 + off, y1, tall - 0.3))
