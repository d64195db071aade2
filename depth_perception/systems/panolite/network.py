"""The network: an encoder of timm and a DPT-like decoder, padded as a sphere is closed.

Beyond the left border of a full panorama lies its right one; beyond a pole lie the same rows,
turned by half the width. Rotating an image by a multiple of 32 columns rotates the result. As the
padding no longer tells where a row is, the decoder is given the latitude. An image that comes with
the latitude of its pixels is one of a pinhole camera: zeros lie beyond its borders.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import timm
import torch
import torch.nn.functional as F
from timm.models.vision_transformer import Block
from torch import Tensor, nn

from ...layers.padding import check_multiples, doubled
from .config import STRIDE, PanoLiteConfig

_WAVES = 3  # of the latitude
_FIRST = (1.0, -1.0, 2.0)  # output of the untrained network
WITH_LATITUDE = 4
"""Channels of the images of pinhole cameras."""


def pad_sphere(x: Tensor, above: int, below: int, left: int, right: int) -> Tensor:
    """Pad a full panorama (B, C, H, W) with what lies beyond its borders."""
    if torch.is_grad_enabled() and x.requires_grad:
        return _PadSphere.apply(x, above, below, left, right)
    return _padded(x, above, below, left, right)


def _padded(x: Tensor, above: int, below: int, left: int, right: int) -> Tensor:
    height, width = x.shape[-2:]
    top = [_over_the_pole(x[..., :above, :])] if above else []
    bottom = [_over_the_pole(x[..., height - below :, :])] if below else []
    x = torch.cat((*top, x, *bottom), -2) if above or below else x
    return torch.cat((x[..., width - left :], x, x[..., :right]), -1) if left or right else x


def _over_the_pole(rows: Tensor) -> Tensor:
    half = rows.shape[-1] // 2
    return torch.cat((rows[..., half:], rows[..., :half]), -1).flip(-2)


class _PadSphere(torch.autograd.Function):
    """:func:`_padded` with a gradient that touches the borders only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *pads: int) -> Tensor:
        ctx.pads = pads
        return _padded(x, *pads)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        above, below, left, right = ctx.pads
        height, width = grad.shape[-2] - above - below, grad.shape[-1] - left - right
        lasting = torch.channels_last
        if not grad.is_contiguous(memory_format=lasting):
            lasting = torch.contiguous_format
        inner = grad[..., left : left + width].clone(memory_format=lasting)
        inner[..., width - left :] += grad[..., :left]
        inner[..., :right] += grad[..., left + width :]
        image = inner[..., above : above + height, :]
        image[..., :above, :] += _over_the_pole(inner[..., :above, :])
        image[..., height - below :, :] += _over_the_pole(inner[..., above + height :, :])
        return image, None, None, None, None


class _Borders(threading.local):
    """Whether the convolutions of this thread see images whose borders do not meet."""

    are_open = False


_borders = _Borders()


@contextmanager
def open_borders(are_open: bool) -> Iterator[None]:
    """Within it, :class:`SphereConv` pads with zeros if ``are_open``, as for a pinhole image."""
    before, _borders.are_open = _borders.are_open, are_open
    try:
        yield
    finally:
        _borders.are_open = before


class SphereConv(nn.Conv2d):
    """A convolution of a full panorama; as in TensorFlow, strided ones pad more below and right.

    Within :func:`open_borders` it pads with zeros."""

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for kernel, stride in zip(self.kernel_size, self.stride, strict=True):
            pads += [(kernel - stride) // 2, kernel - stride - (kernel - stride) // 2]
        x = F.pad(x, (*pads[2:], *pads[:2])) if _borders.are_open else pad_sphere(x, *pads)
        rest = (self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        if self.groups > 1 and torch.is_autocast_enabled("cpu"):
            # on the CPU their gradients take a fifth of the time of those in bfloat16
            with torch.autocast("cpu", enabled=False):
                return F.conv2d(x.float(), *rest)
        return F.conv2d(x, *rest)


@torch.no_grad()
def folded(encoder: nn.Module) -> nn.Module:
    """An encoder of timm, changed in place: its batch normalisation becomes part of the
    convolutions, and those larger than 1 x 1 are :class:`SphereConv`."""
    for module in list(encoder.modules()):
        conv = ""
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                conv = name
            elif isinstance(child, nn.BatchNorm2d):
                setattr(module, conv, _fused(getattr(module, conv), child))
                setattr(module, name, getattr(child, "act", nn.Identity()))
    return encoder


def _fused(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    kind = SphereConv if max(conv.kernel_size) > 1 else nn.Conv2d
    sizes = (conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride)
    new = kind(*sizes, groups=conv.groups)
    factor = norm.weight * (norm.running_var + norm.eps).rsqrt()
    new.weight.copy_(conv.weight * factor[:, None, None, None])
    new.bias.copy_(norm.bias - norm.running_mean * factor)
    return new


class PanoLite(nn.Module):
    """Range of panoramas in units of the height of the camera.

    (B, 3, H, W) RGB in [0, 1] to (B, 3, H, W): the logarithm of range over camera height, the
    logarithm of its uncertainty (the scale of a Laplace distribution), and the logit of there being
    a surface to measure. H is a multiple of 32 and W = 2 H, the full sphere.

    Images (B, 4, H, W) are those of pinhole cameras, both sides multiples of 32. Their last channel
    is the angle of each ray below the horizon, as a share of pi, plus 0.5."""

    input_range = (0.0, 1.0)

    def __init__(self, config: PanoLiteConfig) -> None:
        super().__init__()
        self.config = config
        encoder = timm.create_model(config.encoder, features_only=True)
        self.encoder = folded(encoder)
        channels, widths = encoder.feature_info.channels(), config.widths
        channels[0] += 3 * 2**2  # the pixels themselves, for what is thin
        self.lateral = nn.ModuleList(
            nn.Conv2d(*pair, 1) for pair in zip(channels, widths, strict=True)
        )
        self.latitude = nn.ModuleList(nn.Conv2d(2 * _WAVES + 1, w, 1, bias=False) for w in widths)
        self.nearby = nn.ModuleList(
            SphereConv(widths[-1], widths[-1], 3, groups=widths[-1]) for _ in range(config.blocks)
        )
        self.blocks = nn.ModuleList(
            Block(widths[-1], config.heads, mlp_ratio=3, qkv_bias=True, init_values=0.1)
            for _ in range(config.blocks)
        )
        self.coarser = nn.ModuleList(
            nn.Conv2d(coarse, fine, 1) for fine, coarse in pairwise(widths)
        )
        self.refine = nn.ModuleList(Residual(width) for width in widths[:-1])
        self.head = nn.Conv2d(widths[0], len(_FIRST) * 2**2, 1)
        with torch.no_grad():
            self.head.weight.mul_(0.3)
            self.head.bias.copy_(torch.tensor(_FIRST).repeat_interleave(2**2))

    def forward(self, images: Tensor) -> Tensor:
        with open_borders(images.shape[1] == WITH_LATITUDE):
            return F.pixel_shuffle(self.head(F.relu(self._features(images)[0])), 2)

    def _features(self, images: Tensor) -> list[Tensor]:
        """The maps of the decoder at strides 2, 4, 8 and 16."""
        check_multiples(images, STRIDE)
        images, latitude = images[:, :3], _latitude(images)
        maps = self.encoder(((images - 127 / 255) * (255 / 128)).to(self._precision(self.encoder)))
        maps = [m.to(self._precision(self.head)) for m in maps]
        maps[0] = torch.cat((maps[0], F.pixel_unshuffle(images - 0.5, 2).to(maps[0].dtype)), 1)
        x = self._at(-1, maps, latitude)
        for nearby, block in zip(self.nearby, self.blocks, strict=True):
            x = x + nearby(x)
            x = block(x.flatten(2).mT).mT.unflatten(2, x.shape[-2:])
        found = []
        for level in reversed(range(len(maps) - 1)):
            x = self._at(level, maps, latitude) + doubled(self.coarser[level](x))
            x = self.refine[level](x)
            found.insert(0, x)
        return found

    def official_names(self) -> dict[str, str]:
        """Parameter names in this module and in the weights file: the same."""
        return {name: name for name in self.state_dict()}

    def _at(self, level: int, maps: list[Tensor], latitude: Tensor) -> Tensor:
        values = maps[level]
        stride = latitude.shape[-2] // values.shape[-2]
        latitude = F.avg_pool2d(latitude, (stride, min(stride, latitude.shape[-1])))
        waves = _latitude_waves(latitude).to(values.dtype)
        return self.lateral[level](values) + self.latitude[level](waves)

    @staticmethod
    def _precision(part: nn.Module) -> torch.dtype:
        return next(part.parameters()).dtype


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))) on (B, C, H, W)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = SphereConv(width, width, 3)
        self.conv2 = SphereConv(width, width, 3)
        nn.init.zeros_(self.conv2.weight)  # starts as the identity

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


def _latitude(images: Tensor) -> Tensor:
    """Angle below the horizon: (B, 1, H, W) of pinhole images, (1, 1, H, 1) of panoramas."""
    if images.shape[1] == WITH_LATITUDE:
        return math.pi * (images[:, 3:].float() - 0.5)
    height = images.shape[-2]
    rows = torch.arange(height, device=images.device, dtype=torch.float32) + 0.5
    return math.pi * (rows / height - 0.5)[None, None, :, None]


def _latitude_waves(latitude: Tensor) -> Tensor:
    """(B, 2 * _WAVES + 1, H, W): sines and cosines of the latitude (B, 1, H, W) of each pixel, and
    the logarithm of the range of flat ground, in camera heights."""
    orders = torch.arange(1, _WAVES + 1, device=latitude.device)[:, None, None] * latitude
    ground = -torch.log(torch.sin(latitude).clamp_min(0.02))
    return torch.cat((orders.sin(), orders.cos(), ground), 1)
