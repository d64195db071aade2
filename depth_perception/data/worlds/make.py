"""Generation of worlds from seeds."""

from __future__ import annotations

import math

import numpy as np

from .halls import make_hall
from .interiors import make_corridor, make_room
from .open_air import make_lawn, make_road, make_square, make_town
from .outdoors import make_courtyard, make_street
from .paths import find_path, find_quick_path
from .scene import Scene, hsv
from .storeys import make_enfilade, make_flat, make_offices
from .weather import light_of
from .world import Light, World, float32

KINDS: tuple[str, ...] = ("room", "corridor", "courtyard", "street")
_SHARES = (0.4, 0.15, 0.15, 0.3)
_MAKERS = {
    "flat": make_flat, "offices": make_offices, "enfilade": make_enfilade, "hall": make_hall,
    "lawn": make_lawn, "road": make_road, "town": make_town, "square": make_square,
}  # fmt: skip
_FINE_SHARES = (0.2, 0.12, 0.08, 0.1, 0.1, 0.1, 0.2, 0.1)
FINE_KINDS: tuple[str, ...] = tuple(_MAKERS)
"""Kinds of version 2: see :class:`.world.World`."""
_INDOORS = ("flat", "offices", "enfilade", "hall")
FINE_HEIGHTS_M = (0.2, 2.5)
_COMMON_HEIGHTS_M = (1.1, 1.8)  # of hand-held cameras and tripods: more often than others
_BELOW_CEILING_M = 0.35
_LOWEST_CEILING_M = 2.35
_TRIES = 20

Point = tuple[float, float, float]


def make_world(
    kind: str = "any", seed: int = 0, heights_m: tuple[float, float] | None = None
) -> World:
    """The world of a seed, the same on every call.

    Args:
        kind: one of :data:`KINDS` or :data:`FINE_KINDS`; the seed chooses one of the former for
            "any", of the latter for "fine", and by weights for "flat:2,town:1".
        seed: a non-negative integer.
        heights_m: least and greatest height of the camera above the ground; None takes 1.2 to
            1.6 m, and 0.2 to 2.5 m in worlds of :data:`FINE_KINDS`. Lower where a ceiling is.

    Raises:
        ValueError: an unknown kind or a negative seed.
        RuntimeError: all attempts failed to find a path through the world.
    """
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if heights_m is not None and not 0.05 <= heights_m[0] <= heights_m[1] <= 10:
        raise ValueError(f"heights_m must rise from at least 0.05 to at most 10, got {heights_m}")
    chosen = _chosen(kind, seed)
    for attempt in range(_TRIES):
        if chosen in KINDS:
            rng = np.random.default_rng([seed, KINDS.index(chosen), attempt])
            world = _try_world(chosen, seed, rng, heights_m)
        else:
            rng = np.random.default_rng([seed, 100 + FINE_KINDS.index(chosen), attempt])
            world = _try_fine(chosen, seed, rng, heights_m or FINE_HEIGHTS_M)
        if world is not None:
            return world
    raise RuntimeError(f"no free path in {_TRIES} tries at a {chosen} of seed {seed}")


def _chosen(kind: str, seed: int) -> str:
    """The kind that ``kind``, a name, a group or names with weights, means for a seed."""
    shares = {"any": zip(KINDS, _SHARES, strict=True)}
    shares["fine"] = zip(FINE_KINDS, _FINE_SHARES, strict=True)
    if kind in (*KINDS, *FINE_KINDS):
        return kind
    try:
        pairs = list(shares.get(kind) or _weights(kind))
    except ValueError:
        raise ValueError(
            f"no world of kind {kind!r}; take one of {', '.join((*KINDS, *FINE_KINDS))}, "
            "any, fine, or some of them with weights (flat:2,town:1)"
        ) from None
    names, weights = zip(*pairs, strict=True)
    share = np.array(weights) / sum(weights)
    stream = 99 if kind in shares else 98
    name = str(np.random.default_rng([seed, stream]).choice(names, p=share))
    return _chosen(name, seed) if name in shares else name


def _weights(kind: str) -> list[tuple[str, float]]:
    pairs = [part.partition(":")[::2] for part in kind.split(",")]
    known = (*KINDS, *FINE_KINDS, "any", "fine")
    if not all(name in known for name, _ in pairs):
        raise ValueError
    weights = [(name, float(weight or 1)) for name, weight in pairs]
    if min(weight for _, weight in weights) < 0 or not any(weight for _, weight in weights):
        raise ValueError
    return weights


def _try_fine(
    kind: str, seed: int, rng: np.random.Generator, heights_m: tuple[float, float]
) -> World | None:
    scene = Scene(rng, fine=True, glass=Scene(rng))
    scene.glass.plain((1.0, 1.0, 1.0))
    areas, headroom = _MAKERS[kind](scene)
    low, high = heights_m
    common = max(low, _COMMON_HEIGHTS_M[0]), min(high, _COMMON_HEIGHTS_M[1])
    if common[0] < common[1] and scene.chance(0.4):
        low, high = common
    height = low * (high / low) ** scene.uniform(0, 1)
    height = min(height, headroom - _BELOW_CEILING_M)
    light, primitives = light_of(scene, kind in _INDOORS), scene.primitives()
    path = find_quick_path(primitives, areas, scene.floor_m, height, rng)
    if path is None:
        return None
    panes = scene.glass.primitives() if scene.glass.solids else None
    table = scene.material_table()
    return World(kind, seed, primitives, table, light, path, scene.floor_m, 2, panes)


def _try_world(
    kind: str, seed: int, rng: np.random.Generator, heights_m: tuple[float, float] | None
) -> World | None:
    scene, floor = Scene(rng), 0.0
    lamps: list[Point] = []
    if kind in ("room", "corridor"):
        areas, lamps = (make_room if kind == "room" else make_corridor)(scene)
    else:
        areas, floor = (make_street if kind == "street" else make_courtyard)(scene)
    light, primitives = _light(scene, lamps), scene.primitives()
    height = scene.uniform(*(heights_m or (1.2, 1.6)))
    height = min(height, _LOWEST_CEILING_M - _BELOW_CEILING_M) if lamps else height
    path = find_path(primitives, areas, floor, height, rng)
    if path is None:
        return None
    return World(kind, seed, primitives, scene.material_table(), light, path, floor)


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
