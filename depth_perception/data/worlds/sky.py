"""The sky."""

from __future__ import annotations

import torch
from torch import Tensor

from .textures import value_noise
from .world import Light


def sky(light: Light, directions: Tensor) -> Tensor:
    """Linear RGB (M, 3) of the sky along ``directions`` (3, M): gradient, clouds and sun."""
    x, y, z = directions
    up = z.clamp_min(0).sqrt()[:, None]
    colour = light.horizon + (light.zenith - light.horizon) * up
    if light.clouds > 0:
        lift = z.clamp_min(0) + 0.15
        place = torch.stack((x / lift * 1.3, y / lift * 1.3, torch.zeros_like(x)), 1)
        seed = torch.full_like(x, 17, dtype=torch.int32)
        noise = 0.6 * value_noise(place, seed) + 0.4 * value_noise(place * 2.3 + 5, seed)
        cover = ((noise - 1 + light.clouds) * 4).clamp(0, 1) * (z * 8).clamp(0, 1)
        bright = light.horizon * 0.5 + 0.5
        colour = colour + (bright - colour) * cover[:, None]
    towards = (light.sun_direction @ directions).clamp(0, 1)
    disc = ((towards - 0.9994) * 4000).clamp(0, 1) + 0.35 * towards**80
    return colour + (disc * (1 - 0.8 * light.clouds))[:, None] * light.sun_colour
