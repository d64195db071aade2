"""The convolutional pyramid of MoGe-2 (arXiv 2507.02546): five levels from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch.nn.functional as F
from torch import Tensor, nn

Resampler = Literal["conv_transpose", "bilinear"]


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))) on (B, C, H, W), the borders repeated.

    The names count the places of norms, which no released network has.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Identity(),
            nn.ReLU(),
            _conv3x3(channels, channels),
            nn.Identity(),
            nn.ReLU(),
            _conv3x3(channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class ConvStack(nn.Module):
    """Goes from level 0 (coarsest) to the last, each twice as large as the one before.

    Args:
        dim_in: channels of the input of each level; None where it needs no projection.
        widths: channels of each level.
        dim_out: channels of the output of each level; None where it is the level itself.
        block_counts: residual blocks of each level.
        resamplers: how each level but the last is enlarged.

    Raises:
        ValueError: the lists do not fit each other, or a resampler is unknown.
    """

    def __init__(
        self,
        dim_in: Sequence[int | None],
        widths: Sequence[int],
        dim_out: Sequence[int | None],
        block_counts: Sequence[int],
        resamplers: Sequence[Resampler],
    ) -> None:
        super().__init__()
        levels = len(widths)
        if not len(dim_in) == len(dim_out) == len(block_counts) == len(resamplers) + 1 == levels:
            raise ValueError(
                f"a stack of {levels} levels got {len(dim_in)} inputs, {len(dim_out)} outputs, "
                f"{len(block_counts)} block counts and {len(resamplers)} resamplers"
            )
        self.input_blocks = nn.ModuleList(
            nn.Identity() if channels is None else nn.Conv2d(channels, width, 1)
            for channels, width in zip(dim_in, widths, strict=True)
        )
        self.resamplers = nn.ModuleList(
            _resampler(kind, *channels)
            for kind, *channels in zip(resamplers, widths[:-1], widths[1:], strict=True)
        )
        self.res_blocks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
            for width, count in zip(widths, block_counts, strict=True)
        )
        self.output_blocks = nn.ModuleList(
            nn.Identity() if channels is None else nn.Conv2d(width, channels, 1)
            for channels, width in zip(dim_out, widths, strict=True)
        )

    def forward(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Outputs (B, C_i, 2^i h, 2^i w) of all levels for inputs of the same sizes."""
        outputs = []
        x = self.input_blocks[0](inputs[0])
        for level, (blocks, output) in enumerate(
            zip(self.res_blocks, self.output_blocks, strict=True)
        ):
            if level > 0:
                x = self.resamplers[level - 1](x) + self.input_blocks[level](inputs[level])
            x = blocks(x)
            outputs.append(output(x))
        return outputs


class _Double(nn.Module):
    """Bilinear enlargement by two."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _conv3x3(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="replicate")


def _resampler(kind: str, channels_in: int, channels_out: int) -> nn.Sequential:
    if kind == "conv_transpose":
        enlarge = nn.ConvTranspose2d(channels_in, channels_out, 2, stride=2)
        return nn.Sequential(enlarge, _conv3x3(channels_out, channels_out))
    if kind == "bilinear":
        return nn.Sequential(_Double(), _conv3x3(channels_in, channels_out))
    raise ValueError(f"resampler must be one of {', '.join(get_args(Resampler))}, got {kind!r}")
