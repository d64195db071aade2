"""The estimator of PanopticDepth: segments with their depth."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...geometry.segment_boxes import segment_boxes
from ...prediction import Instance, Prediction
from ..estimator import Estimator
from .input import fitting_size, normalised, padded, resized
from .kernels import segment_kernels
from .lean_maps import lean_map
from .maps import PanopticMap, Segment, View, plain_map
from .network import PanopticDepth, PanopticFeatures
from .options import PanopticDepthOptions


class PanopticDepthEstimator(Estimator):
    """Segments of an image, and their z-depth in metres where the model has depth.

    Predictions of a model without depth have NaN values, none of them valid. An image without a
    camera is rejected if ``reference_focal_px`` is above 0.
    """

    network: PanopticDepth
    options: PanopticDepthOptions
    default_options = PanopticDepthOptions

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their numbers."""
        return tuple(entry.name for entry in self.network.config.classes)

    @property
    def class_colours(self) -> tuple[tuple[int, int, int], ...]:
        """Colours of the classes by their numbers, RGB, 0..255."""
        return tuple(entry.colour for entry in self.network.config.classes)

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
        known = [self._camera_of(camera, *size) for camera in cameras]
        network_size = self.input_size(known[0])
        output = size if self.options.output_size == "input" else network_size
        with torch.inference_mode():
            planes = [resized(image, network_size).permute(2, 0, 1) for image in images]
            maps = self.maps(normalised(torch.stack(planes)), output)
        # outside of inference mode, so that autograd and in-place operations accept the tensors
        factors = [self._focal_factor(camera, network_size) for camera in cameras]
        return tuple(
            self._prediction(found, camera.resize(*output), factor)
            for found, camera, factor in zip(maps, known, factors, strict=True)
        )

    def _focal_factor(self, camera: Camera | None, network_size: tuple[int, int]) -> float:
        reference = self.options.reference_focal_px
        if reference is None:
            reference = self.card.reference_focal_px
        if not reference or not isinstance(camera, Pinhole):
            return 1.0
        return camera.resize(*network_size).fx / reference

    def _prediction(self, found: PanopticMap, camera: Camera, factor: float) -> Prediction:
        segments = torch.where(found.ids < 0, 0, found.ids)
        depth = torch.full_like(found.ids, math.nan, dtype=torch.float32)
        if found.depth is not None:
            depth = found.depth * factor
        names = self.class_names
        flat = [index for index, name in enumerate(names) if name in self.options.without_depth]
        beyond = torch.isin(found.classes, found.classes.new_tensor(flat)) & (segments > 0)
        dropped = [
            entry.id for entry in found.segments if names[entry.class_id] in self.options.drop
        ]
        segments = segments.masked_fill(torch.isin(segments, segments.new_tensor(dropped)), 0)
        kept = tuple(entry for entry in found.segments if entry.id not in dropped)
        instances = self._instances(kept, segments)
        valid = ~beyond & (depth > 0)
        return self._predicted(depth, valid, camera, instances=instances, segments=segments)

    def _instances(self, found: Sequence[Segment], segments: Tensor) -> tuple[Instance, ...]:
        classes = self.network.config.classes
        boxes = segment_boxes(segments, [entry.id for entry in found])
        return tuple(
            Instance(
                id=entry.id,
                class_id=entry.class_id,
                label=classes[entry.class_id].name,
                score=min(1.0, entry.score),
                is_thing=classes[entry.class_id].is_thing,
                box=(left, top, right, bottom),
                mask=segments[top:bottom, left:right] == entry.id,
            )
            for entry, (left, top, right, bottom) in zip(found, boxes, strict=True)
        )

    def _check_options(self, options: PanopticDepthOptions) -> None:
        super()._check_options(options)
        unknown = sorted(set(options.drop) - set(self.class_names))
        if unknown:
            raise ValueError(
                f"drop names classes that {self.card.name} does not know: {', '.join(unknown)}; "
                f"it knows {', '.join(self.class_names)}"
            )

    def _set_precision(self, precision: torch.dtype) -> None:
        self.network.set_precision(precision)
