"""A small convolutional pyramid that feeds a vision transformer and the head beside it.

Transformers on raw patches need much training data; with convolutions before them and skips around
them less is needed (Xiao et al., arXiv 2106.14881; DPT-Hybrid, arXiv 2103.13413, sec. 3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from .dpt import resize_map
from .padding import padded_conv
from .vit import TapTokens, VitEncoder

_PIXELS_PER_PATCH = 16  # four halvings, whatever the patch size of the images is
_GROUPS = 8


class PyramidMaps(NamedTuple):
    """Feature maps (B, C, k * rows, k * columns) at k = 4, 2 and 1 times the patch grid."""

    fine: Tensor
    middle: Tensor
    coarse: Tensor


class ConvUnit(nn.Module):
    """x + conv(gelu(norm(conv(gelu(norm(x))))))) on (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(_GROUPS, channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(_GROUPS, channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        nn.init.zeros_(self.conv2.weight)  # a unit starts as the identity

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        inner = padded_conv(self.conv1, F.gelu(self.norm1(x)), circular)
        return x + padded_conv(self.conv2, F.gelu(self.norm2(inner)), circular)


class ConvPyramid(nn.Module):
    """Images to maps at 4, 2 and 1 times the patch grid.

    Args:
        widths: channels at 8, 4 and 2 times the grid. dim: channels at the grid.
        units: residual units at 4 and at 2 times the grid.
    """

    def __init__(self, widths: Sequence[int], dim: int, units: int = 2) -> None:
        super().__init__()
        first, fine, middle = widths
        self.stem = nn.ModuleList(
            (nn.Conv2d(3, first, 3, stride=2, padding=1), nn.Conv2d(first, fine, 3, 2, 1))
        )
        self.fine = nn.ModuleList(ConvUnit(fine) for _ in range(units))
        self.to_middle = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.middle = nn.ModuleList(ConvUnit(middle) for _ in range(units))
        self.to_coarse = nn.Conv2d(middle, dim, 3, stride=2, padding=1)

    def forward(self, images: Tensor, grid: tuple[int, int], circular: bool = False) -> PyramidMaps:
        """Maps of normalised images (B, 3, H, W), which are first resampled to 16 px a patch."""
        size = (grid[0] * _PIXELS_PER_PATCH, grid[1] * _PIXELS_PER_PATCH)
        images = resize_map(images, size, circular, align_corners=False)
        fine = F.gelu(padded_conv(self.stem[0], images, circular))
        fine = padded_conv(self.stem[1], fine, circular)
        for unit in self.fine:
            fine = unit(fine, circular)
        middle = padded_conv(self.to_middle, fine, circular)
        for unit in self.middle:
            middle = unit(middle, circular)
        return PyramidMaps(fine, middle, padded_conv(self.to_coarse, middle, circular))


class HybridEncoder(VitEncoder):
    """A ViT whose patch tokens are the coarsest maps of a :class:`ConvPyramid`.

    Args:
        pyramid: widths of the pyramid. The other arguments are those of :class:`VitEncoder`.
    """

    def __init__(self, dim: int, *sizes: Any, pyramid: Sequence[int], **options: Any) -> None:
        super().__init__(dim, *sizes, **options)
        self.patch_embed = nn.Identity()
        self.pyramid = ConvPyramid(pyramid, dim)

    def forward(self, images: Tensor) -> tuple[TapTokens, ...]:
        """Tokens of every tap block for normalised images (B, 3, H, W)."""
        return self.with_maps(images)[0]

    def with_maps(
        self, images: Tensor, circular: bool = False
    ) -> tuple[tuple[TapTokens, ...], PyramidMaps]:
        """The tokens, and the maps they were made of."""
        grid = self.grid_of(*images.shape[-2:])
        maps = self.pyramid(images, grid, circular)
        return self.run_blocks(self.with_positions(maps.coarse.flatten(2).mT, grid)), maps
