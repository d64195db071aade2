"""The pinhole camera of an image from its CameraInfo, with rectification if needed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .lens import Lens, LensModel
from .pinhole import Pinhole
from .sampling import SamplingGrid

_ROTATION_TOLERANCE = 1e-3


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

    def view(self) -> View:
        """How images with this calibration become images of a pinhole camera.

        The camera of a raw image without distortion is K, and R and P are ignored. A rectified
        image is rotated by R, and its camera is P (K if P is zero).

        Raises:
            ValueError: the message does not describe a pinhole camera, or not a usable one.
        """
        _check_matrix("K", self.k)
        if self.is_rectified:
            if not any(self.p):
                raise ValueError(
                    "image_is_rectified is set, but camera_info has P = 0, which would be the "
                    "camera of a rectified image: calibrate the camera"
                )
            return View(self._camera(self._p_matrix()), None)
        lens = Lens(self._camera(self.k), self._lens_model(), self.d)
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
                f"D = {list(self.d)}, R = {list(self.r)}, P = {list(self.p)}"
            )
        return View(target, grid)

    def _lens_model(self) -> LensModel:
        if not self.model and not any(self.d):
            return LensModel.PLUMB_BOB
        try:
            return LensModel(self.model)
        except ValueError:
            known = ", ".join(model.value for model in LensModel)
            raise ValueError(
                f"camera_info has the unknown distortion_model {self.model!r}; known are {known}. "
                "Send a rectified image with D = 0"
            ) from None

    def _p_matrix(self) -> tuple[float, ...]:
        matrix = (*self.p[0:3], *self.p[4:7], *self.p[8:11])
        _check_matrix("P", matrix)
        return matrix

    def _rotation(self) -> tuple[float, ...] | None:
        if not any(self.r):
            return None
        turn = np.array(self.r).reshape(3, 3)
        is_rotation = (np.abs(turn) < 1.1).all() and np.linalg.det(turn) > 0  # also not NaN
        if not is_rotation or np.abs(turn @ turn.T - np.eye(3)).max() > _ROTATION_TOLERANCE:
            raise ValueError(f"camera_info: R is not a rotation: {list(self.r)}")
        return self.r

    def _camera(self, matrix: tuple[float, ...]) -> Pinhole:
        """The camera of the image as it is sent, after region of interest and binning."""
        camera = Pinhole.from_k(self.height, self.width, matrix)
        if self.roi[2]:
            try:
                camera = camera.crop(*self.roi)
            except ValueError as error:
                raise ValueError(f"camera_info: roi does not fit: {error}") from error
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
        height, width = image.shape[:2]
        if (height, width) != (raw.height, raw.width):
            raise ValueError(
                f"the image is {width} x {height} (width x height), but its camera_info is of "
                f"{raw.width} x {raw.height}: connect the camera_info of this image"
            )
        if self.grid is None:
            return image
        return self.grid.sample(image.permute(2, 0, 1)).permute(1, 2, 0)


def _check_matrix(name: str, matrix: tuple[float, ...]) -> None:
    """Raise ValueError unless a row-major 3x3 matrix is that of a pinhole without skew."""
    if not all(map(math.isfinite, matrix)):
        raise ValueError(f"camera_info: {name} must be finite, got {list(matrix)}")
    if matrix[0] == 0:
        raise ValueError(
            f"camera_info has {name}[0] = 0: this is not a pinhole camera, or it is not "
            "calibrated. For panoramas use panoramic_depth"
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
