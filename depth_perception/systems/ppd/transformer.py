"""The network of Pixel-Perfect Depth (arXiv 2510.07316): a semantics-prompted, cascaded DiT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import perceptron
from ..names import OfficialNames
from .blocks import ModulatedBlock, RopeTables, TimeEmbedder, plain_norm, rope_tables

STRIDE = 16  # pixels per token of the coarse grid


@dataclass(frozen=True)
class SpDitConfig:
    """Sizes: width, blocks (half of them on the coarse grid), heads, width of the semantics."""

    dim: int = 1024
    depth: int = 24
    heads: int = 16
    semantic_dim: int = 1024


class Modulations(NamedTuple):
    """Vectors of the time-step: blocks (depth, B, 6, D) and the last layer (B, 2, D)."""

    blocks: Tensor
    final: Tensor


class Scene(NamedTuple):
    """Tensors that are constant over all steps of one image.

    Attributes:
        tokens: (B, T, D) image part of the patch embedding.
        prompt: (B, T, 4 D) part of the semantics in the first layer of the fusion.
        grid: (rows, columns) of the coarse tokens.
        coarse, fine: rotations of the two grids.
    """

    tokens: Tensor
    prompt: Tensor
    grid: tuple[int, int]
    coarse: RopeTables
    fine: RopeTables


class _PatchEmbed(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(4, dim, STRIDE, stride=STRIDE)


class _FinalLayer(nn.Module):
    def __init__(self, dim: int, values: int) -> None:
        super().__init__()
        self.norm = plain_norm(dim)
        self.linear = nn.Linear(dim, values)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(dim, 2 * dim))

    def modulation(self, condition: Tensor) -> Tensor:
        return self.adaLN_modulation(condition).unflatten(-1, (2, -1))

    def forward(self, tokens: Tensor, modulation: Tensor) -> Tensor:
        shift, scale = modulation[:, :, None].unbind(1)
        return self.linear(self.norm(tokens) * (1 + scale) + shift)


class SpDit(OfficialNames, nn.Module):
    """Velocity of a noisy depth map, prompted by an image and its semantic tokens.

    One evaluation is split into what depends on the image (:meth:`scene`), on the time-step
    (:meth:`modulations`), and on the noisy depth (:meth:`velocity`); the first two are made once
    for all steps. :meth:`forward` puts them together.
    """

    prefix = "dit."

    def __init__(self, config: SpDitConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SpDitConfig()
        dim, wide = config.dim, 4 * config.dim
        if config.depth % 2:
            raise ValueError(f"depth must be even, got {config.depth}")
        self.x_embedder = _PatchEmbed(dim)
        self.t_embedder = TimeEmbedder(dim)
        self.blocks = nn.ModuleList(ModulatedBlock(dim, config.heads) for _ in range(config.depth))
        fused = (dim + config.semantic_dim, wide, wide, wide)
        self.proj_fusion = perceptron(*fused, activation=nn.SiLU)
        self.final_layer = _FinalLayer(dim, (STRIDE // 2) ** 2)
        self._start_neutral()

    def forward(self, x: Tensor, semantics: Tensor, times: Tensor) -> Tensor:
        """Velocity (B, 1, H, W).

        Args:
            x: (B, 4, H, W) noisy depth, then RGB in [-0.5, 0.5]; sides multiples of 16.
            semantics: (B, H/16 * W/16, C) tokens, row by row.
            times: () or (B,) time-steps in 0..1000.
        """
        modulations = self.modulations(times.reshape(-1))
        return self.velocity(x[:, :1], self.scene(x[:, 1:], semantics), modulations)

    def modulations(self, times: Tensor) -> Modulations:
        """The vectors of time-steps (B,), for any number of steps at once."""
        condition = self.t_embedder(times)
        blocks = torch.stack([block.modulation(condition) for block in self.blocks])
        return Modulations(blocks, self.final_layer.modulation(condition))

    def scene(self, image: Tensor, semantics: Tensor) -> Scene:
        """The constant part of an image (B, 3, H, W) in [-0.5, 0.5] and its semantics.

        Raises:
            ValueError: sides are not multiples of 16, or the tokens do not fit them.
        """
        height, width = image.shape[-2:]
        grid = (height // STRIDE, width // STRIDE)
        if height % STRIDE or width % STRIDE or 0 in grid:
            raise ValueError(f"image is {height} x {width}: sides must be multiples of {STRIDE}")
        if semantics.shape[1:] != (grid[0] * grid[1], self.config.semantic_dim):
            raise ValueError(
                f"semantics are {tuple(semantics.shape)} for {grid[0]} x {grid[1]} tokens of "
                f"{self.config.semantic_dim} channels"
            )
        embed, fuse = self.x_embedder.proj, self.proj_fusion[0]
        tokens = F.conv2d(image, embed.weight[:, 1:], embed.bias, stride=STRIDE)
        weight = fuse.weight[:, self.config.dim :]
        prompt = F.linear(F.normalize(semantics, dim=-1), weight, fuse.bias)
        head_dim = self.config.dim // self.config.heads
        fine = (2 * grid[0], 2 * grid[1])
        return Scene(
            tokens.flatten(2).mT,
            prompt,
            grid,
            rope_tables(*grid, head_dim, image.device),
            rope_tables(*fine, head_dim, image.device),
        )

    def velocity(self, latent: Tensor, scene: Scene, modulations: Modulations) -> Tensor:
        """Velocity (B, 1, H, W) of a noisy depth (B, 1, H, W)."""
        rows, columns = scene.grid
        half, dim = len(self.blocks) // 2, self.config.dim
        weight = self.x_embedder.proj.weight[:, :1]
        tokens = F.conv2d(latent, weight, stride=STRIDE).flatten(2).mT + scene.tokens
        for block, modulation in zip(self.blocks[:half], modulations.blocks[:half], strict=True):
            tokens = block(tokens, modulation, scene.coarse)
        fused = F.linear(tokens, self.proj_fusion[0].weight[:, :dim]) + scene.prompt
        cells = self.proj_fusion[1:](fused).unflatten(-1, (2, 2, dim)).unflatten(1, scene.grid)
        tokens = cells.permute(0, 1, 3, 2, 4, 5).reshape(len(cells), -1, dim)
        for block, modulation in zip(self.blocks[half:], modulations.blocks[half:], strict=True):
            tokens = block(tokens, modulation, scene.fine)
        patches = self.final_layer(tokens, modulations.final)
        side = STRIDE // 2
        patches = patches.unflatten(-1, (side, side)).unflatten(1, (2 * rows, 2 * columns))
        return patches.permute(0, 1, 3, 2, 4).reshape(len(patches), 1, *latent.shape[-2:])

    def _start_neutral(self) -> None:
        """Initial values for training: every block is the identity and the output is zero."""
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        embed = self.x_embedder.proj
        nn.init.xavier_uniform_(embed.weight.view(len(embed.weight), -1))
        nn.init.zeros_(embed.bias)
        nn.init.normal_(self.t_embedder.mlp[0].weight, std=0.02)
        nn.init.normal_(self.t_embedder.mlp[2].weight, std=0.02)
        layers = [block.adaLN_modulation[1] for block in self.blocks]
        for layer in (*layers, self.final_layer.adaLN_modulation[1], self.final_layer.linear):
            nn.init.zeros_(layer.weight)
