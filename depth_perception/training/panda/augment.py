"""Random augmentation of batches of panoramas with range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_TO_YIQ = (_LUMA, (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class AugmentRecipe:
    """Random augmentation of a training frame.

    Attributes:
        yaw: whether each frame is rolled by a random number of columns.
        flip: probability of a mirror image.
        jitter: probability of a colour change.
        brightness, contrast, saturation: factors are drawn from 1 +- this.
        hue: rotations of the colour circle, in turns, are drawn from +- this.
        gamma: exponents are drawn log-uniformly from 1 / (1 + gamma) to 1 + gamma.
        noise: standard deviations of pixel noise are drawn from 0 to this, in [0, 1] units.
    """

    yaw: bool = True
    flip: float = 0.5
    jitter: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.1
    gamma: float = 0.0
    noise: float = 0.0


def augment(
    rgb: Tensor, range_m: Tensor, recipe: AugmentRecipe, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Yaw, mirror image, colour and noise, drawn for each image separately.

    Images (B, 3, H, W) stay in [0, 1], ranges are (B, 1, H, W). The generator is on the CPU; the
    same state gives the same changes on every device.
    """
    count, width = len(rgb), rgb.shape[-1]
    shift = torch.randint(0, width, (count,), generator=generator) * int(recipe.yaw)
    mirror = torch.rand(count, generator=generator) < recipe.flip
    rgb, range_m = (turn(maps, shift, mirror) for maps in (rgb, range_m))
    if recipe.jitter > 0:
        rgb = jitter(rgb, recipe, generator)
    if recipe.noise > 0:
        sigma = recipe.noise * torch.rand(count, 1, 1, 1, generator=generator)
        rgb = rgb + (sigma * torch.randn(rgb.shape, generator=generator)).to(rgb.device)
    return rgb.clamp(0, 1), range_m


def turn(maps: Tensor, shift: Tensor, mirror: Tensor) -> Tensor:
    """Roll each map of (B, C, H, W) by ``shift`` (B,) columns to the right, then mirror it where
    ``mirror`` (B,) is true."""
    width = maps.shape[-1]
    columns = torch.arange(width).expand(len(maps), width)
    columns = torch.where(mirror[:, None], width - 1 - columns, columns)
    columns = ((columns - shift[:, None]) % width).to(maps.device)
    return maps.gather(3, columns[:, None, None].expand_as(maps))


def jitter(rgb: Tensor, recipe: AugmentRecipe, generator: torch.Generator) -> Tensor:
    """Gamma, brightness, contrast, saturation and hue of (B, 3, H, W) in [0, 1].

    Hue rotates the chroma plane of YIQ, which keeps the luma, so the colour change of an image is
    one 3x3 matrix.
    """
    count = len(rgb)

    def draw(limit: float) -> Tensor:
        return limit * (2 * torch.rand(count, 1, 1, generator=generator) - 1)

    chosen = (torch.rand(count, 1, 1, generator=generator) < recipe.jitter).float()
    brightness = 1 + chosen * draw(recipe.brightness)
    contrast = 1 + chosen * draw(recipe.contrast)
    saturation = 1 + chosen * draw(recipe.saturation)
    angle = 2 * math.pi * chosen * draw(recipe.hue)
    exponent = torch.exp(chosen * draw(math.log1p(recipe.gamma)))

    to_yiq = torch.tensor(_TO_YIQ)
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    cos, sin = saturation * angle.cos(), saturation * angle.sin()
    rows = ((one, zero, zero), (zero, cos, -sin), (zero, sin, cos))
    chroma = torch.cat([torch.cat(row, 2) for row in rows], 1)
    matrix = (brightness * contrast * (to_yiq.inverse() @ chroma @ to_yiq)).to(rgb.device)

    if recipe.gamma > 0:
        rgb = rgb.clamp_min(1e-4) ** exponent[..., None].to(rgb.device)
    luma = (rgb * rgb.new_tensor(_LUMA).view(3, 1, 1)).sum(1).mean((1, 2))
    offset = luma[:, None, None] * (brightness * (1 - contrast)).to(rgb.device)
    return (matrix @ rgb.flatten(2) + offset).view_as(rgb).clamp(0, 1)
