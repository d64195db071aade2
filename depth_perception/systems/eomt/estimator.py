"""The estimator of EoMT: segments, with the depth of another model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera
from ...prediction import Prediction
from ..panoptic import PanopticEstimator
from .input import fitted_size, padded_input
from .network import Eomt
from .options import EomtOptions
from .segments import candidates, panoptic_map


class EomtEstimator(PanopticEstimator):
    """Segments of an image; depth is that of another model, or NaN."""

    network: Eomt
    options: EomtOptions
    default_options = EomtOptions

    def input_size(self, camera: Camera) -> tuple[int, int]:
        return self.network.config.size

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        size, config = tuple(images[0].shape[:2]), self.network.config
        part = fitted_size(*size, config.size)
        depths = self._depths(images, cameras)
        if depths is None:
            output = size if self.options.output_size == "input" else part
            known = [self._camera_of(camera, *size).resize(*output) for camera in cameras]
            depths = [self._no_depth(camera) for camera in known]
        limits, output = self.options.limits, tuple(depths[0].values.shape)
        with torch.inference_mode():
            maps = self._forward(torch.cat([padded_input(image, config.size) for image in images]))
            found = []
            for masks, classes in zip(*maps, strict=True):
                some = candidates(masks, classes, limits.score)
                some = some.resized(config.size, part, output)
                found.append(panoptic_map(some, config.classes, limits))
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        return tuple(
            self._with_segments(depth, segments.clone(), entries)
            for depth, (segments, entries) in zip(depths, found, strict=True)
        )

    def _no_depth(self, camera: Camera) -> Prediction:
        grid = (camera.height, camera.width)
        values = torch.full(grid, math.nan, device=self.device)
        return self._predicted(values, torch.zeros_like(values, dtype=torch.bool), camera)
