"""The estimator of PanopticDepth: segments with their depth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...geometry import Camera, Pinhole
from ...geometry.segment_boxes import segment_boxes
from ...prediction import Instance, Prediction
from ..card import ModelCard
from ..estimator import Estimator, EstimatorOptions
from .config import PanopticLimits
from .input import fitting_size, normalised, padded, resized
from .kernels import segment_kernels
from .lean_maps import lean_map
from .maps import PanopticMap, Segment, View, plain_map
from .network import PanopticDepth, PanopticFeatures

_WITHOUT_DEPTH = ("sky",)


@dataclass(frozen=True)
class PanopticDepthOptions(EstimatorOptions):
    """How PanopticDepth runs. ``height`` is the shorter side of the network input.

    Attributes:
        limits: least scores and areas of segments; a mapping gives some, as the header of a weights
            file does.
        drop: names of classes that are no segments of the result, such as ground and sky; their
            depth stays.
        without_depth: names of classes whose depth is not valid; names that the model does not
            know are passed over.
        reference_focal_px: focal length, at the size of the network input, of the camera that the
            network was trained with (2262.5 for Cityscapes at 2048 columns). Depth is then
            multiplied by the ratio of the real one to it. None takes that of the card, if there is
            one, where a camera is given; 0 leaves depth as it is.
        lean: make masks and depth only where they matter; the plain way of the authors has the
            same results and needs gigabytes.
        crop_depth: see :class:`~depth_perception.systems.panopticdepth.maps.View`.
    """

    limits: PanopticLimits = field(default_factory=PanopticLimits)
    drop: tuple[str, ...] = ()
    without_depth: tuple[str, ...] = _WITHOUT_DEPTH
    reference_focal_px: float | None = None
    lean: bool = True
    crop_depth: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.limits, Mapping):
            object.__setattr__(self, "limits", PanopticLimits(**self.limits))
        if self.flip:
            raise ValueError("flip=True is not possible: segments of two runs are not the same")
        for name in ("drop", "without_depth"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a tuple of names, got {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        focal = self.reference_focal_px
        if focal is not None and not 0 <= focal < math.inf:
            raise ValueError(f"reference_focal_px must be finite and not negative, got {focal}")


class PanopticDepthEstimator(Estimator):
    """Segments of an image, and their z-depth in metres where the model has depth.

    Predictions of a model without depth have NaN for values, and nothing of them is valid.
    """

    network: PanopticDepth
    options: PanopticDepthOptions

    def __init__(
        self,
        card: ModelCard,
        network: PanopticDepth,
        *,
        device: torch.device | str = "cpu",
        options: PanopticDepthOptions | None = None,
    ) -> None:
        options = options or PanopticDepthOptions()
        super().__init__(card, network, device=device, options=options)
        self._check_names()

    def with_options(self, **changes: object) -> PanopticDepthEstimator:
        twin = super().with_options(**changes)
        twin._check_names()
        return twin

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes by their numbers."""
        return tuple(entry.name for entry in self.network.config.classes)

    @property
    def class_colours(self) -> tuple[tuple[int, int, int], ...]:
        """Colours of the classes by their numbers, RGB, 0..255."""
        return tuple(entry.colour for entry in self.network.config.classes)

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """As :meth:`Estimator.__call__`.

        Raises:
            ValueError: also where ``reference_focal_px`` is above 0 but no camera given.
        """
        pixels = self._to_device(image)
        return self._batch((pixels,), (camera,))[0]

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
        return Prediction(
            values=depth,
            valid=~beyond & (depth > 0),
            camera=camera,
            kind=self.card.kind,
            space=self.card.space,
            scale=self.card.scale,
            instances=self._instances(kept, segments),
            segments=segments,
        )

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

    def _check_names(self) -> None:
        unknown = sorted(set(self.options.drop) - set(self.class_names))
        if unknown:
            raise ValueError(
                f"drop names classes that {self.card.name} does not know: {', '.join(unknown)}; "
                f"it knows {', '.join(self.class_names)}"
            )

    def _set_precision(self, precision: torch.dtype) -> None:
        self.network.set_precision(precision)
