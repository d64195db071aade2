"""The estimator of MoGe-2: metric depth, and the camera where none is given."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...prediction import Prediction
from ..estimator import Estimator, assumed_pinhole
from .geometry import MogeGeometry, focal_of_fov, moge_geometry
from .network import Moge, token_grid
from .options import MogeOptions


class MogeEstimator(Estimator):
    """Metric z-depth by MoGe-2.

    A given camera sets the focal length. Without one, the focal length is estimated and the
    principal point is the image centre.
    """

    network: Moge
    options: MogeOptions

    def input_size(self, camera: Camera) -> tuple[int, int]:
        count = self.options.num_tokens or self.network.config.token_range[1]
        patch = self.network.encoder.backbone.patch_size
        rows, columns = token_grid(count, camera.width / camera.height)
        return rows * patch, columns * patch

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        height, width = images[0].shape[:2]
        cameras = [c if c is None else self._checked(c, height, width) for c in cameras]
        with torch.inference_mode():
            maps = self._forward(
                torch.cat([image_planes(pixels) for pixels in images]),
                num_tokens=self.options.num_tokens,
                network_size=self.options.output_size == "network",
            )
            found = [
                moge_geometry(maps, focal=focal_of(camera), aspect=width / height, index=index)
                for index, camera in enumerate(cameras)
            ]
        return tuple(
            self._prediction(geometry, camera or found_camera(geometry, height, width))
            for geometry, camera in zip(found, cameras, strict=True)
        )

    def _prediction(self, found: MogeGeometry, camera: Camera) -> Prediction:
        size = tuple(found.depth.shape)
        if size != (camera.height, camera.width):
            camera = camera.resize(*size)
        return self._predicted(found.depth.clone(), found.mask.clone(), camera)

    def _set_precision(self, precision: torch.dtype) -> None:
        self.network.encoder.backbone.to(precision)


def image_planes(pixels: Tensor) -> Tensor:
    """(H, W, 3) uint8 to (1, 3, H, W) float32 in [0, 1]."""
    return pixels.permute(2, 0, 1)[None].float() / 255


def focal_of(camera: Camera | None) -> float | None:
    """Focal length of a camera in units of half the diagonal of its image."""
    if camera is None:
        return None
    fov = 2 * math.atan(camera.width / 2 / camera.fx)
    return focal_of_fov(fov, camera.width / camera.height)


def found_camera(found: MogeGeometry, height: int, width: int) -> Pinhole:
    """The camera of an image of that size, with its principal point in the middle.

    If the points do not determine a focal length (such as a single pixel), the assumed camera.
    """
    fx, fy = found.normalised_focals()
    if not (math.isfinite(fx) and fx > 0):
        return assumed_pinhole(height, width)
    return Pinhole(height, width, fx * width, fy * height, width / 2, height / 2)
