"""The estimator of PanoLite: range of panoramas from the height of the camera."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import Camera
from ...layers import resize_map
from ...prediction import Prediction
from ..estimator import DenseEstimator
from ..image_input import plain_input
from .config import STRIDE
from .network import PanoLite
from .options import PanoLiteOptions


class PanoLiteEstimator(DenseEstimator):
    """Range by the network times ``camera_height_m``, with its uncertainty and validity.

    The network always sees a full sphere: what a partial panorama lacks of it is black.
    """

    network: PanoLite
    options: PanoLiteOptions
    default_options = PanoLiteOptions

    def input_size(self, camera: Camera) -> tuple[int, int]:
        return self._rows, 2 * self._rows

    @property
    def _rows(self) -> int:
        height = self.options.height or self.card.default_height
        return max(1, round(height / STRIDE)) * STRIDE

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        cameras = [self._camera_of(camera, *images[0].shape[:2]) for camera in cameras]
        pairs = list(zip(images, cameras, strict=True))
        with torch.inference_mode():
            maps = self._infer(torch.cat([on_sphere(*pair, self._rows) for pair in pairs]), "off")
            found = zip(maps.split(1), cameras, strict=True)
            return tuple(self._prediction(*pair) for pair in found)

    def _run(self, images: Tensor, circular: bool) -> Tensor:
        return self._forward(images)

    def _prediction(self, maps: Tensor, camera: Camera) -> Prediction:
        """The prediction from the maps (1, 3, H, 2 H) of the network."""
        top, rows, columns = place_of(camera, maps.shape[-2])
        values = range_maps(maps[..., top : top + rows, :columns], self.options.camera_height_m)
        if self.options.output_size == "input":
            size, align = (camera.height, camera.width), self.options.align_corners
            values = resize_map(values, size, circular=camera.is_full_turn, align_corners=align)
        # tensors that autograd and in-place operations accept
        range_m, sigma, logit = values[0].clone().unbind(0)
        camera = camera.resize(*range_m.shape)
        return self._predicted(range_m, logit > 0, camera, sigma=sigma)


def on_sphere(pixels: Tensor, camera: Camera, height: int) -> Tensor:
    """Network input (1, 3, height, 2 height) of an image of a panorama."""
    top, rows, columns = place_of(camera, height)
    planes = plain_input(pixels, (rows, columns), camera.is_full_turn, "bilinear")
    return F.pad(planes, (0, 2 * height - columns, top, height - top - rows))


def range_maps(maps: Tensor, camera_height_m: float) -> Tensor:
    """Range in metres, its relative standard deviation and the logit of validity (B, 3, H, W) from
    the maps of the network."""
    log_ratio, log_sigma, logit = maps.unbind(1)
    sigma = math.sqrt(2) * log_sigma.exp()  # standard deviation of a Laplace distribution
    return torch.stack((camera_height_m * log_ratio.exp(), sigma, logit), 1)


def place_of(camera: Camera, height: int) -> tuple[int, int, int]:
    """First row, rows and columns of a panorama in a full sphere of (height, 2 height)."""
    rows = max(1, round(camera.vertical_fov / math.pi * height))
    columns = max(1, round(camera.horizontal_fov / math.pi * height))
    top = round((camera.latitude_min / math.pi + 0.5) * height)
    return min(top, height - rows), rows, min(columns, 2 * height)
