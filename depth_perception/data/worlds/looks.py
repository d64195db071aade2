"""Other looks of a world: the same solids with other materials, lighting and haze.

``wild`` represents a domain that a network was not trained on: every rule by which
:mod:`.palette` and :mod:`.make` choose colours, patterns and light is replaced by another one.
"""

from __future__ import annotations

import colorsys
import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from ..world_options import Look
from .scene import hsv
from .textures import Materials, Texture
from .world import Light, World, float32

_STREAM = 11  # random stream of a seed
_FREE = (
    Texture.PLAIN, Texture.TILES, Texture.BRICKS, Texture.PLANKS, Texture.STRIPES, Texture.NOISE,
    Texture.CHECKER, Texture.WALLPAPER,
)  # fmt: skip
_DRAWN = (Texture.PLAIN, Texture.PLAIN, Texture.NOISE, Texture.NOISE, Texture.NOISE, *_FREE)


def with_look(world: World, look: Look) -> World:
    """The world with a look applied; random choices depend on the seed of the world.

    Raises:
        ValueError: no such look.
    """
    if look == "usual":
        return world
    if look != "wild":
        raise ValueError(f"no look {look!r}; take usual or wild")
    return restyled(world, world.seed)


def restyled(world: World, seed: int) -> World:
    """The same solids and path with materials and light of the look ``wild``.

    Patterns without a meaning are replaced and mostly larger, colours are drawn again, surfaces
    are grainier and glossier. Indoors few lamps of any tint shine into little ambient light;
    outdoors it is dusk, a hard low sun or grey fog.

    Args:
        seed: the result is the same for the same number; not negative.
    """
    rng = np.random.default_rng([seed, _STREAM])
    materials = _materials(world.materials, rng)
    indoors = len(world.light.lamps) > 0
    light = (_lamplight if indoors else _weather)(world.light, rng)
    return replace(world, materials=materials, light=light)


def sensor_effects(rgb: Tensor, seed: tuple[int, ...], strength: float = 1.0) -> Tensor:
    """Apply effects of a real camera: exposure, white balance, blur and noise.

    Args:
        rgb: (H, W, 3) uint8 on the CPU.
        seed: the image is the same for the same numbers.
        strength: 0 changes nothing, 1 is the default strength.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng(seed)
    image = rgb.numpy().astype(np.float32) / 255
    gain = np.exp(strength * rng.normal(0.0, 0.22))
    balance = np.exp(strength * rng.normal(0.0, 0.05, 3))
    gamma = np.exp(strength * rng.normal(0.0, 0.1))
    sigma = strength * rng.uniform(0.0, 0.6)
    level = strength * rng.uniform(0.002, 0.02)
    image = np.clip(image * (gain * balance).astype(np.float32), 0, 1) ** np.float32(gamma)
    if sigma > 0.15:
        side = float(np.exp(-0.5 / sigma**2))
        total = 1 + 2 * side
        image = (np.roll(image, 1, 1) + np.roll(image, -1, 1)) * (side / total) + image / total
        padded = np.pad(image, ((1, 1), (0, 0), (0, 0)), mode="edge")
        image = (padded[:-2] + padded[2:]) * (side / total) + image / total
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    image = image + noise * (level * (0.4 + np.sqrt(image)))
    return torch.from_numpy((np.clip(image, 0, 1) * 255).round().astype(np.uint8))


def wild_camera(rgb: Tensor, seed: tuple[int, ...]) -> Tensor:
    """Apply artefacts of consumer cameras that :func:`.sensor_effects` does not include.

    They are automatic exposure, different colours in the two halves of the columns as of two
    stitched fisheye images, and blotches of colour as left by noise filters.

    Args:
        rgb: (H, W, 3) uint8 on the CPU. seed: the image is the same for the same numbers.

    Returns:
        (H, W, 3) uint8.
    """
    rng = np.random.default_rng([*seed, _STREAM])
    height, width = rgb.shape[:2]
    image = rgb.numpy().astype(np.float32)
    image *= (rng.uniform(80, 140) / max(float(image.mean()), 8.0)) ** 0.7
    turn = np.cos(2 * np.pi * (np.arange(width) / width - rng.random()))
    side = np.tanh(6 * turn)[:, None].astype(np.float32)
    image *= np.exp(side * rng.normal(0, 0.05, 3).astype(np.float32))
    coarse = rng.normal(0, rng.uniform(0, 5), (max(2, height // 6), max(2, width // 6), 3))
    image += cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(image.clip(0, 255).round().astype(np.uint8))


def _materials(table: Materials, rng: np.random.Generator) -> Materials:
    count = len(table.texture)
    texture = table.texture.numpy().copy()
    scale = table.scale.numpy() * np.exp(rng.normal(0, 0.25, (count, 1)))
    free = np.isin(texture, [int(kind) for kind in _FREE])
    texture[free] = rng.choice([int(kind) for kind in _DRAWN], int(free.sum()))
    element_m = np.exp(rng.uniform(math.log(0.1), math.log(2.0), (count, 1)))
    shape = np.exp(rng.uniform(math.log(0.3), 0.0, (count, 2)))
    scale[free] = (element_m * shape)[free]
    colours = np.array([_colours(old, rng) for old in table.colours.numpy()])

    return replace(
        table,
        texture=torch.tensor(texture),
        colours=float32(colours),
        scale=float32(scale),
        grain=float32(np.clip(table.grain.numpy() * 1.5 + rng.uniform(0.05, 0.35, count), 0, 0.7)),
        grain_size=float32(np.exp(rng.uniform(math.log(0.05), math.log(0.9), count))),
        gloss=float32(rng.uniform(0, 0.5, count) ** 2 * 2),
        glow=table.glow * float32(rng.uniform(0.3, 1.3, count)),
        seed=torch.tensor(rng.integers(1 << 20, size=count), dtype=torch.int32),
    )


def _colours(old: np.ndarray, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """Three colours (3, 3) of a material: a new hue, or one near the old."""
    hue, saturation, _ = colorsys.rgb_to_hsv(*np.clip(old[0], 0, 1) ** (1 / 2.2))
    hue = rng.uniform() if rng.random() < 0.6 else hue + rng.normal(0, 0.08)
    saturation = np.clip(0.3 * saturation + rng.beta(1.2, 4.0), 0, 0.75)
    value = rng.uniform(0.15, 0.95)
    colours = []
    for spread in (0.0, 0.35, 0.6):
        shade = float(np.clip(value * math.exp(rng.normal(0, spread)), 0.06, 0.97))
        tint = float(np.clip(saturation + spread * rng.normal(0, 0.2), 0, 0.8))
        colours.append(hsv(float(hue + spread * rng.normal(0, 0.2)), tint, shade))
    return colours


def _lamplight(light: Light, rng: np.random.Generator) -> Light:
    """Lamps of any tint and strength, some of them off, in rather dark rooms."""
    count = len(light.lamps)
    on = rng.random(count) < 0.7
    on[rng.integers(count)] = True
    tone = np.array(hsv(float(rng.choice((0.02, 0.08, 0.12, 0.35, 0.55, 0.62))), 1.0, 1.0))
    tone = 1 + float(rng.uniform(0.05, 0.4)) * (tone - 1)
    power = np.exp(rng.normal(0.3, 0.45, count)) * on / math.sqrt(max(1.0, on.sum() / 2))
    wash = float(np.exp(rng.uniform(math.log(0.12), math.log(0.5))))
    fill = np.array(hsv(float(rng.uniform()), float(rng.uniform(0, 0.35)), 0.95))
    sun = float(np.exp(rng.normal(0.2, 0.5)))
    return replace(
        light,
        sun_direction=_sun(rng, 0.1, 0.9),
        sun_colour=light.sun_colour * sun,
        ambient_up=float32(wash * fill),
        ambient_down=float32(float(rng.uniform(0.6, 1.4)) * wash * fill),
        lamp_colours=float32(power[:, None] * tone),
    )


def _weather(light: Light, rng: np.random.Generator) -> Light:
    """Dusk, a hard low sun, or fog."""
    kind = rng.choice(("dusk", "hard", "fog"))
    if kind == "dusk":
        horizon = np.array(hsv(float(rng.uniform(-0.06, 0.1)), float(rng.uniform(0.3, 0.75)), 0.9))
        zenith = np.array(hsv(float(rng.uniform(0.6, 0.78)), float(rng.uniform(0.3, 0.8)), 0.4))
        sun, low, high = 0.8 * horizon, 0.03, 0.2
        ambient, clouds, haze_m = float(rng.uniform(0.15, 0.4)), float(rng.uniform(0, 0.8)), 150.0
    elif kind == "hard":
        horizon = np.array(hsv(float(rng.uniform(0.05, 0.6)), float(rng.uniform(0, 0.2)), 0.9))
        zenith = np.array(hsv(float(rng.uniform(0.5, 0.68)), float(rng.uniform(0.5, 0.9)), 0.7))
        sun, low, high = np.array(hsv(0.1, 0.2, 1.0)) * rng.uniform(1.8, 3.2), 0.1, 0.6
        ambient, clouds, haze_m = float(rng.uniform(0.15, 0.35)), 0.0, 400.0
    else:
        grey = hsv(float(rng.uniform(0, 1)), float(rng.uniform(0, 0.12)), rng.uniform(0.45, 0.9))
        horizon = zenith = np.array(grey)
        sun, low, high = 0.03 * horizon, 0.3, 1.2
        ambient, clouds = float(rng.uniform(0.5, 1.0)), 1.0
        haze_m = float(np.exp(rng.uniform(math.log(25), math.log(150))))
    return replace(
        light,
        sun_direction=_sun(rng, low, high),
        sun_colour=float32(sun),
        ambient_up=float32(ambient * (0.5 * zenith + 0.5 * horizon)),
        ambient_down=float32(ambient * 0.4 * horizon),
        zenith=float32(zenith),
        horizon=float32(horizon),
        clouds=clouds,
        haze_m=haze_m,
    )


def _sun(rng: np.random.Generator, low: float, high: float) -> Tensor:
    """(3,) direction to a sun between two elevations, radians."""
    azimuth, elevation = rng.uniform(0, 2 * math.pi), rng.uniform(low, high)
    level = math.cos(elevation)
    return float32((level * math.cos(azimuth), level * math.sin(azimuth), math.sin(elevation)))
