"""DAP (arXiv 2512.16913): DINOv3 and two DPT heads on whole panoramas."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import DinoV3Encoder, DptHead
from ..depth_anything.config import DepthAnythingConfig
from ..names import NameRule, OfficialNames, dpt_rules
from .config import MAX_DEPTH_M

_EPS = 1e-5
_RULES = (
    NameRule("encoder.periods", "encoder.rope_embed.periods"),
    NameRule("encoder", "pretrained.model"),
    NameRule("norm", "pretrained.norm"),
    *dpt_rules("depth", "depth_head"),
    *dpt_rules("mask", "mask_head"),
)


class DapMaps(NamedTuple):
    """Output of the network for images (B, 3, H, W).

    Attributes:
        range_m: (B, 1, H, W) metres.
        far: (B, 1, H, W) probability that a pixel is too far or has no range.
    """

    range_m: Tensor
    far: Tensor


class Dap(OfficialNames, nn.Module):
    """The network of DAP.

    Args:
        config: sizes of encoder and heads.
        max_depth: largest range, metres.
    """

    input_range = (-2.1, 2.6)
    output_types = (DapMaps,)
    rules = _RULES
    prefix = "core."

    def __init__(self, config: DepthAnythingConfig, *, max_depth: float = MAX_DEPTH_M) -> None:
        super().__init__()
        self.config = config
        self.max_depth = float(max_depth)
        sizes = (config.dim, config.depth, config.heads, config.taps)
        self.encoder = DinoV3Encoder(*sizes, patch_size=config.patch_size)
        self.norm = nn.LayerNorm(config.dim, eps=_EPS)
        heads = (
            DptHead(config.dim, config.features, config.widths, patch_size=config.patch_size)
            for _ in range(2)
        )
        self.depth, self.mask = heads

    def forward(self, images: Tensor, *, circular: bool = False) -> DapMaps:
        """Maps of normalised RGB images (B, 3, H, W), whose sides are multiples of the patch size.

        The images are cast to the precision of the encoder; the heads run in their own.
        ``circular``: the left and right border meet, see
        :class:`~depth_perception.layers.DptHead`.
        """
        grid = self.encoder.grid_of(*images.shape[-2:])
        taps = self.encoder(images.to(self.encoder.cls_token.dtype))
        tokens = [self.adapted(tap.patches, grid) for tap in taps]
        range_m, far = (
            torch.sigmoid(head(tokens, grid, circular=circular).float())
            for head in (self.depth, self.mask)
        )
        return DapMaps(self.max_depth * range_m, far)

    def adapted(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """Patch tokens (B, rows * columns, D) as the heads of the original get them.

        Its adapter norms them once more and drops the first one, which it takes for a class token.
        The others are stretched to the full number along the sequence or, where they happen to
        form a square, across it. Released weights expect that.
        """
        tokens = self.norm(patches.to(self.norm.weight.dtype))[:, 1:].mT
        side = unlucky_side(grid)
        if side is None:
            return F.interpolate(tokens, grid[0] * grid[1], mode="linear").mT
        square = tokens.unflatten(2, (side, side))
        return F.interpolate(square, grid, mode="bilinear").flatten(2).mT


def unlucky_side(grid: tuple[int, int]) -> int | None:
    """Side of the square that all tokens of a grid but one would form; None if they do not."""
    count = grid[0] * grid[1] - 1
    side = math.isqrt(count)
    return side if side and side * side == count else None
