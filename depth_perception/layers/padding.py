"""Convolutions on panoramas: the opposite border on either side, zeros or the poles beyond it."""

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


def over_pole(rows: Tensor) -> Tensor:
    """Rows (B, C, n, W) at a pole as seen beyond it: in reverse order and half a turn further.

    Half of an odd width is rounded down.
    """
    rest = rows.shape[-1] - rows.shape[-1] // 2
    rows = rows.flip(2)
    return torch.cat((rows[..., rest:], rows[..., :rest]), -1)


def pad_sphere(x: Tensor, rows: int, columns: int) -> Tensor:
    """(B, C, H, W) of the full sphere to (B, C, H + 2 rows, W + 2 columns): first over the poles,
    then around."""
    if rows:
        x = torch.cat((over_pole(x[:, :, :rows]), x, over_pole(x[:, :, -rows:])), 2)
    return pad_around(x, columns) if columns else x


class SphereConv2d(nn.Conv2d):
    """Convolution of maps of the full sphere: its padding is what lies beyond the border."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to a map of the size that zero padding gives."""
        x = pad_sphere(x, *self.padding)
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation)


def padded_conv(layer: nn.Conv2d, x: Tensor, circular: bool) -> Tensor:
    """Apply a convolution; ``circular`` replaces its zeros at the left and right border.

    With stride s, rotating ``x`` by k s columns rotates the result by k columns, exactly.
    """
    rows, columns = layer.padding
    if not circular or columns == 0 or isinstance(layer, SphereConv2d):
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
