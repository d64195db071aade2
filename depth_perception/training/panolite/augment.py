"""Random changes of a panorama: how it is mounted, and what the camera makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from torch import Tensor

from ...data.frames import PanoramaFrame
from ...geometry import Equirectangular, SamplingGrid
from ...geometry.rotations import view_rotation


@dataclass(frozen=True)
class AugmentRecipe:
    """Random changes of a training frame, drawn for each frame.

    Attributes:
        tilt_deg: largest pitch and roll of the camera; half of the frames stay level.
        colour: standard deviation of the logarithm of exposure, contrast, saturation and gamma; a
            third of it for each channel.
        blur_px: largest standard deviation of a Gaussian blur, in pixels of the file.
        noise: largest standard deviation of pixel noise, in [0, 1] units.
        jpeg: probability of JPEG compression, quality 25 to 95.
        stitch: probability of a stitching line: one half is brighter and a little shifted.
        cap: probability of a black or grey disc over a pole, as that of a mount; it hides the range
            and is not valid.
    """

    tilt_deg: float = 10.0
    colour: float = 0.3
    blur_px: float = 1.2
    noise: float = 0.04
    jpeg: float = 0.4
    stitch: float = 0.25
    cap: float = 0.25


Mounting = Callable[..., Tensor]
"""Changes a map (..., H, W) of a panorama; ``mode`` as in :meth:`SamplingGrid.sample`."""


def mounting(height: int, width: int, recipe: AugmentRecipe, rng: np.random.Generator) -> Mounting:
    """A rotation of panoramas by any yaw and a tilt, mirrored by half a chance."""
    grid = None
    if rng.random() < 0.5 and recipe.tilt_deg > 0:
        pitch, roll = np.radians(rng.uniform(-recipe.tilt_deg, recipe.tilt_deg, 2))
        camera = Equirectangular(height, width)
        turn = view_rotation(0.0, float(pitch), float(roll)).float()
        grid = SamplingGrid.of(camera, camera.rays() @ turn.T)
    shift, mirror = int(rng.integers(width)), rng.random() < 0.5

    def changed(values: Tensor, mode: Literal["nearest", "bilinear"] = "nearest") -> Tensor:
        values = values if grid is None else grid.sample(values, mode)
        values = values.roll(shift, -1)
        return values.flip(-1) if mirror else values

    return changed


def mounted(frame: PanoramaFrame, recipe: AugmentRecipe, rng: np.random.Generator) -> PanoramaFrame:
    """A panorama and its range, see :func:`mounting`."""
    change = mounting(*frame.range_m.shape, recipe, rng)
    return replace(frame, rgb=change(frame.rgb, "bilinear"), range_m=change(frame.range_m))


def photographed(
    rgb: np.ndarray, recipe: AugmentRecipe, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The picture (H, W, 3) uint8 that a camera makes of a panorama, and the rows (H,) bool that
    its mount leaves free."""
    height, width = rgb.shape[:2]
    if recipe.blur_px > 0 and rng.random() < 0.5:
        wrapped = np.concatenate((rgb[:, -8:], rgb, rgb[:, :8]), 1)
        rgb = cv2.GaussianBlur(wrapped, (0, 0), rng.uniform(0.2, recipe.blur_px))[:, 8:-8]
    pixels = rgb.astype(np.float32) / 255
    if rng.random() < recipe.stitch:
        start, half = int(rng.integers(width)), width // 2
        part = (start + np.arange(half)) % width
        other = np.roll(pixels[:, part], int(rng.integers(-2, 3)), 0)
        pixels[:, part] = other * np.exp(rng.normal(0, 0.12))
    exposure, contrast, saturation, gamma = np.exp(rng.normal(0, recipe.colour, 4))
    pixels = pixels * exposure * np.exp(rng.normal(0, recipe.colour / 3, 3)).astype(np.float32)
    grey = pixels.mean(2, keepdims=True)
    pixels = grey + saturation * (pixels - grey)
    pixels = (pixels - grey.mean()) * contrast**0.7 + grey.mean()
    pixels = pixels.clip(0, 1) ** gamma**0.7
    noise = np.float32(recipe.noise * rng.random() ** 2)
    pixels += noise * rng.standard_normal(pixels.shape, np.float32)
    free = np.ones(height, dtype=bool)
    for pole in (slice(None), slice(None, None, -1)):  # from above, from below
        if rng.random() < recipe.cap:
            rows = int(height * math.exp(rng.uniform(math.log(0.02), math.log(0.3))))
            free[pole][:rows] = False
            pixels[pole][:rows] = rng.choice((0.0, 0.0, rng.random()))
    rgb = (255 * pixels.clip(0, 1)).astype(np.uint8)
    if rng.random() < recipe.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 96))]
        rgb = cv2.imdecode(cv2.imencode(".jpg", rgb, quality)[1], cv2.IMREAD_COLOR)
    return rgb, free
