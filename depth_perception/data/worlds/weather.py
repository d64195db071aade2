"""Light of worlds of version 2: day and night, plain and cloudy skies, lamps."""

from __future__ import annotations

import math

import numpy as np

from .scene import Scene, hsv
from .world import Light, float32

EVERYWHERE = (-1e4, -1e4, -1e4, 1e4, 1e4, 1e4)


def choose_ground(scene: Scene) -> None:
    """Draw dry, wet or snowy ground for a scene outdoors."""
    scene.ground = scene.pick(("dry",) * 7 + ("wet", "wet", "snow"))


def add_lamp(
    scene: Scene,
    place: tuple[float, float, float],
    box: tuple[float, ...],
    strength: float,
    tint: float = 0.1,
) -> None:
    """A lamp at a place that reaches a box (low corner, high corner); ``tint`` is its warmth."""
    colour = np.array(hsv(scene.uniform(0.06, 0.13), tint, 1.0)) * strength
    scene.lamps.append((*place, *colour, *box))


def light_of(scene: Scene, indoors: bool) -> Light:
    """Sun, sky and lamps of a finished scene."""
    return _indoors(scene) if indoors else _outdoors(scene)


def _indoors(scene: Scene) -> Light:
    """Lamps and some ambient light; what the windows show is brighter by day, black by night."""
    by_day = scene.chance(0.8)
    bright = scene.uniform(1.0, 4.0) if by_day else 0.01
    sky = np.array(scene.colour((0.54, 0.64), (0, 0.4), 1.0)) * bright
    horizon = np.array(scene.colour((0.54, 0.64), (0, 0.15), 1.0)) * bright
    sun = scene.pick((0.0, scene.uniform(1.5, 5.0))) if by_day else 0.0
    wash = math.exp(scene.uniform(math.log(0.08), math.log(0.45)))
    up = wash * np.array(scene.colour((0, 1), (0, 0.12), 1.0))
    down = up * scene.uniform(0.7, 1.3)
    return _light(scene, sun, (up, down), (sky, horizon), scene.uniform(0, 1), 1e5)


def _outdoors(scene: Scene) -> Light:
    mood = scene.pick(
        ("plain", "plain", "clear", "cloudy", "cloudy", "dull", "dull", "dusk", "night")
    )
    clouds, haze_m = 0.0, scene.pick((1e5, scene.uniform(250, 2000)))
    sun, ambient = scene.uniform(0.8, 2.2), scene.uniform(0.4, 0.8)
    zenith = np.array(scene.colour((0.54, 0.63), (0.2, 0.75), (0.6, 0.95)))
    horizon = np.array(scene.colour((0.54, 0.62), (0.02, 0.3), (0.85, 1.0)))
    if mood == "plain":  # one colour from the horizon to the zenith
        horizon = zenith = np.array(scene.colour((0.52, 0.63), (0.0, 0.75), (0.5, 1.0))) * 1.2
    elif mood == "cloudy":
        clouds = scene.uniform(0.3, 0.9)
        sun *= 1.2 - clouds
    elif mood == "dull":
        grey = np.array(scene.colour((0.5, 0.65), (0, 0.1), (0.5, 1.0))) * scene.uniform(0.8, 2.0)
        zenith, horizon, sun = grey, grey * scene.uniform(0.85, 1.1), 0.0
        clouds = scene.pick((0.0, 0.0, scene.uniform(0.2, 1.0)))
        haze_m = scene.pick((1e5, scene.uniform(60, 400)))
    elif mood == "dusk":
        horizon = np.array(scene.colour((-0.05, 0.12), (0.2, 0.8), (0.5, 1.0)))
        zenith = np.array(scene.colour((0.58, 0.75), (0.2, 0.7), (0.1, 0.5)))
        sun, ambient, clouds = scene.uniform(0, 0.8), scene.uniform(0.1, 0.4), scene.uniform(0, 0.8)
    elif mood == "night":
        zenith = np.array(scene.colour((0, 1), (0.1, 0.6), 1.0)) * scene.uniform(0.001, 0.03)
        horizon = zenith * scene.uniform(1, 3)
        sun, ambient, haze_m = 0.0, scene.uniform(0.015, 0.1), 1e5
    scene_light = horizon * 0.5 + zenith * 0.5
    up = ambient * scene_light / max(0.05, float(scene_light.max()))
    if mood != "night":
        scene.lamps = []
    return _light(scene, sun, (up, up * scene.uniform(0.4, 0.8)), (zenith, horizon), clouds, haze_m)


def _light(scene, sun, ambient, sky, clouds, haze_m) -> Light:
    azimuth, elevation = scene.uniform(0, 2 * math.pi), scene.uniform(0.12, 1.25)
    level = math.cos(elevation)
    direction = (level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation))
    warmth = scene.uniform(0.02, 0.2) * (1.3 - elevation)
    colour = sun * np.array(hsv(0.1, max(0.0, warmth), 1.0))
    lamps = np.array(scene.lamps, dtype=float).reshape(-1, 12)
    vectors = map(float32, (direction, colour, *ambient, *sky))
    places, colours, boxes = (float32(lamps[:, a:b]) for a, b in ((0, 3), (3, 6), (6, 12)))
    return Light(
        *vectors, float(clouds), places, colours, min(2, len(lamps)), haze_m, boxes,
        scene.uniform(0.5, 2.0),
    )  # fmt: skip
