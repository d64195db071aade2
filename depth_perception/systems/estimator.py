"""Base classes of estimators, which map an image to a :class:`Prediction`."""

from __future__ import annotations

import copy
import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ..geometry import Camera, Equirectangular, Pinhole
from ..geometry.camera import same_aspect
from ..layers import resize_map
from ..layers.cpu_products import on_cpu
from ..limits import ASPECT
from ..options import Backend
from ..prediction import Prediction, ScaleKind
from .card import ModelCard
from .image_input import network_input, network_size
from .options import ASSUMED_PINHOLE_FOV_DEG, EstimatorOptions, Seam
from .sphere_part import SpherePart, is_full_sphere, part_of_sphere

_log = logging.getLogger(__name__)


class Estimator(ABC):
    """A loaded model that turns images into predictions.

    Subclasses implement :meth:`_batch`, which predicts images of one size, and set
    ``default_options``, which defines the options they take, and ``keeps_aspect``, whether the
    network input has the aspect ratio of the image or, if false, that of its angles of view.

    Attributes:
        card: description of the model.
        network: the bare network, tensors in and tensors out.
        device: device of the network.
        options: options of the estimator.
        remarks: reasons to doubt its results, one sentence each.
    """

    default_options: ClassVar[type[EstimatorOptions]] = EstimatorOptions
    keeps_aspect: ClassVar[bool] = True

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        *,
        device: torch.device | str = "cpu",
        options: EstimatorOptions | None = None,
    ) -> None:
        self.card = card
        self.options = options or self.default_options()
        self.device = torch.device(device)
        # tokens have their channels last: keeping this layout makes the head up to twice as fast
        self.network = network.to(self.device, memory_format=torch.channels_last).eval()
        self._check_options(self.options)
        self._forward = self._forward_by(self.options.backend)
        self._has_warned = False
        self.remarks: tuple[str, ...] = ()

    def with_options(self, **changes: object) -> Estimator:
        """An estimator that shares the networks and differs in some options.

        Raises:
            TypeError, ValueError: an option is invalid, or is the precision or the backend.
        """
        options = replace(self.options, **changes)
        for name in ("precision", "backend"):
            if getattr(options, name) != getattr(self.options, name):
                raise ValueError(f"estimators that share a network share its {name}: load another")
        self._check_options(options)
        twin = copy.copy(self)
        twin.options = options
        return twin

    def _check_options(self, options: EstimatorOptions) -> None:
        if self.card.camera != "equirectangular" and options.seam not in ("auto", "off"):
            raise ValueError(
                f"seam={options.seam!r} needs a panoramic model; {self.card.name} is a "
                f"{self.card.camera} model"
            )

    def _forward_by(self, backend: Backend) -> Callable[..., Any]:
        """The callable that replaces the network."""
        if backend == "torch":
            self._set_precision(getattr(torch, self.options.precision))
            return on_cpu(self.network)
        from ..backends import GraphForward

        precision = self.options.precision
        return GraphForward(self.network, backend, device=self.device, precision=precision)

    def _set_precision(self, precision: torch.dtype) -> None:
        """Convert the part of the network that supports half precision to this precision."""
        self.network.encoder.to(precision)

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """Depth of one image.

        Args:
            image: (H, W, 3) uint8 RGB, NumPy array of any strides or tensor on any device.
            camera: the pixel grid of the image. A panoramic model takes a 2:1 image without a
                camera as the full sphere. A pinhole model assumes a horizontal field of view of
                55 degrees, which only matters to :meth:`Prediction.points`, and logs a warning.

        Raises:
            TypeError: the image is not uint8, or of no known type.
            ValueError: the image has no (H, W, 3) shape or no pixels, the camera does not belong
                to it or to the model, or a panorama is not 2:1 and has no camera.
        """
        return self._batch((self._to_device(image),), (camera,))[0]

    def batch(
        self, images: Sequence[np.ndarray | Tensor], cameras: Sequence[Camera | None] | None = None
    ) -> tuple[Prediction, ...]:
        """Depth of several images of one size, as by single calls but in one run where possible.

        Args:
            images: each as in :meth:`__call__`.
            cameras: one for each image, or None for all.

        Raises:
            TypeError, ValueError: as :meth:`__call__`; also images of several sizes, or another
                number of cameras than of images.
        """
        cameras = [None] * len(images) if cameras is None else list(cameras)
        if len(cameras) != len(images):
            raise ValueError(f"{len(images)} images but {len(cameras)} cameras")
        pixels = [self._to_device(image) for image in images]
        sizes = {tuple(image.shape) for image in pixels}
        if len(sizes) > 1:
            raise ValueError(f"images of a batch must have one size, got {sorted(sizes)}")
        if not pixels:
            return ()
        return self._batch(pixels, cameras)

    @abstractmethod
    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        """Predictions of images (H, W, 3) uint8 of one size on the device of the network."""

    def _predicted(self, values: Tensor, valid: Tensor, camera: Camera, **more: Any) -> Prediction:
        """A prediction of the kind, space and scale of the card."""
        card = self.card
        facts = {"kind": card.kind, "space": card.space, "scale": card.scale, **more}
        return Prediction(values, valid, camera, **facts)

    def _seam_of(self, camera: Camera) -> Seam:
        wraps = isinstance(camera, Equirectangular) and camera.is_full_turn
        if not wraps:
            return "off"
        return "circular" if self.options.seam == "auto" else self.options.seam

    def input_size(self, camera: Camera) -> tuple[int, int]:
        """Size (height, width) of the network input for images of a camera.

        Of a partial panorama it is the part of the full sphere that the image covers.
        """
        if (part := self._part_of_sphere(camera)) is not None:
            return part.rows, part.columns
        height = self.options.height or self.card.default_height
        columns = 2 * height if isinstance(camera, Equirectangular) else height
        patch = self.card.patch_size
        if self.keeps_aspect:
            size = network_size(camera.height, camera.width, height, columns, multiple=patch)
            return self._accepted_size(size)
        rows = columns = height
        if isinstance(camera, Equirectangular):
            rows = max(1, round(height * camera.vertical_fov / math.pi))
            columns = max(1, round(height * camera.horizontal_fov / math.pi))
        return self._accepted_size(network_size(rows, columns, rows, columns, multiple=patch))

    def _accepted_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The size nearest to this one that the network takes; it fits whole patches."""
        return size

    def _part_of_sphere(self, camera: Camera) -> SpherePart | None:
        """Where a partial panorama lies in the network input; None for a full one, and for networks
        that take the angles of view of an image."""
        is_panorama = self.keeps_aspect and isinstance(camera, Equirectangular)
        if not is_panorama or is_full_sphere(camera):
            return None
        height = self.options.height or self.card.default_height
        sphere = network_size(1, 2, height, 2 * height, multiple=self.card.patch_size)
        return part_of_sphere(camera, *self._accepted_size(sphere))

    def warm_up(self, height: int, width: int, camera: Camera | None = None) -> None:
        """Run once on a black image of this size, so that the first real image is not slower."""
        if camera is None and self.card.camera == "equirectangular":
            camera = Equirectangular(height, width)
        elif camera is None:
            camera = assumed_pinhole(height, width)
        self(torch.zeros((height, width, 3), dtype=torch.uint8, device=self.device), camera)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _to_device(self, image: np.ndarray | Tensor) -> Tensor:
        if not isinstance(image, (np.ndarray, Tensor)):
            raise TypeError(f"image must be a NumPy array or a tensor, got {type(image).__name__}")
        shape = tuple(image.shape)
        if len(shape) != 3 or shape[2] != 3:
            raise ValueError(f"image must be (height, width, 3) RGB, got shape {shape}")
        if 0 in shape:
            raise ValueError(f"image has no pixels: shape {shape}")
        if image.dtype != (np.uint8 if isinstance(image, np.ndarray) else torch.uint8):
            raise TypeError(f"image must be uint8 with values 0..255, got {image.dtype}")
        if isinstance(image, np.ndarray):
            if not image.flags.writeable or min(image.strides) < 0:
                image = image.copy()
            image = torch.from_numpy(image)
        return image.to(self.device, non_blocking=True)

    def _camera_of(self, camera: Camera | None, height: int, width: int) -> Camera:
        if self.card.camera == "pinhole":
            ratio = max(height, width) / min(height, width)
            ASPECT.check(ratio, f"the image is {width} x {height} (width x height)")
        if camera is not None:
            return self._checked(camera, height, width)
        if self.card.camera == "pinhole":
            if not self._has_warned:
                _log.warning(
                    "no camera given: %s will assume a horizontal field of view of %g degrees",
                    "metres" if self.card.needs_camera else "points",
                    ASSUMED_PINHOLE_FOV_DEG,
                )
                self._has_warned = True
            return assumed_pinhole(height, width)
        if not same_aspect((height, width), (1, 2)):
            raise ValueError(
                f"the image is {width} x {height}, but a full panorama is twice as wide as high. "
                "If it shows a part of the sphere, say which: camera=Equirectangular.partial("
                f"{height}, {width}, horizontal_fov, vertical_fov) with angles in radians"
            )
        return Equirectangular(height, width)

    def _checked(self, camera: Camera, height: int, width: int) -> Camera:
        wanted = Equirectangular if self.card.camera == "equirectangular" else Pinhole
        if not isinstance(camera, wanted):
            raise ValueError(
                f"{self.card.name} needs a camera of type {wanted.__name__}, got "
                f"{type(camera).__name__}"
            )
        if (camera.height, camera.width) != (height, width):
            raise ValueError(
                f"the camera grid is {camera.width} x {camera.height} but the image is {width} x "
                f"{height}: use camera.resize({height}, {width}) if it is the same view"
            )
        return camera


class DenseEstimator(Estimator):
    """Estimator of a network that returns one map of values for an image."""

    def _batch(
        self, images: Sequence[Tensor], cameras: Sequence[Camera | None]
    ) -> tuple[Prediction, ...]:
        cameras = [self._camera_of(camera, *images[0].shape[:2]) for camera in cameras]
        views = [
            (self.input_size(c), self._seam_of(c), self._part_of_sphere(c), self._view(c))
            for c in cameras
        ]
        size, seam, part, view = views[0]
        if any(other != views[0] for other in views):
            raise ValueError("cameras of a batch must show the same angles of view")
        with torch.inference_mode():
            inputs = [self._network_input(pixels, size, seam != "off") for pixels in images]
            whole = torch.cat(inputs)
            values = self._infer(whole if part is None else part.fill(whole), seam, **view)
            values = values if part is None else part.cut(values)
            if self.options.output_size == "input":
                values = resize_map(
                    values,
                    tuple(images[0].shape[:2]),
                    circular=seam != "off",
                    align_corners=self.options.align_corners,
                )
            else:
                cameras = [camera.resize(*size) for camera in cameras]
        # tensors that autograd and in-place operations accept
        facts = {} if part is None else self._facts_of_part(part)
        return tuple(
            self._predicted(one, self._valid(maps), camera, **facts)
            for one, maps, camera in zip(values[:, 0].clone(), values, cameras, strict=True)
        )

    def _facts_of_part(self, part: SpherePart) -> dict[str, Any]:
        """What a prediction of a partial panorama says about itself: its metres are unreliable."""
        if not self.card.is_metric or part.is_enough:
            return {}
        return {
            "scale": ScaleKind.SCALE_INVARIANT,
            "note": f"the image shows {part.rows} of {part.height} rows and {part.columns} of "
            f"{part.width} columns of the sphere, and {self.card.name} is trained on full "
            "panoramas: its depth holds up to a factor, recover the metric scale",
        }

    def _view(self, camera: Camera) -> dict[str, Any]:
        """Arguments of the network that depend on the camera."""
        return {}

    def _infer(self, images: Tensor, seam: Seam, **view: Any) -> Tensor:
        """Values (B, C, h, w) float32 of normalised images (B, 3, h, w); see :meth:`_run`."""
        half_turn = images.shape[-1] // 2
        if seam == "blend":
            images = torch.cat((images, images.roll(half_turn, -1)))
        if self.options.flip:
            images = torch.cat((images, images.flip(-1)))
        values = self._run(images, seam == "circular", **view).float()
        if self.options.flip:
            plain, mirrored = values.chunk(2)
            values = self._merged(plain, mirrored.flip(-1))
        if seam == "blend":
            plain, turned = values.chunk(2)
            weight = _distance_to_seam(images.shape[-1], values.device)
            values = torch.lerp(turned.roll(-half_turn, -1), plain, weight)
        return values

    def _network_input(self, pixels: Tensor, size: tuple[int, int], circular: bool) -> Tensor:
        """Input (1, 3, *size) of pixels (H, W, 3) uint8; ``circular`` where the borders meet."""
        return network_input(pixels, size, antialias=self.card.antialias)

    def _run(self, images: Tensor, circular: bool, **view: Any) -> Tensor:
        """Values (B, C, h, w) of images (B, 3, h, w); the first channel is that of the prediction,
        others are for :meth:`_valid`."""
        return self._forward(images, circular=circular, **view)

    def _merged(self, plain: Tensor, mirrored: Tensor) -> Tensor:
        """Merge the values of the image with those of the mirrored image, mirrored back."""
        return (plain + mirrored) / 2

    def _valid(self, maps: Tensor) -> Tensor:
        """(H, W) bool of all channels (C, H, W) of one image at the size of the prediction."""
        return self._is_valid(maps[0])

    def _is_valid(self, values: Tensor) -> Tensor:
        return values < (self.card.sky_above_m or math.inf)


def assumed_pinhole(height: int, width: int) -> Pinhole:
    """The default camera of a pinhole image."""
    return Pinhole.from_fov(height, width, math.radians(ASSUMED_PINHOLE_FOV_DEG))


def _distance_to_seam(width: int, device: torch.device) -> Tensor:
    """Weight (width,) of each column of the unturned run: 0 at the borders, 1 in the middle."""
    column = torch.arange(width, device=device, dtype=torch.float32) + 0.5
    distance = torch.minimum(column, width - column) / (width / 2)
    return distance * distance * (3 - 2 * distance)
