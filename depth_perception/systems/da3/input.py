"""From an image to the input of Depth Anything 3: two steps on bytes, as the authors do them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ...geometry import Pinhole
from ..image_input import network_input
from .options import SizeRule

PATCH = 14


@dataclass(frozen=True)
class InputSteps:
    """The sizes (height, width) that an image passes through.

    Attributes:
        scaled: after the first step, which keeps the aspect ratio but for rounding.
        size: of the network input, multiples of 14.
        crops: whether the second step cuts the middle out, instead of resizing.
    """

    scaled: tuple[int, int]
    size: tuple[int, int]
    crops: bool

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column at which the network input begins in the scaled image."""
        if not self.crops:
            return 0, 0
        top, left = ((old - new) // 2 for old, new in zip(self.scaled, self.size, strict=True))
        return top, left

    def camera(self, camera: Pinhole) -> Pinhole:
        """The camera of the network input from that of the image."""
        camera = camera.resize(*self.scaled)
        return camera.crop(*self.corner, *self.size) if self.crops else camera.resize(*self.size)

    def image(self, pixels: Tensor) -> Tensor:
        """An image (H, W, 3) uint8 at the size of the network input, on its device."""
        picture = _resized(pixels.cpu().numpy(), self.scaled)
        if self.crops:
            (top, left), (height, width) = self.corner, self.size
            picture = picture[top : top + height, left : left + width]
        else:
            picture = _resized(picture, self.size)
        return torch.from_numpy(np.ascontiguousarray(picture)).to(pixels.device)

    def network_input(self, pixels: Tensor) -> Tensor:
        """Normalised network input (1, 3, *size) float32 of an image (H, W, 3) uint8."""
        return network_input(self.image(pixels), self.size)


def input_steps(height: int, width: int, process_res: int, rule: SizeRule) -> InputSteps:
    """The sizes for an image.

    ``upper_bound`` makes the longer side ``process_res``, ``lower_bound`` the shorter one. Then
    ``resize`` takes the nearest multiples of 14, a tie goes up, and ``crop`` the next lower ones.
    No side becomes smaller than 14.
    """
    bound, _, fitting = rule.rpartition("_")
    side = max(height, width) if bound == "upper_bound" else min(height, width)
    crops, scale = fitting == "crop", process_res / side
    least = PATCH if crops else 1
    scaled = tuple(max(least, round(length * scale)) for length in (height, width))
    half = 0 if crops else PATCH // 2
    size = tuple(max(PATCH, (length + half) // PATCH * PATCH) for length in scaled)
    return InputSteps(scaled, size, crops)


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bicubic if a side grows, else the mean over areas, on bytes."""
    height, width = picture.shape[:2]
    if (height, width) == tuple(size):
        return picture
    grows = size[0] > height or size[1] > width
    method = cv2.INTER_CUBIC if grows else cv2.INTER_AREA
    return cv2.resize(picture, size[::-1], interpolation=method)
