"""The estimator of DA2: range of panoramas up to one factor."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular
from ..estimator import DenseEstimator
from ..image_input import antialiased, normalised
from ..options import Seam
from .network import Da2
from .sphere import View

_QUANTILE = 0.98  # of the range in an image: the published unit


class Da2Estimator(DenseEstimator):
    """Range by DA2 in units of the 98 % quantile of each image.

    Images are resized to the height of the network as in the authors' evaluation. The network
    sees the directions of its own pixels. (Without that resize, the original's directions go
    beyond the sphere.) ``seam="off"`` is the published network, with zeros or mirrored values
    beyond all borders.
    """

    network: Da2
    keeps_aspect = False

    def _network_input(self, pixels: Tensor, size: tuple[int, int], circular: bool) -> Tensor:
        image = pixels.permute(2, 0, 1)[None].float()
        if tuple(image.shape[-2:]) != tuple(size):
            image = antialiased(image, size).round().clamp(0, 255)
        return normalised(image / 255)

    def _view(self, camera: Camera) -> dict[str, Any]:
        assert isinstance(camera, Equirectangular)
        if camera.is_full_turn and math.isclose(camera.vertical_fov, math.pi, abs_tol=1e-6):
            return {}
        side = camera.horizontal_fov / 2  # any direction may be the forward one
        return {"view": View(-side, side, camera.latitude_min, camera.latitude_max)}

    def _infer(self, images: Tensor, seam: Seam, **view: Any) -> Tensor:
        ranges = super()._infer(images, seam, **view)
        return ranges / quantile(ranges.flatten(1), _QUANTILE)[:, None, None, None]


def quantile(values: Tensor, share: float) -> Tensor:
    """Quantile (B,) of rows (B, N) of any length, with linear interpolation."""
    place = share * (values.shape[1] - 1)
    low, high = (values.kthvalue(1 + round_(place), 1).values for round_ in (math.floor, math.ceil))
    return torch.lerp(low, high, place - math.floor(place))
