"""Convolutions on panoramas: zeros above and below, the opposite border on either side."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def check_multiples(images: Tensor, multiple: int, remedy: str = "") -> None:
    """Raise ValueError unless the sides of (B, C, H, W) are positive multiples of a number."""
    height, width = images.shape[-2:]
    if height % multiple or width % multiple or 0 in (height, width):
        raise ValueError(
            f"images are {height} x {width} (height x width), but both sides must be "
            f"multiples of {multiple}{remedy}"
        )


def doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W) by repetition."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def pad_around(x: Tensor, columns: int) -> Tensor:
    """Circular padding of (B, C, H, W) to (B, C, H, W + 2 columns).

    The map may be narrower than the padding; it is then repeated.
    """
    width = x.shape[-1]
    if columns <= width:
        # F.pad would change the memory format, and write in place, which compilers handle badly
        return torch.cat((x[..., width - columns :], x, x[..., :columns]), -1)
    return x[..., torch.arange(-columns, width + columns, device=x.device) % width]


def padded_conv(layer: nn.Conv2d, x: Tensor, circular: bool) -> Tensor:
    """Apply a convolution; ``circular`` replaces its zeros at the left and right border.

    With stride s, rotating ``x`` by k s columns rotates the result by k columns, exactly.
    """
    rows, columns = layer.padding
    if not circular or columns == 0:
        return layer(x)
    x = pad_around(x, columns)
    return F.conv2d(x, layer.weight, layer.bias, layer.stride, (rows, 0), layer.dilation)


def padded_deconv(layer: nn.ConvTranspose2d, x: Tensor, circular: bool) -> Tensor:
    """Apply a transposed convolution that doubles the sides (kernel 4, stride 2, padding 1).

    ``circular`` pads the left and the right border circularly.
    """
    if not circular:
        return layer(x)
    # one more column of input on either side is two columns of output
    return layer(pad_around(x, 1))[..., 2:-2]
