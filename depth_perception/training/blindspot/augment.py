"""Augmentation of stereo pairs as in monodepth (Godard et al., CVPR 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StereoAugmentation:
    """Random augmentation of a pair.

    Attributes:
        mirror: probability that the views are mirrored and exchanged, which keeps their geometry.
        color: probability of the same change of gamma, brightness and colour in both views.
        gamma, brightness, channel: ranges of the exponent and the factors.
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
        """Augment a pair (3, H, W) float in [0, 1], on the CPU, with a horizontal baseline."""

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
    """``image`` (3, H, W) to the power ``gamma``, times brightness and a factor per channel."""
    factors = image.new_tensor(channels)[:, None, None]
    return (image.pow(gamma) * brightness * factors).clamp(0, 1)
