"""Changes of stereo pairs for training, as monodepth has them (Godard et al., CVPR 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class StereoAugmentation:
    """What may happen to a pair.

    Attributes:
        mirror: probability that the views are mirrored and exchanged, which keeps their geometry.
        color: probability that both views change alike by gamma, brightness and colour.
        gamma, brightness, channel: ranges that the exponent and the factors are drawn from.
    """

    mirror: float = 0.5
    color: float = 0.5
    gamma: tuple[float, float] = (0.8, 1.2)
    brightness: tuple[float, float] = (0.5, 2.0)
    channel: tuple[float, float] = (0.8, 1.2)

    def __post_init__(self) -> None:
        for name in ("mirror", "color"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is a probability, got {getattr(self, name)}")
        for name in ("gamma", "brightness", "channel"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name} needs a positive range (low, high), got {low}, {high}")

    def __call__(
        self, left: Tensor, right: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Change a pair (3, H, W) float in [0, 1], on the CPU, of a horizontal baseline."""

        def draw(low: float = 0.0, high: float = 1.0) -> float:
            return low + (high - low) * float(torch.rand((), generator=generator))

        if draw() < self.mirror:
            left, right = right.flip(-1), left.flip(-1)
        if draw() < self.color:
            factors = [draw(*self.channel) for _ in range(3)]
            gamma, brightness = draw(*self.gamma), draw(*self.brightness)
            left, right = (recolored(v, gamma, brightness, factors) for v in (left, right))
        return left, right


def recolored(
    image: Tensor, gamma: float, brightness: float, channels: tuple[float, ...] | list[float]
) -> Tensor:
    """``image`` (3, H, W) to the power of ``gamma``, brighter, each channel by its factor."""
    factors = image.new_tensor(channels)[:, None, None]
    return (image.pow(gamma) * brightness * factors).clamp(0, 1)


def area_resized(image: Tensor, height: int, width: int) -> Tensor:
    """(3, H, W) float to a smaller size, each pixel the mean of what it covers, parts included."""
    planes = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    smaller = cv2.resize(planes, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(smaller).permute(2, 0, 1).contiguous()
