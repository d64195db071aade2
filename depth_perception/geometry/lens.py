"""Lens distortion, and the rectification to an ideal pinhole image.

The models are those of ``sensor_msgs/CameraInfo``; for the formulas see OpenCV, "Camera Calibration
and 3D Reconstruction" and "Fisheye camera model".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
import torch

from .pinhole import Pinhole
from .sampling import SamplingGrid

_RADII = 4096


class LensModel(str, Enum):
    """Distortion model of a lens.

    ``PLUMB_BOB``: k1, k2, p1, p2, k3 (Brown-Conrady). ``RATIONAL_POLYNOMIAL``: also k4, k5, k6 of
    a denominator. ``EQUIDISTANT``: fisheye, k1 to k4 of a polynomial in the angle.
    """

    PLUMB_BOB = "plumb_bob"
    RATIONAL_POLYNOMIAL = "rational_polynomial"
    EQUIDISTANT = "equidistant"

    @property
    def counts(self) -> tuple[int, ...]:
        """Allowed numbers of coefficients; 0 means that all are zero."""
        counts = {"plumb_bob": (0, 4, 5), "rational_polynomial": (0, 8, 12, 14)}
        return counts.get(self.value, (0, 4))


@dataclass(frozen=True)
class Lens:
    """A calibrated camera with lens distortion.

    Attributes:
        camera: the pixel grid of the raw image and its intrinsic matrix.
        model, coefficients: the distortion, in OpenCV's order.
    """

    camera: Pinhole
    model: LensModel = LensModel.PLUMB_BOB
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.coefficients) not in self.model.counts:
            raise ValueError(
                f"{self.model.value} has {' or '.join(map(str, self.model.counts))} distortion "
                f"coefficients, got {len(self.coefficients)}: calibrate the camera"
            )
        if not all(map(math.isfinite, self.coefficients)):
            raise ValueError(f"distortion must be finite, got {list(self.coefficients)}")

    @property
    def is_ideal(self) -> bool:
        """Whether the raw image has no distortion."""
        return self.model is not LensModel.EQUIDISTANT and not any(self.coefficients)

    def rectification(
        self, target: Pinhole, rotation: Sequence[float] | None = None
    ) -> SamplingGrid:
        """The sampling grid that reads an ideal pinhole image from the raw image.

        Args:
            target: camera of the new image.
            rotation: row-major 3x3 matrix from the raw camera's frame to the target's, as R of
                ``CameraInfo``; None is the identity.

        Returns:
            A grid that is invalid where the ray is outside the raw image, or where the
            distortion model is no longer monotonic.
        """
        turn = np.eye(3) if rotation is None else np.array(rotation, np.float64).reshape(3, 3)
        raw, new = (np.array(c.to_k(), np.float64).reshape(3, 3) for c in (self.camera, target))
        size = (target.width, target.height)
        bend = np.array(self.coefficients or (0.0,) * 4, np.float64)
        if self.model is LensModel.EQUIDISTANT:
            u, v = cv2.fisheye.initUndistortRectifyMap(raw, bend, turn, new, size, cv2.CV_32FC1)
        else:
            u, v = cv2.initUndistortRectifyMap(raw, bend, turn, new, size, cv2.CV_32FC1)
        u, v = torch.from_numpy(u) + 0.5, torch.from_numpy(v) + 0.5  # pixel centres
        rays = target.rays(dtype=torch.float64) @ torch.from_numpy(turn)  # to the raw frame
        outward = self._is_bent_outward(rays[..., :2].norm(dim=-1), rays[..., 2])
        return SamplingGrid.at(self.camera, u, v, outward)

    def _is_bent_outward(self, across: torch.Tensor, ahead: torch.Tensor) -> torch.Tensor:
        """Whether the image radius still grows with the angle at rays of this direction."""
        k = (*self.coefficients, *(0.0,) * 8)
        if self.model is LensModel.EQUIDISTANT:
            angle = torch.atan2(across, ahead)
            x = np.linspace(0.0, math.pi, _RADII)
            bent = x * np.polyval((k[3], k[2], k[1], k[0], 1.0), x**2)
        else:
            angle = torch.where(ahead > 0, across / ahead, torch.inf)
            farthest = angle[torch.isfinite(angle)]
            x = np.linspace(0.0, float(farthest.max()) if len(farthest) else 1.0, _RADII)
            below = np.polyval((k[7], k[6], k[5], 1.0), x**2)
            above = x * np.polyval((k[4], k[1], k[0], 1.0), x**2)
            bent = above / np.where(below > 0, below, np.nan)
        falls = np.flatnonzero(~(np.diff(bent) > 0))
        return torch.isfinite(angle) & (angle <= (x[falls[0]] if len(falls) else x[-1]))
