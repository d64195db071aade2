"""The pinhole camera of an image from its CameraInfo, with rectification if needed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..limits import FOCAL_PER_SIDE, IMAGE_PIXELS, printable
from .lens import Lens, LensModel
from .pinhole import Pinhole
from .sampling import SamplingGrid

_ROTATION_TOLERANCE = 1e-3
_FARTHEST_CENTRE = 5.0  # sides of the image
_PANORAMIC = "equirectangular"
_NO_MODEL = ("", "none", "no_distortion", "undistorted", "rectified", "pinhole", "perspective")
_ALIASES = {
    "radtan": LensModel.PLUMB_BOB.value,
    "rational": LensModel.RATIONAL_POLYNOMIAL.value,
    "fisheye": LensModel.EQUIDISTANT.value,
    "kannala_brandt": LensModel.EQUIDISTANT.value,
}


@dataclass(frozen=True)
class Calibration:
    """The content of a CameraInfo, and how its image is to be used.

    Attributes:
        height, width: of the calibrated, full image.
        model, d, k, r, p: as in the message, row-major.
        binning: (x, y), at least 1.
        roi: (top, left, height, width) in the full image; a height of 0 means all of it.
        rectify: whether distorted images are rectified; if not, they are rejected.
        is_rectified: the image is already rectified although the message describes the raw one.
    """

    height: int
    width: int
    model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    r: tuple[float, ...]
    p: tuple[float, ...]
    binning: tuple[int, int]
    roi: tuple[int, int, int, int]
    rectify: bool
    is_rectified: bool

    @classmethod
    def of(cls, info: Any, *, rectify: bool, is_rectified: bool) -> Calibration:
        """The calibration of a ``sensor_msgs/CameraInfo`` of ROS or of a bag, not checked."""
        roi = info.roi
        has_roi = roi.height > 0 and roi.width > 0
        return cls(
            info.height,
            info.width,
            info.distortion_model,
            *(tuple(map(float, values)) for values in (info.d, info.k, info.r, info.p)),
            binning=(max(1, info.binning_x), max(1, info.binning_y)),
            roi=(roi.y_offset, roi.x_offset, roi.height, roi.width) if has_roi else (0, 0, 0, 0),
            rectify=rectify,
            is_rectified=is_rectified,
        )

    @property
    def is_empty(self) -> bool:
        """Whether the message is that of a camera which was never calibrated: K and P are zero."""
        return not any(self.k) and not any(self.p) and self.model != _PANORAMIC

    def view(self, size: tuple[int, int] | None = None) -> View:
        """How images with this calibration become images of a pinhole camera.

        The camera of a raw image without distortion is K, and R and P are ignored, unless K is that
        of no camera and P is one. A rectified image is rotated by R, and its camera is P (K if P is
        zero).

        Args:
            size: (height, width) of the image; it is compared before anything of the size that the
                message states is computed, and counts where the message states none.

        Raises:
            ValueError: the message does not describe a pinhole camera, or not a usable one, or it
                belongs to an image of another size.
        """
        if size is not None and not (self.height or self.width):  # drivers leave it out
            across, down = self.binning
            return replace(self, height=size[0] * down, width=size[1] * across).view(size)
        if size is not None:
            _check_same(size, self._sent_size())
        IMAGE_PIXELS.check(
            self.height * self.width, f"camera_info is of {self.width} x {self.height}"
        )
        if not any(self.d) and not self.is_rectified and self._is_only_p():
            return View(self._camera(self._p_matrix()), None)
        if self.is_rectified:
            if not any(self.p):
                raise ValueError(
                    "image_is_rectified is set, but camera_info has P = 0, which would be the "
                    "camera of a rectified image: calibrate the camera"
                )
            return View(self._camera(self._p_matrix()), None)
        self._check_matrix("K", self.k)
        lens = Lens(self._camera(self.k), *self._lens())
        if lens.is_ideal:
            return View(lens.camera, None)
        if not self.rectify:
            raise ValueError(
                f"the image is distorted ({self.model}, D = {[round(x, 5) for x in self.d]}) and "
                "rectify is false: set rectify, send a rectified image with D = 0, or, if the "
                "image is rectified already, set image_is_rectified"
            )
        target = self._camera(self._p_matrix() if any(self.p) else self.k)
        grid = lens.rectification(target, self._rotation())
        if not bool(grid.valid.any()):
            raise ValueError(
                f"camera_info: nothing of the image is left after rectification with "
                f"D = {list(self.d)}, R = {list(self.r)}, P = {list(self.p)}: calibrate the camera"
            )
        return View(target, grid)

    def _lens(self) -> tuple[LensModel, tuple[float, ...]]:
        """The model and its coefficients, without zeros at the end that it does not have.

        As in OpenCV, the number of coefficients tells a polynomial from a rational one.
        """
        model, given = self._lens_model(), self.d
        if len(given) in model.counts:
            return model, given
        needed = max((k + 1 for k, value in enumerate(given) if value != 0), default=0)
        if model is LensModel.RATIONAL_POLYNOMIAL and len(given) in LensModel.PLUMB_BOB.counts:
            return LensModel.PLUMB_BOB, given
        fitting = [count for count in model.counts if needed <= count < len(given)]
        if fitting:
            return model, given[: max(fitting)]
        if model is LensModel.PLUMB_BOB and len(given) in LensModel.RATIONAL_POLYNOMIAL.counts:
            return LensModel.RATIONAL_POLYNOMIAL, given
        return model, given

    def _lens_model(self) -> LensModel:
        name = self.model.strip().lower()
        if name in _NO_MODEL and not any(self.d):
            return LensModel.PLUMB_BOB
        try:
            return LensModel(_ALIASES.get(name, name))
        except ValueError:
            known = ", ".join(model.value for model in LensModel)
            raise ValueError(
                f"camera_info has the unknown distortion_model {printable(self.model, 60)!r}; "
                f"known are {known}. Send a rectified image with D = 0"
            ) from None

    def _p_matrix(self) -> tuple[float, ...]:
        matrix = (*self.p[0:3], *self.p[4:7], *self.p[8:11])
        self._check_matrix("P", matrix)
        return matrix

    def _is_only_p(self) -> bool:
        """Whether P is the matrix of a camera, but K is zero or the identity or the like."""
        if self.model == _PANORAMIC or _is_usable(self._check_matrix, "K", self.k):
            return False
        is_filler = not any(self.k) or _is_usable(_check_form, "K", self.k)
        return is_filler and _is_usable(lambda *_: self._p_matrix(), "P", self.p)

    def _check_matrix(self, name: str, matrix: tuple[float, ...]) -> None:
        _check_form(name, matrix)
        low, high = FOCAL_PER_SIDE
        for focal, place, side, axis in (
            (matrix[0], matrix[2], self.width, "columns"),
            (matrix[4], matrix[5], self.height, "rows"),
        ):
            longest = max(self.width, self.height)
            if side > 0 and not low * side <= focal <= high * longest:
                raise ValueError(
                    f"camera_info: a focal length of {focal:g} pixels in {name} is that of no "
                    f"camera with {side} {axis}: calibrate the camera"
                )
            if side > 0 and abs(place) > _FARTHEST_CENTRE * longest:
                raise ValueError(
                    f"camera_info: the principal point at {place:g} in {name} is far outside the "
                    f"image of {side} {axis}: calibrate the camera"
                )

    def _rotation(self) -> tuple[float, ...] | None:
        if not any(self.r):
            return None
        turn = np.array(self.r).reshape(3, 3)
        is_rotation = (np.abs(turn) < 1.1).all() and np.linalg.det(turn) > 0  # also not NaN
        if not is_rotation or np.abs(turn @ turn.T - np.eye(3)).max() > _ROTATION_TOLERANCE:
            raise ValueError(
                f"camera_info: R is not a rotation, calibrate the camera: {list(self.r)}"
            )
        return self.r

    def _sent_size(self) -> tuple[int, int]:
        """(height, width) of the image as it is sent."""
        camera = self._camera((1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
        return camera.height, camera.width

    def _camera(self, matrix: tuple[float, ...]) -> Pinhole:
        """The camera of the image as it is sent, after region of interest and binning."""
        camera = Pinhole.from_k(self.height, self.width, matrix)
        if self.roi[2]:
            try:
                camera = camera.crop(*self.roi)
            except ValueError as error:
                raise ValueError(
                    f"camera_info: roi does not fit, it must lie in the image: {error}"
                ) from error
        across, down = self.binning
        if (across, down) == (1, 1):
            return camera
        return camera.resize(max(1, camera.height // down), max(1, camera.width // across))


@dataclass(frozen=True, eq=False)
class View:
    """How raw images become images of a pinhole camera.

    Attributes:
        camera: of the new image.
        grid: position of each of its pixels in the raw image; None: the image is used as it is.
    """

    camera: Pinhole
    grid: SamplingGrid | None

    @property
    def unseen(self) -> Tensor | None:
        """(H, W) bool: pixels outside the raw image; None if there are none."""
        return None if self.grid is None else ~self.grid.valid

    def to(self, device: torch.device | str) -> View:
        """The same view for images on a device."""
        return View(self.camera, None if self.grid is None else self.grid.to(device))

    def apply(self, image: Tensor) -> Tensor:
        """The pinhole image (h, w, 3) of a raw one (H, W, 3), uint8 on the device of the view.

        Raises:
            ValueError: the image has another size.
        """
        raw = self.camera if self.grid is None else self.grid
        _check_same(tuple(image.shape[:2]), (raw.height, raw.width))
        if self.grid is None:
            return image
        return self.grid.sample(image.permute(2, 0, 1)).permute(1, 2, 0)


def _is_usable(check: Callable[..., object], name: str, matrix: tuple[float, ...]) -> bool:
    try:
        check(name, matrix)
    except ValueError:
        return False
    return True


def _check_same(image: tuple[int, int], info: tuple[int, int]) -> None:
    """Raise ValueError unless an image and its CameraInfo have the same (height, width)."""
    if image != info:
        raise ValueError(
            f"the image is {image[1]} x {image[0]} (width x height), but its camera_info is of "
            f"{info[1]} x {info[0]}: connect the camera_info of this image"
        )


def _check_form(name: str, matrix: tuple[float, ...]) -> None:
    """Raise ValueError unless a row-major 3x3 matrix is that of a pinhole without skew."""
    if not all(map(math.isfinite, matrix)):
        raise ValueError(f"camera_info: {name} must be finite, got {list(matrix)}")
    if matrix[0] == 0:
        raise ValueError(
            f"camera_info has {name}[0] = 0: this is not a pinhole camera, or it is not "
            "calibrated. Calibrate it, or set camera_info.fallback_fov_deg; for panoramas use "
            "panoramic_depth"
        )
    if matrix[0] < 0 or matrix[4] <= 0:
        raise ValueError(
            f"camera_info: focal lengths in {name} must be positive, got {matrix[0]:g} and "
            f"{matrix[4]:g}"
        )
    if matrix[1] != 0:
        raise ValueError(
            f"camera_info: {name}[1] = {matrix[1]:g} is skew, which is not supported: rectify "
            "the image"
        )
    if (matrix[3], *matrix[6:9]) != (0.0, 0.0, 0.0, 1.0):
        raise ValueError(
            f"camera_info: {name} must be [fx, 0, cx; 0, fy, cy; 0, 0, 1], got {list(matrix)}"
        )
