"""The networks of OmniDepth (arXiv 1807.09620): range of full panoramas, metres."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.padding import check_multiples, doubled, padded_conv, padded_deconv
from ..names import NameRule, OfficialNames
from .config import RECTNET, URESNET, RectNetConfig, UResNetConfig

_RECTNET_RULES = (
    NameRule("encoder.first.{0}", "input0_{0}"),
    NameRule("encoder.second.{0}", "input1_{0}"),
    NameRule("encoder.halved.{0}", "encoder0_{0}"),
    NameRule("encoder.quartered.{0}", "encoder1_{0}"),
    NameRule("encoder.wide.{0}", "encoder2_{0}"),
    NameRule("decoder.halved.{0}", "decoder0_{0}"),
    NameRule("decoder.whole.{0}", "decoder1_{0}"),
    NameRule("decoder.heads.{0}", "prediction{0}"),
)
_URESNET_RULES = (
    NameRule("encoder.stem.{0}", "input{0}"),
    NameRule("encoder.blocks.{0}", "encoder{0}"),
    NameRule("decoder.enlarge.{0}", "decoder{0}_0"),
    NameRule("decoder.refine.{0}", "decoder{0}_1"),
    NameRule("decoder.heads.{0}", "prediction{0}"),
)
_FIRST_KERNELS = ((3, 9), (5, 11), (5, 7), (7, 7))
_SECOND_KERNELS = ((3, 9), (3, 7), (3, 5), (5, 5))


class ConvElu(nn.Module):
    """A convolution that keeps the size (divided by its stride), then ELU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int | tuple[int, int] = 3,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (dilation * (rows - 1) // 2, dilation * (columns - 1) // 2)
        self.conv = _initialised(
            nn.Conv2d(channels_in, channels_out, (rows, columns), stride, padding, dilation)
        )

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        return F.elu(padded_conv(self.conv, x, circular))


class DeconvElu(nn.Module):
    """A transposed convolution that doubles the sides, then ELU."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = _initialised(nn.ConvTranspose2d(channels_in, channels_out, 4, 2, 1))

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        return F.elu(padded_deconv(self.conv, x, circular))


class ResidualDown(nn.Module):
    """Halves the sides, then adds a residual of two more convolutions."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv1 = ConvElu(channels_in, channels_out, stride=2)
        self.conv2 = ConvElu(channels_out, channels_out)
        self.conv3 = ConvElu(channels_out, channels_out)

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        x = self.conv1(x, circular)
        return x + self.conv3(self.conv2(x, circular), circular)


class _RectEncoder(nn.Module):
    def __init__(self, config: RectNetConfig) -> None:
        super().__init__()
        first, second = config.first, config.second
        half, quarter, deep = config.half, config.quarter, config.deep
        self.first = nn.ModuleList(ConvElu(3, first, kernel) for kernel in _FIRST_KERNELS)
        self.second = nn.ModuleList(ConvElu(4 * first, second, k) for k in _SECOND_KERNELS)
        self.halved = nn.ModuleList(
            (ConvElu(4 * second, half, stride=2), ConvElu(half, half), ConvElu(half, half))
        )
        self.quartered = nn.ModuleList(
            (
                ConvElu(half, quarter, stride=2),
                ConvElu(quarter, quarter, dilation=2),
                ConvElu(quarter, quarter, dilation=4),
                ConvElu(2 * quarter, quarter, 1),
            )
        )
        self.wide = nn.ModuleList(
            (
                ConvElu(quarter, quarter, dilation=8),
                ConvElu(quarter, deep, dilation=16),
                ConvElu(quarter + deep, deep, 1),
            )
        )

    def forward(self, x: Tensor, circular: bool) -> Tensor:
        for branches in (self.first, self.second):
            x = torch.cat([branch(x, circular) for branch in branches], 1)
        for layer in self.halved:
            x = layer(x, circular)
        for *chain, joined in (self.quartered, self.wide):
            outputs = []
            for layer in chain:
                x = layer(x, circular)
                outputs.append(x)
            x = joined(torch.cat(outputs[-2:], 1), circular)
        return x


class _RectDecoder(nn.Module):
    def __init__(self, config: RectNetConfig) -> None:
        super().__init__()
        half, quarter, full = config.half, config.quarter, 4 * config.second
        self.halved = nn.ModuleList((DeconvElu(config.deep, quarter), ConvElu(quarter, quarter, 5)))
        self.whole = nn.ModuleList(
            (DeconvElu(quarter, half), ConvElu(half, half, 5), ConvElu(half + 1, full, 1))
        )
        self.heads = nn.ModuleList((_head(quarter), _head(full)))

    def forward(self, x: Tensor, circular: bool) -> tuple[Tensor, ...]:
        for layer in self.halved:
            x = layer(x, circular)
        coarse = padded_conv(self.heads[0], x, circular)
        enlarge, refine, join = self.whole
        x = refine(enlarge(x, circular), circular)
        x = join(torch.cat((x, doubled(coarse)), 1), circular)
        return padded_conv(self.heads[1], x, circular), coarse


class _UResEncoder(nn.Module):
    def __init__(self, config: UResNetConfig) -> None:
        super().__init__()
        first, second = config.stem
        self.stem = nn.ModuleList((ConvElu(3, first, 7), ConvElu(first, second, 5)))
        widths = (second, *config.blocks)
        self.blocks = nn.ModuleList(map(ResidualDown, widths[:-1], widths[1:]))

    def forward(self, x: Tensor, circular: bool) -> Tensor:
        for layer in (*self.stem, *self.blocks):
            x = layer(x, circular)
        return x


class _UResDecoder(nn.Module):
    def __init__(self, config: UResNetConfig) -> None:
        super().__init__()
        widths = (config.stem[1], *config.blocks)[::-1]
        self.enlarge = nn.ModuleList(map(DeconvElu, widths[:-1], widths[1:]))
        fed = (0, 0, 1, 1)  # the ranges of the scale before
        self.refine = nn.ModuleList(
            ConvElu(width + more, width, 5) for width, more in zip(widths[1:], fed, strict=True)
        )
        self.heads = nn.ModuleList(map(_head, widths[2:]))

    def forward(self, x: Tensor, circular: bool) -> tuple[Tensor, ...]:
        ranges: list[Tensor] = []
        for stage, (enlarge, refine) in enumerate(zip(self.enlarge, self.refine, strict=True)):
            x = enlarge(x, circular)
            if ranges:  # no gradient from finer to coarser scales
                x = torch.cat((x, doubled(ranges[-1].detach())), 1)
            x = refine(x, circular)
            if stage > 0:
                ranges.append(padded_conv(self.heads[stage - 1], x, circular))
        return tuple(reversed(ranges))


class OmniDepth(OfficialNames, nn.Module):
    """Base class of RectNet and UResNet: ranges in metres from RGB, zero padding by default.

    Attributes:
        multiple: image height and width must be multiples of this number.
    """

    input_range = (0.0, 1.0)
    multiple: int
    encoder: nn.Module
    decoder: nn.Module

    def forward(self, images: Tensor, *, circular: bool = False) -> tuple[Tensor, ...]:
        """Ranges of RGB panoramas (B, 3, H, W) in [0, 1], two or three scales, finest first.

        Scale i is (B, 1, H / 2^i, W / 2^i), metres, without an activation: values may be
        negative. The published weights were trained on 256 x 512 with ranges up to 8 m.

        Args:
            images: float, sides multiples of ``multiple``.
            circular: the left and right border of the images meet (the published networks pad
                with zeros). Rotating the images by ``multiple`` columns rotates the results.

        Raises:
            ValueError: the sides are not such multiples.
        """
        check_multiples(images, self.multiple)
        images = images.to(next(self.encoder.parameters()).dtype)
        features = self.encoder(images, circular)
        return self.decoder(features.to(next(self.decoder.parameters()).dtype), circular)


class RectNet(OmniDepth):
    """RectNet: wide kernels for the stretched poles; ranges at 1/1 and 1/2."""

    multiple = 4
    rules = _RECTNET_RULES

    def __init__(self, config: RectNetConfig = RECTNET) -> None:
        super().__init__()
        self.config = config
        self.encoder = _RectEncoder(config)
        self.decoder = _RectDecoder(config)


class UResNet(OmniDepth):
    """UResNet: an encoder of residual blocks; ranges at 1/1, 1/2 and 1/4."""

    multiple = 16
    rules = _URESNET_RULES

    def __init__(self, config: UResNetConfig = URESNET) -> None:
        super().__init__()
        self.config = config
        self.encoder = _UResEncoder(config)
        self.decoder = _UResDecoder(config)


def _head(channels: int) -> nn.Module:
    return _initialised(nn.Conv2d(channels, 1, 3, padding=1))


def _initialised(layer: nn.Module) -> nn.Module:
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
