"""Cars, vans, trucks, buses, bicycles and motorcycles; they face local +x."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np

from . import palette
from .scene import Pen, Scene


@dataclass(frozen=True)
class Shape:
    """Outline of a car in metres.

    Attributes:
        long, wide, tall: sizes.
        waist: height of the lower edge of the windows.
        cabin: share of the length under the roof's foot. back: where its middle is, as a share.
        bonnet: how far the bonnet's front edge lies below the waist.
    """

    long: tuple[float, float]
    wide: tuple[float, float]
    tall: tuple[float, float]
    waist: float
    cabin: float
    back: float
    bonnet: float


SHAPES = {
    "hatch": Shape((3.5, 4.2), (1.62, 1.8), (1.42, 1.55), 0.92, 0.72, -0.13, 0.12),
    "saloon": Shape((4.4, 5.0), (1.75, 1.9), (1.38, 1.5), 0.92, 0.58, -0.06, 0.1),
    "estate": Shape((4.4, 4.9), (1.75, 1.88), (1.42, 1.55), 0.94, 0.74, -0.12, 0.1),
    "suv": Shape((4.2, 4.9), (1.8, 2.0), (1.6, 1.85), 1.08, 0.72, -0.12, 0.1),
    "van": Shape((4.6, 6.0), (1.85, 2.05), (1.9, 2.7), 1.15, 0.95, -0.02, 0.0),
}


def _lacquer(scene: Scene) -> int:
    """Car paint: often grey, white or black."""
    vivid = scene.colour((0, 1), (0.4, 0.95), (0.15, 0.9))
    grey = scene.colour((0.05, 0.65), (0, 0.12), (0.02, 0.97))
    colour = scene.pick((vivid, grey, grey))
    return scene.plain(colour, grain=0.02, gloss=0.6, mirror=scene.uniform(0.1, 0.35))


def draw_motorcar(scene: Scene, pen: Pen, style: str = "") -> None:
    """A car of one of :data:`SHAPES`."""
    style = style or scene.pick(
        ("hatch", "hatch", "saloon", "saloon", "estate", "suv", "suv", "van")
    )
    shape = SHAPES[style]
    long, wide, tall = (scene.uniform(*v) for v in (shape.long, shape.wide, shape.tall))
    paint = _lacquer(scene)
    glass = scene.plain((0.015, 0.018, 0.02), gloss=0.6, mirror=0.45, grain=0.0)
    black = scene.plain((0.015, 0.015, 0.015), grain=0.1)
    waist, sill = shape.waist, scene.uniform(0.18, 0.28)
    nose = waist - shape.bonnet - 0.08
    pen.box((0, 0, sill + 0.1), (long * 0.985, wide * 0.97, nose - sill - 0.18), paint)
    pen.box((0, 0, sill), (long * 0.96, wide * 0.93, 0.14), black)
    pen.taper(
        (0, 0, nose - 0.14), (long, wide, (waist - nose + 0.14) * 2.0), paint
    ) if style == "van" else None
    base, middle = long * shape.cabin, long * shape.back
    shoulder = (long * 0.97, wide * 0.985, waist - nose + 0.1)
    pen.box((middle, 0, nose - 0.1), (base * 1.06, wide * 0.985, shoulder[2]), paint)
    for end, slope in (
        (1, long / 2 - (middle + base * 0.53)),
        (-1, long / 2 + (middle - base * 0.53)),
    ):
        if slope > 0.15:  # bonnet and boot, falling outwards
            turn = math.pi if end > 0 else 0.0
            x = middle + end * (base * 0.53 + slope / 2)
            drop = shape.bonnet + 0.06
            pen.wedge((x, 0, waist - drop), (slope, wide * 0.95, drop), paint, turn=turn)
            pen.box(
                (x, 0, nose - 0.1), (slope * 0.98, wide * 0.96, waist - drop - nose + 0.1), paint
            )
    _cabin(pen, (middle, base, wide * 0.93, waist, tall, style), paint, glass)
    _wheels(scene, pen, long, wide, 0.3 if style != "suv" else 0.36, black)
    _lights(scene, pen, long, wide, nose)
    for side in (-1, 1):
        pen.ball(
            (middle + base * 0.36, side * (wide / 2 + 0.08), waist + 0.05), (0.08, 0.1, 0.07), paint
        )


def _cabin(pen: Pen, cabin: tuple, paint: int, glass: int) -> None:
    middle, base, wide, waist, tall, style = cabin
    if style == "van":
        pen.box((middle - base * 0.06, 0, waist), (base * 0.86, wide, tall - waist), paint)
        pen.wedge(
            (middle + base * 0.42, 0, waist),
            (base * 0.12, wide * 0.97, tall - waist - 0.1),
            glass,
            turn=math.pi,
        )
        for side in (-1, 1):
            pen.box(
                (middle + base * 0.24, side * wide * 0.5, waist + 0.02),
                (base * 0.2, 0.02, 0.5),
                glass,
            )
        pen.box((middle - base * 0.49, 0, waist + 0.1), (0.02, wide * 0.8, 0.5), glass)
        return
    pen.taper((middle, 0, waist), (base, wide, tall - waist - 0.03), glass)
    roof = tall - waist
    pen.taper((middle, 0, tall - 0.06), (base * 0.66, wide * 0.84, 0.07), paint)
    for x0, x1 in ((0.49, 0.3), (-0.49, -0.3), (0.02, 0.015)):
        for side in (-1, 1):
            foot = (middle + x0 * base, side * wide * 0.488, waist)
            pen.limb(
                foot,
                (middle + x1 * base, side * wide * 0.4, waist + roof - 0.03),
                0.035,
                paint,
                False,
            )


def _wheels(scene: Scene, pen: Pen, long: float, wide: float, radius: float, black: int) -> None:
    rim = scene.plain(scene.colour(0.6, 0.03, (0.1, 0.7)), gloss=0.5)
    for x, side in product((-long * 0.31, long * 0.32), (-1, 1)):
        pen.lying((x, side * (wide / 2 - 0.1), radius), radius, 0.21, black)
        pen.lying((x, side * (wide / 2 - 0.095), radius), radius * 0.62, 0.22, rim)
        pen.lying((x, side * (wide / 2 - 0.2), radius + 0.02), radius + 0.06, 0.4, black)


def _lights(scene: Scene, pen: Pen, long: float, wide: float, nose: float) -> None:
    on = scene.chance(0.3)
    lamp = scene.plain((0.85, 0.85, 0.8), gloss=0.5, glow=2.0 if on else 0.1)
    red = scene.plain((0.5, 0.02, 0.02), gloss=0.5, glow=1.0 if on else 0.1)
    plate = scene.plain((0.8, 0.8, 0.75))
    for side, (end, glow) in product((-1, 1), ((0.49, lamp), (-0.49, red))):
        pen.box((end * long, side * wide * 0.36, nose - 0.16), (0.08, 0.3, 0.13), glow)
    for end in (-1, 1):
        pen.box((end * long * 0.493, 0, 0.42), (0.03, 0.5, 0.11), plate)


def draw_bus(scene: Scene, pen: Pen) -> None:
    """A bus, 8 to 12 m long."""
    long, wide, tall = scene.uniform(8, 12), 2.5, scene.uniform(2.8, 3.3)
    paint, black = _lacquer(scene), scene.plain((0.02, 0.02, 0.02))
    glass = scene.plain((0.02, 0.025, 0.03), gloss=0.6, mirror=0.4, grain=0.0)
    pen.box((0, 0, 0.3), (long, wide, tall - 0.3), paint)
    pen.box((0, 0, 1.15), (long - 0.5, wide + 0.02, tall - 1.75), glass)
    pen.box((0, 0, 1.0), (long + 0.02, wide - 0.2, tall - 1.5), glass)
    for k in range(int(long / 1.5)):
        x = -long / 2 + 0.5 + k * 1.5
        pen.box((x, 0, 1.1), (0.09, wide + 0.03, tall - 1.7), paint)
    _wheels(scene, pen, long, wide, 0.48, black)
    _lights(scene, pen, long, wide, 0.8)


def draw_truck(scene: Scene, pen: Pen) -> None:
    """A truck with a box or an open bed."""
    long, wide = scene.uniform(5.5, 9.0), scene.uniform(2.1, 2.5)
    paint, black = _lacquer(scene), scene.plain((0.02, 0.02, 0.02))
    glass = scene.plain((0.02, 0.025, 0.03), gloss=0.6, mirror=0.4, grain=0.0)
    cab = scene.uniform(1.6, 2.1)
    front = long / 2 - cab / 2
    pen.box((0, 0, 0.55), (long, wide * 0.5, 0.25), black)
    pen.box((front, 0, 0.5), (cab, wide * 0.95, 1.1), paint)
    pen.taper((front - 0.15, 0, 1.6), (cab * 1.05, wide * 0.93, 1.0), glass)
    pen.box((front - 0.3, 0, 2.3), (cab * 0.7, wide * 0.8, 0.12), paint)
    bed = long - cab - 0.15
    if scene.chance(0.7):
        pen.box(
            (-cab / 2 - 0.1, 0, 0.85), (bed, wide, scene.uniform(1.8, 2.6)), palette.paint(scene)
        )
    else:
        for side in (-1, 1):
            pen.box((-cab / 2 - 0.1, side * wide / 2, 0.85), (bed, 0.05, 0.5), paint)
        pen.box((-cab / 2 - 0.1, 0, 0.8), (bed, wide, 0.08), palette.wood(scene))
    _wheels(scene, pen, long, wide, 0.45, black)
    _lights(scene, pen, long, wide, 1.0)


def draw_bicycle(scene: Scene, pen: Pen, motor: bool = False) -> None:
    """A bicycle of thin tubes, or a motorcycle."""
    paint, black = _lacquer(scene), scene.plain((0.02, 0.02, 0.02))
    lean = np.array((0, scene.uniform(-0.12, 0.12), 1.0))
    radius, base = (0.3, 0.68) if motor else (0.34, 0.53)

    def at(x: float, z: float, y: float = 0.0) -> np.ndarray:
        return np.array((x, y, 0.0)) + lean * z

    for x in (-base, base):
        points = [
            at(x + radius * math.cos(a), radius + radius * math.sin(a))
            for a in np.arange(13) * math.pi / 6
        ]
        for a, b in pairwise(points):
            pen.limb(a, b, 0.06 if motor else 0.014, black, False)
        for k in range(0 if motor else 6):
            pen.limb(at(x, radius), points[2 * k], 0.003, black, False)
    pairs = [((-0.1, 0.28), (0.4, 0.72)), ((-0.25, 0.78), (0.38, 0.82)),
             ((-0.27, 0.9), (-0.1, 0.28)), ((-base, radius), (-0.1, 0.28)),
             ((-base, radius), (-0.25, 0.75)), ((base, radius), (0.36, 0.95))]  # fmt: skip
    for (x0, z0), (x1, z1) in pairs:
        pen.limb(at(x0, z0), at(x1, z1), 0.035 if motor else 0.016, paint, False)
    pen.limb(at(0.36, 1.0, -0.28), at(0.36, 1.0, 0.28), 0.014, black, False)
    pen.ball(at(-0.28, 0.93), (0.14, 0.08, 0.04), black)
    if motor:
        pen.ball(at(0.1, 0.75), (0.3, 0.16, 0.16), paint)
        pen.ball(at(-0.1, 0.45), (0.28, 0.17, 0.2), black)
        pen.ball(at(-0.4, 0.8), (0.35, 0.14, 0.07), black)
        pen.limb(at(0.42, 0.75), at(0.5, 0.75), 0.1, paint)
