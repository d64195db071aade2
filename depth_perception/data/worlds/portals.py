"""Doors and passages between rooms."""

from __future__ import annotations

import math
from dataclasses import dataclass

from . import palette
from .scene import Scene
from .textures import Texture


@dataclass(frozen=True)
class Portal:
    """A hole in a wall: ``style`` is arch, door, ajar, closed, glass or window."""

    style: str
    wide: float
    tall: float

    @property
    def walkable(self) -> bool:
        """Whether a robot fits through."""
        return self.style in ("arch", "door")

    @staticmethod
    def draw_new(scene: Scene, room: float, height: float, style: str, closed: float) -> Portal:
        """A passage through a contact of ``room`` metres; ``closed`` is the share of shut doors."""
        kind = {"doors": "door", "arches": "arch"}.get(style) or scene.pick(("door", "arch"))
        if kind == "door" and scene.chance(closed):
            kind = scene.pick(("ajar", "closed", "glass"))
        most = room - 0.35
        if kind == "arch":
            wide = min(most, scene.uniform(0.9, 3.0))
            return Portal(
                kind, wide, min(height, scene.pick((2.1, height, scene.uniform(2, height))))
            )
        return Portal(kind, min(most, scene.uniform(0.8, 1.0)), min(2.05, height - 0.1))


def draw_portal(
    scene: Scene, place: tuple[float, float], yaw: float, portal: Portal, thickness: float
) -> None:
    """Frame and leaf of a passage whose middle is at ``place``; ``yaw`` runs along its wall."""
    pen = scene.pen("door", *place, yaw)
    wide, tall = portal.wide, portal.tall
    paint = scene.pick((palette.white, palette.wood, palette.paint))(scene)
    if portal.style != "arch" or scene.chance(0.4):
        for end in (-1, 1):
            pen.box((end * (wide / 2 - 0.02), 0, 0), (0.05, thickness + 0.05, tall), paint)
        pen.box((0, 0, tall - 0.05), (wide, thickness + 0.05, 0.05), paint)
    if portal.style == "arch":
        return
    hinge, swing = scene.pick((-1, 1)), scene.pick((-1, 1))
    angle = {
        "door": scene.uniform(1.2, 2.2),
        "ajar": scene.uniform(0.15, 0.9),
    }.get(portal.style, 0.0)
    if portal.style == "door" and scene.chance(0.2):
        return  # without a leaf
    turn = yaw + (math.pi if hinge > 0 else 0.0) + swing * angle
    edge = hinge * (wide / 2 - 0.04)
    off = swing * hinge * -(thickness / 2 if angle else 0.0)
    x = place[0] + edge * math.cos(yaw) - off * math.sin(yaw)
    y = place[1] + edge * math.sin(yaw) + off * math.cos(yaw)
    leaf, long = scene.pen("door", x, y, turn), wide - 0.08
    if portal.style == "glass":
        assert scene.glass is not None
        for end in (0.04, long - 0.04):
            leaf.box((end, 0, 0), (0.08, 0.04, tall - 0.06), paint)
        for z in (0.0, tall - 0.14):
            leaf.box((long / 2, 0, z), (long, 0.04, 0.08), paint)
        scene.glass.pen("door", x, y, turn).box((long / 2, 0, 0.05), (long, 0.01, tall - 0.1), 0)
    else:
        base = scene.colour((0.02, 0.6), (0, 0.4), (0.3, 0.98))
        second, handle = scene.uniform(0.8, 1.0), (0.5, 0.5, 0.45)
        panel = scene.material(Texture.DOOR, base, second, handle, gloss=0.1)
        leaf.box((long / 2, 0, 0.01), (long, 0.04, tall - 0.07), scene.pick((panel, paint)))
    for side in (-1, 1):
        leaf.lying((long - 0.07, side * 0.045, 1.02), 0.011, 0.06, palette.metal(scene))
        leaf.box((long - 0.11, side * 0.07, 1.01), (0.11, 0.018, 0.02), palette.metal(scene))
