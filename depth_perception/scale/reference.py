"""Known depths of an image, in metres at some of its pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .fits import FitError


class SourceError(FitError):
    """A source has no reliable depths for this image."""


@dataclass(frozen=True)
class Reference:
    """Known depths on the grid of a prediction.

    Attributes:
        depth_m: (H, W) float32 metres in the kind (range or z-depth) of the prediction, NaN where
            unknown.
        sigma_m: (H, W) float32 standard deviation of each, metres.
        source: its name, as in the message DepthScale: "points", "camera_height", ...
    """

    depth_m: Tensor
    sigma_m: Tensor
    source: str

    def __post_init__(self) -> None:
        if self.depth_m.ndim != 2 or self.depth_m.shape != self.sigma_m.shape:
            raise ValueError(
                f"depth_m {tuple(self.depth_m.shape)} and sigma_m {tuple(self.sigma_m.shape)} must "
                "be two maps (height, width) of one shape"
            )

    def weights(self, noise_m: float, noise_ratio: float) -> Tensor:
        """(H, W) weight of each pixel, at most 1: smaller where the reference is less accurate.

        ``noise_m`` and ``noise_ratio`` are those of the model, as in :class:`FitOptions`. Unknown
        pixels get 0.
        """
        model = noise_m**2 + (noise_ratio * self.depth_m) ** 2
        trust = model / (model + self.sigma_m**2)
        return torch.where(torch.isfinite(trust), trust, 0.0)
