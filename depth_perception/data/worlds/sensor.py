"""What a real camera adds: exposure, white balance, blur and noise."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def sensor_effects(rgb: Tensor, seed: tuple[int, ...], strength: float = 1.0) -> Tensor:
    """A picture as a modest camera would give it.

    Args:
        rgb: (H, W, 3) uint8 on the CPU.
        seed: the picture is the same for the same numbers.
        strength: 0 changes nothing, 1 is usual.

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
