"""Whole panoramas, warped and rotated."""

from __future__ import annotations

from torch import Tensor

from depth_perception.geometry import Camera, Mobius, SamplingGrid
from depth_perception.geometry.exact import exact_dtype
from depth_perception.geometry.mobius import Pole, mobius_grid
from depth_perception.geometry.sampling import Mode


def mobius_warp(
    image: Tensor, transformation: Mobius, mode: Mode = "nearest", pole: Pole = "equator"
) -> Tensor:
    """Warp full panoramas (..., H, W), all alike; same shape, dtype and device out.

    Nearest sampling is what PanDA does, for images and depth. (A position within half a column of
    the seam reads the nearer column here; there it may read zero.) Range values are carried along
    without a correction for the zoom.
    """
    height, width = image.shape[-2:]
    return mobius_grid(height, width, transformation, pole, image.device).sample(image, mode)


def rotate_panorama(
    image: Tensor, camera: Camera, rotation: Tensor, mode: Mode = "bilinear", fill: float = 0.0
) -> Tensor:
    """What the camera would see had it been turned.

    Args:
        image: (..., H, W) as seen by ``camera``; range maps stay exact, z-depth would not.
        camera: the camera before the turn; the result has the same one.
        rotation: (3, 3) from the turned to the unturned optical frame, see
            :func:`~depth_perception.geometry.rotations.view_rotation`. A yaw of k columns to the
            right moves the picture k columns to the left.
        mode: ``"bilinear"`` or ``"nearest"`` (for depth, masks and ids).
        fill: value of what a partial panorama did not see.

    Returns:
        (..., H, W), same dtype.
    """
    dtype = exact_dtype(image.device)
    directions = camera.rays(device=image.device, dtype=dtype) @ rotation.to(image.device, dtype).T
    return SamplingGrid.of(camera, directions).sample(image, mode, fill)
