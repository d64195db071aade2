"""A model without a network: depth from the brightness of the image, for benches of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ..geometry import Camera, DepthKind, Equirectangular
from ..prediction import DepthSpace, Prediction, ScaleKind

NEAREST_M, SPAN_M = 1.0, 8.0


@dataclass(frozen=True)
class IdentityEstimator:
    """Range on a grid of ``height`` rows and twice as many columns by :func:`identity_depth`."""

    height: int
    device: ClassVar[torch.device] = torch.device("cpu")

    def __call__(self, image: Tensor, camera: Camera | None = None) -> Prediction:
        """The prediction of a full panorama (H, W, 3) uint8."""
        values = identity_depth(image, self.height)
        return Prediction(
            values=values,
            valid=torch.ones_like(values, dtype=torch.bool),
            camera=(camera or Equirectangular(*image.shape[:2])).resize(*values.shape),
            kind=DepthKind.RANGE,
            space=DepthSpace.DEPTH,
            scale=ScaleKind.METRIC,
        )


def identity_depth(image: Tensor, height: int) -> Tensor:
    """(height, 2 height) float32 metres: 1 for black to 9 for full green, the nearest pixel's."""
    rows = torch.arange(height) * image.shape[0] // height
    columns = torch.arange(2 * height) * image.shape[1] // (2 * height)
    green = image[..., 1].index_select(0, rows).index_select(1, columns)
    return green.float().mul_(SPAN_M / 255).add_(NEAREST_M)


def bench_image(height: int, width: int) -> np.ndarray:
    """(H, W, 3) uint8 RGB: smooth, with a brighter block whose border is a jump of the depth."""
    v = np.linspace(0, 1, height, endpoint=False)[:, None]
    u = np.linspace(0, 1, width, endpoint=False)[None]
    waves = (
        np.sin(2 * np.pi * u) * np.cos(np.pi * v),
        0.4 * np.cos(4 * np.pi * u) * np.sin(np.pi * v),
        np.cos(2 * np.pi * (u + v)),
    )
    image = np.stack([np.broadcast_to(wave, (height, width)) for wave in waves], axis=-1)
    image = np.rint(100 + 60 * image).astype(np.uint8)
    image[height // 3 : height // 2, width // 5 : width // 3] = (250, 240, 230)
    return image
