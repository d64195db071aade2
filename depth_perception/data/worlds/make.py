"""Generation of worlds from seeds."""

from __future__ import annotations

import math

import numpy as np

from .interiors import make_corridor, make_room
from .outdoors import make_courtyard, make_street
from .paths import find_path
from .scene import Scene, hsv
from .world import Light, World, float32

KINDS: tuple[str, ...] = ("room", "corridor", "courtyard", "street")
_SHARES = (0.4, 0.15, 0.15, 0.3)
_TRIES = 20

Point = tuple[float, float, float]


def make_world(kind: str = "any", seed: int = 0) -> World:
    """The world of a seed, the same on every call.

    Args:
        kind: one of :data:`KINDS`, or "any" to choose the kind by the seed.
        seed: a non-negative integer.

    Raises:
        ValueError: an unknown kind or a negative seed.
        RuntimeError: all attempts failed to find a path through the world.
    """
    if kind != "any" and kind not in KINDS:
        raise ValueError(f"no world of kind {kind!r}; take one of {', '.join(KINDS)} or any")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    chosen = kind
    if kind == "any":
        chosen = str(np.random.default_rng([seed, 99]).choice(KINDS, p=_SHARES))
    for attempt in range(_TRIES):
        rng = np.random.default_rng([seed, KINDS.index(chosen), attempt])
        world = _try_world(chosen, seed, rng)
        if world is not None:
            return world
    raise RuntimeError(f"no free path in {_TRIES} tries at a {chosen} of seed {seed}")


def _try_world(kind: str, seed: int, rng: np.random.Generator) -> World | None:
    scene, floor = Scene(rng), 0.0
    lamps: list[Point] = []
    if kind in ("room", "corridor"):
        areas, lamps = (make_room if kind == "room" else make_corridor)(scene)
    else:
        areas, floor = (make_street if kind == "street" else make_courtyard)(scene)
    light, primitives = _light(scene, lamps), scene.primitives()
    path = find_path(primitives, areas, floor, scene.uniform(1.2, 1.6), rng)
    if path is None:
        return None
    return World(kind, seed, primitives, scene.material_table(), light, path)


def _light(scene: Scene, lamps: list[Point]) -> Light:
    """Day with sun or clouds; indoors with lamps on, and dimmer in the evening."""
    azimuth, elevation = scene.uniform(0, 2 * math.pi), scene.uniform(0.3, 1.25)
    level = math.cos(elevation)
    sun = (level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation))
    clouds = scene.pick((0.0, scene.uniform(0.3, 0.6), scene.uniform(0.6, 1.0)))
    warmth = scene.uniform(0.02, 0.12)
    strength = scene.uniform(0.9, 1.8) * (1 - 0.75 * max(0.0, clouds - 0.3))
    hue, saturation = scene.uniform(0.56, 0.62), scene.uniform(0.45, 0.75) * (1 - 0.6 * clouds)
    zenith = np.array(hsv(hue, saturation, 0.8))
    horizon = np.array(scene.colour(0.58, (0.05, 0.25), (0.85, 1.0)))
    sun_colour = strength * np.array(hsv(0.1, warmth * 2, 1.0))
    skylight = scene.uniform(0.45, 0.7)
    up, down = skylight * (0.5 * zenith + 0.5 * horizon), skylight * np.array((0.34, 0.32, 0.3))
    colours = np.zeros((len(lamps), 3))
    if lamps:
        tone = np.array(scene.colour((0.07, 0.14), (0.02, 0.3), 1.0))
        power = scene.uniform(0.9, 1.9) / math.sqrt(max(1.0, len(lamps) / 2))
        colours[:] = power * tone
        wash = scene.uniform(0.28, 0.5)
        up = wash * np.array(hsv(0.1, 0.05, 0.95))
        down = 1.3 * wash * np.array(hsv(0.09, 0.06, 0.95))

    sky = map(float32, (sun, sun_colour, up, down, zenith, horizon))
    places, colours = float32(lamps).reshape(-1, 3), float32(colours).reshape(-1, 3)
    return Light(*sky, float(clouds), places, colours, min(2, len(lamps)))
