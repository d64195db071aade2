"""Masks of pixels with invalid depth."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...geometry.camera import ASPECT_TOLERANCE, same_aspect
from ...geometry.sampling import on_grid
from ...io.images import read_image
from ...prediction import Prediction

_TOLERANCE = 2 * ASPECT_TOLERANCE  # sides of the network input are rounded too


def read_mask(path: str) -> Tensor:
    """(H, W) bool of an image file: true where it is not black.

    Raises:
        ImageReadError: see :func:`depth_perception.io.images.read_image`.
    """
    return torch.from_numpy(read_image(path).max(axis=-1) > 127)


def fit_mask(mask: Tensor, height: int, width: int) -> Tensor:
    """The mask on another grid, nearest pixel.

    Raises:
        ValueError: the aspect ratio differs.
    """
    rows, columns = mask.shape
    if not same_aspect((rows, columns), (height, width), _TOLERANCE):
        raise ValueError(
            f"the mask is {columns} x {rows} (width x height), which does not fit a depth image "
            f"of {width} x {height}"
        )
    return on_grid(mask, height, width)


def hide(prediction: Prediction, mask: Tensor | None) -> Prediction:
    """The prediction with invalid depth where a mask (H, W) of the same view is true."""
    if mask is None:
        return prediction
    hidden = on_grid(mask, *prediction.values.shape).to(prediction.valid.device)
    return replace(prediction, valid=prediction.valid & ~hidden)
