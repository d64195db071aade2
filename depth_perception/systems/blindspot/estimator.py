"""The estimators of the blind-spot VGG: any panorama, and pinhole images, to depth."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular, Pinhole
from ...networks import resize_map
from ...prediction import DepthSpace, Prediction, ScaleKind
from ..estimator import Estimator, EstimatorOptions, Seam
from ..panorama_input import plain_input
from .disparity import (
    KITTI_BASELINE_M,
    KITTI_FOCAL,
    PANORAMA_BASELINE_M,
    RangeFormula,
    merge_ramps,
    range_factor,
)
from .input import ANISOTROPY, NetworkView, angular_view, authors_view, lanczos_planes, view_planes
from .network import BlindSpotVgg

PinholeFormula = Literal["authors", "relative"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlindSpotOptions(EstimatorOptions):
    """How the blind-spot VGG runs on panoramas. ``height`` is half the columns of a full turn.

    ``seam`` and ``flip`` are on, as the authors run it; their ring padding is ``circular``.

    Attributes:
        formula: how disparity becomes metres, see
            :func:`~depth_perception.systems.blindspot.disparity.range_factor`. ``relative`` returns
            the disparity itself: inverse range up to one factor.
        baseline_m: distance of the cameras of the training.
        training_fov_deg, training_width: field of view and columns of the training pictures.
        latitudes_deg: (upper, lower) border, degrees downward from the horizon, of what the
            network sees; the rest is not valid. The default is the crop of the paper, rows 424 to
            723 of 1024. None shows it everything.
        anisotropy: columns per degree divided by rows per degree of the network input.
        authors_size: (height, width) of the network input in the authors' evaluation, whose way
            is then taken to the letter: no crop, Lanczos on bytes, zeros on top. ``height``,
            ``latitudes_deg`` and ``anisotropy`` have no effect, and an image without a camera is
            a full turn with its horizon in the middle.
    """

    seam: Seam = "circular"
    flip: bool = True
    formula: RangeFormula = "authors"
    baseline_m: float = PANORAMA_BASELINE_M
    training_fov_deg: float = 82.5
    training_width: int = 512
    latitudes_deg: tuple[float, float] | None = (-15.5, 37.3)
    anisotropy: float = ANISOTROPY
    authors_size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_choice("formula", self.formula, get_args(RangeFormula))
        for name in ("baseline_m", "training_fov_deg", "training_width", "anisotropy"):
            _check_positive(name, getattr(self, name))
        if self.training_fov_deg > 360:
            raise ValueError(f"training_fov_deg is at most 360, got {self.training_fov_deg}")
        if self.latitudes_deg is not None:
            upper, lower = self.latitudes_deg
            if not -90 <= upper < lower <= 90:
                raise ValueError(
                    "latitudes_deg must be (upper, lower) with -90 <= upper < lower <= 90, "
                    f"downward from the horizon, got {self.latitudes_deg}"
                )
        if self.authors_size is not None and min(self.authors_size) < 1:
            raise ValueError(f"authors_size must be positive, got {self.authors_size}")


@dataclass(frozen=True)
class BlindSpotPinholeOptions(EstimatorOptions):
    """How the same network runs on pinhole images. ``height`` is half its columns, as in training.

    ``flip`` takes the outer twentieths of the image from one run alone, as monodepth does.

    Attributes:
        formula: ``authors`` is z = f_x B / (d W), ``relative`` returns the disparity itself:
            inverse z-depth up to one factor.
        baseline_m: distance of the cameras of the training.
    """

    formula: PinholeFormula = "authors"
    baseline_m: float = KITTI_BASELINE_M

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_choice("formula", self.formula, get_args(PinholeFormula))
        _check_positive("baseline_m", self.baseline_m)


class _DisparityEstimator(Estimator):
    """What both have in common."""

    network: BlindSpotVgg
    options: BlindSpotOptions | BlindSpotPinholeOptions

    def _run(self, images: Tensor, circular: bool) -> Tensor:
        return self._forward(images, circular=circular)[0][:, :1]

    def _prediction(
        self, disparity: Tensor, factor: float | None, camera: Camera, valid: Tensor
    ) -> Prediction:
        """``disparity`` (1, 1, H, W); depth is ``factor`` over it, None leaves it."""
        values = disparity[0, 0].clone()  # a tensor that autograd and in-place operations accept
        relative = factor is None
        return Prediction(
            values=values if factor is None else factor / values,
            valid=valid.expand_as(values) & (values > 0),
            camera=camera,
            kind=self.card.kind,
            space=DepthSpace.INVERSE_DEPTH if relative else DepthSpace.DEPTH,
            scale=ScaleKind.SCALE_INVARIANT if relative else ScaleKind.METRIC,
        )

    def _rounded_height(self) -> int:
        multiple = self.card.patch_size
        height = self.options.height or self.card.default_height
        return max(1, round(height / multiple)) * multiple


class BlindSpotEstimator(_DisparityEstimator):
    """Range of panoramas."""

    _batches = False

    options: BlindSpotOptions

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """As :meth:`Estimator.__call__`.

        Raises:
            ValueError: also where the image shows nothing between ``latitudes_deg``, or does not
                fit ``authors_size``.
        """
        pixels = self._to_device(image)
        known = self._camera_of(camera, *pixels.shape[:2])
        view = self._view(known)
        seam = self.options.seam if known.is_full_turn else "off"
        with torch.inference_mode():
            disparity = view.restore(self._infer(view.fill(self._planes(pixels, view, seam)), seam))
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

    def _planes(self, pixels: Tensor, view: NetworkView, seam: Seam) -> Tensor:
        if self.options.authors_size is not None:
            return lanczos_planes(pixels, view)
        return view_planes(pixels, view, seam != "off")

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
    """z-depth of pinhole images; one without a camera is taken as seen by KITTI's."""

    _batches = False

    options: BlindSpotPinholeOptions

    def __call__(self, image: np.ndarray | Tensor, camera: Camera | None = None) -> Prediction:
        """As :meth:`Estimator.__call__`."""
        pixels = self._to_device(image)
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
        height = self._rounded_height()
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


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be positive, got {value}")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
