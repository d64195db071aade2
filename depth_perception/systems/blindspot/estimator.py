"""Estimators of the blind-spot VGG for panoramas and for pinhole images."""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular, Pinhole
from ...layers import resize_map
from ...prediction import DepthSpace, Prediction, ScaleKind
from ..estimator import DenseEstimator
from ..image_input import plain_input
from .config import KITTI_FOCAL
from .disparity import merge_ramps, range_factor
from .input import NetworkView, angular_view, authors_view, lanczos_planes
from .network import BlindSpotVgg
from .options import BlindSpotOptions, BlindSpotPinholeOptions

_log = logging.getLogger(__name__)


class _DisparityEstimator(DenseEstimator):
    """Base class of both estimators."""

    network: BlindSpotVgg
    options: BlindSpotOptions | BlindSpotPinholeOptions

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        return tuple(self._predict(*pair) for pair in zip(images, cameras, strict=True))

    @abstractmethod
    def _predict(self, pixels: Tensor, camera: Camera | None) -> Prediction:
        """Depth of one image."""

    def _run(self, images: Tensor, circular: bool) -> Tensor:
        return self._forward(images, circular=circular)[0][:, :1]

    def _prediction(
        self, disparity: Tensor, factor: float | None, camera: Camera, valid: Tensor
    ) -> Prediction:
        """Depth is ``factor`` / ``disparity`` (1, 1, H, W); None returns the disparity."""
        values = disparity[0, 0].clone()  # a tensor that autograd and in-place operations accept
        valid = valid.expand_as(values) & (values > 0)
        if factor is not None:
            return self._predicted(factor / values, valid, camera)
        unscaled = {"space": DepthSpace.INVERSE_DEPTH, "scale": ScaleKind.SCALE_INVARIANT}
        return self._predicted(values, valid, camera, **unscaled)


class BlindSpotEstimator(_DisparityEstimator):
    """Range of panoramas.

    Images without rows between ``latitudes_deg`` or that do not fit ``authors_size`` are rejected.
    """

    options: BlindSpotOptions

    def _predict(self, pixels: Tensor, camera: Camera | None) -> Prediction:
        known = self._camera_of(camera, *pixels.shape[:2])
        view = self._view(known)
        seam = self._seam_of(known)
        with torch.inference_mode():
            if self.options.authors_size is not None:
                planes = lanczos_planes(pixels, view)
            else:
                planes = plain_input(pixels, (view.rows, view.columns), seam != "off")
            disparity = view.restore(self._infer(view.fill(planes), seam))
            size = (known.height, known.width)
            if self.options.output_size == "network":
                size = (view.rows, view.columns)
            else:
                disparity = resize_map(
                    disparity,
                    size,
                    circular=seam != "off" and self.options.authors_size is None,
                    align_corners=self.options.align_corners,
                )
            seen = view.seen(size[0], disparity.device)
            factor = self._factor(known, view)
        return self._prediction(disparity, factor, known.resize(*size), seen)

    def input_size(self, camera: Camera) -> tuple[int, int]:
        return self._view(camera).size

    def _view(self, camera: Camera) -> NetworkView:
        options, multiple = self.options, self.card.patch_size
        if options.authors_size is not None:
            return authors_view(camera.height, camera.width, options.authors_size, multiple)
        latitudes = options.latitudes_deg
        return angular_view(
            camera,
            turn_px=2 * (options.height or self.card.default_height),
            multiple=multiple,
            latitudes=None if latitudes is None else tuple(map(math.radians, latitudes)),
            anisotropy=options.anisotropy,
        )

    def _factor(self, camera: Camera, view: NetworkView) -> float | None:
        options = self.options
        if options.formula == "relative":
            return None
        turns = 2 * math.pi / camera.horizontal_fov
        return range_factor(
            options.formula,
            baseline_m=options.baseline_m,
            network_turn_px=view.columns * turns,
            image_turn_px=camera.width * turns,
            training_width=options.training_width,
            training_fov_rad=math.radians(options.training_fov_deg),
        )

    def _camera_of(self, camera: Camera | None, height: int, width: int) -> Camera:
        if camera is None and self.options.authors_size is not None and width >= 2 * height:
            turn = 2 * math.pi
            return Equirectangular.partial(height, width, turn, turn * height / width)
        return super()._camera_of(camera, height, width)


class BlindSpotPinholeEstimator(_DisparityEstimator):
    """z-depth of pinhole images; without a camera, KITTI's camera is assumed."""

    options: BlindSpotPinholeOptions

    def _predict(self, pixels: Tensor, camera: Camera | None) -> Prediction:
        known = self._camera_of(camera, *pixels.shape[:2])
        size = self.input_size(known)
        with torch.inference_mode():
            disparity = self._infer(plain_input(pixels, size), "off")
            if self.options.output_size == "input":
                size = (known.height, known.width)
                disparity = resize_map(
                    disparity, size, circular=False, align_corners=self.options.align_corners
                )
        factor = None
        if self.options.formula != "relative":
            factor = self.options.baseline_m * known.fx / known.width
        everywhere = torch.ones((1, 1), dtype=torch.bool, device=disparity.device)
        return self._prediction(disparity, factor, known.resize(*size), everywhere)

    def input_size(self, camera: Camera) -> tuple[int, int]:
        multiple = self.card.patch_size
        height = self.options.height or self.card.default_height
        height = max(1, round(height / multiple)) * multiple
        return height, 2 * height

    def _merged(self, plain: Tensor, mirrored: Tensor) -> Tensor:
        return merge_ramps(plain, mirrored)

    def _camera_of(self, camera: Camera | None, height: int, width: int) -> Camera:
        if camera is not None:
            return self._checked(camera, height, width)
        if not self._has_warned:
            _log.warning("no camera given: depth assumes a focal length of %g widths", KITTI_FOCAL)
            self._has_warned = True
        focal = KITTI_FOCAL * width
        return Pinhole(height, width, focal, focal, width / 2, height / 2)
