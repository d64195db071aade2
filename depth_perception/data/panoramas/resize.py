"""Resizing of panoramas as in PanDA, without antialiasing."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def resize_cubic(rgb: Tensor, height: int) -> Tensor:
    """(3, H, W) uint8 to (3, height, 2 height) uint8, cubic interpolation."""
    if tuple(rgb.shape[1:]) == (height, 2 * height):
        return rgb
    pixels = np.ascontiguousarray(rgb.permute(1, 2, 0).numpy())
    pixels = cv2.resize(pixels, (2 * height, height), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def nearest_map(values: Tensor, height: int) -> Tensor:
    """(H, W) float32 to (height, 2 height), nearest sample of OpenCV."""
    if tuple(values.shape) == (height, 2 * height):
        return values
    size = (2 * height, height)
    return torch.from_numpy(cv2.resize(values.numpy(), size, interpolation=cv2.INTER_NEAREST))
