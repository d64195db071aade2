"""The vision transformer of DINOv2 (arXiv 2304.07193) on timm's blocks, read at several depths."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

DINOV2_OFFSET = 0.1  # patches added to the target grid before dividing by the native one
_CACHED_GRIDS = 8


class TapTokens(NamedTuple):
    """Tokens after one tap block, layer-normed: patches (B, N, D) row-major, class_token (B, D)."""

    patches: Tensor
    class_token: Tensor


def check_taps(taps: Sequence[int], depth: int) -> None:
    """Raise ValueError unless taps ascend within the blocks 0 to ``depth`` - 1."""
    if list(taps) != sorted(set(taps)) or not taps or not 0 <= taps[0] <= taps[-1] < depth:
        raise ValueError(f"taps must ascend within 0..{depth - 1}, got {tuple(taps)}")


def patch_grid(height: int, width: int, patch: int) -> tuple[int, int]:
    """Rows and columns of patches; ValueError unless sides are positive multiples of a patch."""
    if height % patch or width % patch or min(height, width) < patch:
        raise ValueError(
            f"network input is {height} x {width}; both sides must be multiples of {patch}"
        )
    return height // patch, width // patch


class VitEncoder(VisionTransformer):
    """ViT with class token, LayerScale and absolute position embedding for any input size.

    Parameter names are those of DINOv2. ``mask_token`` only serves DINOv2's own pre-training; it
    is kept because every released file holds it.

    Args:
        dim, depth, heads: width, number of blocks, attention heads.
        taps: indices (from 0, ascending) of the blocks whose output is returned.
        patch_size: pixels per patch side.
        grid: (rows, columns) of patches for which the position embedding is stored.
        eps: of all layer norms.
        position_offset: how the position embedding is resampled, see :meth:`position_embedding`.
    """

    def __init__(
        self,
        dim: int,
        depth: int,
        heads: int,
        taps: Sequence[int],
        *,
        patch_size: int = 14,
        grid: tuple[int, int] = (37, 37),
        eps: float = 1e-6,
        position_offset: float = DINOV2_OFFSET,
    ) -> None:
        check_taps(taps, depth)
        super().__init__(
            img_size=(grid[0] * patch_size, grid[1] * patch_size),
            patch_size=patch_size,
            num_classes=0,
            global_pool="",
            embed_dim=dim,
            depth=depth,
            num_heads=heads,
            init_values=1.0,
            norm_layer=partial(nn.LayerNorm, eps=eps),
            dynamic_img_size=True,
        )
        self.mask_token = nn.Parameter(torch.zeros(1, dim))
        self.taps = tuple(taps)
        self.patch_size = patch_size
        self.native_grid = tuple(grid)
        self.position_offset = position_offset
        self._positions: OrderedDict[tuple, Tensor] = OrderedDict()

    def grid_of(self, height: int, width: int) -> tuple[int, int]:
        """Patch rows and columns; ValueError unless sides are positive multiples of a patch."""
        return patch_grid(height, width, self.patch_size)

    def forward(self, images: Tensor) -> tuple[TapTokens, ...]:
        """Tokens of every tap block for normalised images (B, 3, H, W)."""
        return self.run_blocks(self.embed(images))

    def run_blocks(self, tokens: Tensor) -> tuple[TapTokens, ...]:
        """Tokens of every tap block for embedded tokens (B, 1 + N, D)."""
        taps = []
        for index, block in enumerate(self.blocks[: self.taps[-1] + 1]):
            tokens = block(tokens)
            if index in self.taps:
                normed = self.norm(tokens)
                taps.append(TapTokens(normed[:, 1:], normed[:, 0]))
        return tuple(taps)

    def embed(self, images: Tensor) -> Tensor:
        """Class and patch tokens (B, 1 + N, D) with their positions, before the first block."""
        grid = self.grid_of(*images.shape[-2:])
        return self.with_positions(self.patch_embed(images).flatten(1, 2), grid)

    def with_positions(self, patches: Tensor, grid: tuple[int, int]) -> Tensor:
        """Patch tokens (B, N, D) with the class token before them and all positions added."""
        tokens = torch.cat((self.cls_token.expand(len(patches), -1, -1), patches), dim=1)
        return tokens + self.position_embedding(grid).to(tokens.dtype)

    def position_embedding(self, grid: tuple[int, int]) -> Tensor:
        """Position embedding (1, 1 + rows * columns, D), the class token first.

        DINOv2 resamples the native grid bicubically by the factor (rows + 0.1) / native_rows, and
        it is this factor, not the ratio of the two sizes, that places the samples. With a
        ``position_offset`` of 0 it is the ratio. Results are cached per grid until the parameter
        changes; while gradients or graphs are recorded they are computed again.
        """
        if tuple(grid) == self.native_grid:
            return self.pos_embed
        if torch.is_grad_enabled() or torch.compiler.is_compiling():
            return self._resample_positions(grid)
        source = self.pos_embed
        version = 0 if source.is_inference() else source._version
        key = (tuple(grid), source.device, source.dtype, source.data_ptr(), version)
        if key not in self._positions:
            self._positions[key] = self._resample_positions(grid)
            while len(self._positions) > _CACHED_GRIDS:
                self._positions.popitem(last=False)
        return self._positions[key]

    def _resample_positions(self, grid: tuple[int, int]) -> Tensor:
        rows, columns = self.native_grid
        dim = self.pos_embed.shape[-1]
        patches = self.pos_embed[:, 1:].float().reshape(1, rows, columns, dim).movedim(-1, 1)
        offset = self.position_offset
        if offset:
            factors = ((grid[0] + offset) / rows, (grid[1] + offset) / columns)
            patches = F.interpolate(patches, scale_factor=factors, mode="bicubic")
        else:
            patches = F.interpolate(patches, grid, mode="bicubic")
        patches = patches.flatten(2).mT.to(self.pos_embed.dtype)
        return torch.cat((self.pos_embed[:, :1], patches), dim=1)
