"""The estimator of PanopticDepth: segments with their depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...prediction import Prediction
from ..estimator import assumed_pinhole
from ..panoptic import PanopticEstimator
from .input import fitting_size, normalised, padded, resized
from .kernels import segment_kernels
from .lean_maps import lean_map
from .maps import PanopticMap, View, plain_map
from .network import PanopticDepth, PanopticFeatures
from .options import PanopticDepthOptions


class PanopticDepthEstimator(PanopticEstimator):
    """Segments of an image, and their z-depth in metres where the model has depth.

    Predictions of a model without depth have NaN values, none of them valid. An image without a
    camera is rejected if ``reference_focal_px`` is above 0.
    """

    network: PanopticDepth
    options: PanopticDepthOptions
    default_options = PanopticDepthOptions

    def input_size(self, camera: Camera) -> tuple[int, int]:
        config = self.network.config
        shorter = self.options.height or config.input_height
        if shorter is None:
            return camera.height, camera.width
        longest = config.longest_side
        if self.options.height is not None:
            longest = max(longest, 2 * shorter)
        return fitting_size(camera.height, camera.width, shorter, longest)

    def maps(self, images: Tensor, output: tuple[int, int]) -> tuple[PanopticMap, ...]:
        """Panoptic maps (*output) of images (B, 3, H, W) from :func:`normalised`."""
        view = View(tuple(images.shape[-2:]), output, self.options.crop_depth)
        features = self._forward(padded(images))
        return tuple(self._map(features.image(index), view) for index in range(len(images)))

    def _map(self, features: PanopticFeatures, view: View) -> PanopticMap:
        config, limits = self.network.config, self.options.limits
        things, stuff = segment_kernels(self.network, features, limits)
        if self.options.lean:
            return lean_map(things, stuff, features, view, config, limits)
        return plain_map(things, stuff, features, view, config, limits).map

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        if self.options.reference_focal_px and None in cameras:
            raise ValueError("reference_focal_px needs the camera of the image")
        size = tuple(images[0].shape[:2])
        depths = self._depths(images, cameras)
        known = [self._camera_of(camera, *size) for camera in cameras] if depths is None else []
        network_size = self.input_size(known[0] if known else assumed_pinhole(*size))
        output = size if self.options.output_size == "input" else network_size
        if depths is not None:
            output = tuple(depths[0].values.shape)
        with torch.inference_mode():
            planes = [resized(image, network_size).permute(2, 0, 1) for image in images]
            maps = self.maps(normalised(torch.stack(planes)), output)
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        if depths is None:
            factors = [self._focal_factor(camera, network_size) for camera in cameras]
            depths = [
                self._own_depth(found, camera.resize(*output), factor)
                for found, camera, factor in zip(maps, known, factors, strict=True)
            ]
        return tuple(
            self._with_segments(depth, torch.where(found.ids < 0, 0, found.ids), found.segments)
            for depth, found in zip(depths, maps, strict=True)
        )

    def _focal_factor(self, camera: Camera | None, network_size: tuple[int, int]) -> float:
        reference = self.options.reference_focal_px
        if reference is None:
            reference = self.card.reference_focal_px
        if not reference or not isinstance(camera, Pinhole):
            return 1.0
        return camera.resize(*network_size).fx / reference

    def _own_depth(self, found: PanopticMap, camera: Camera, factor: float) -> Prediction:
        depth = torch.full_like(found.ids, math.nan, dtype=torch.float32)
        if found.depth is not None:
            depth = found.depth * factor
        return self._predicted(depth, depth > 0, camera)

    def _set_precision(self, precision: torch.dtype) -> None:
        self.network.set_precision(precision)
