"""MoGe-2 (arXiv 2507.02546): points, normals, mask and metric scale of a pinhole image."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import VitEncoder, perceptron
from ..image_input import IMAGENET_MEAN, IMAGENET_STD, antialiased
from ..names import OfficialNames
from .config import MogeConfig, Remap
from .conv_stack import ConvStack

GridRule = Literal["round", "truncate"]


class MogeMaps(NamedTuple):
    """Output of the network for images (B, 3, H, W).

    Attributes:
        points: (B, H, W, 3) x right, y down, z forward, up to a shift in z and a scale.
        normal: (B, H, W, 3) unit normals, or None.
        mask: (B, H, W) probability that there is a surface, or None.
        metric_scale: (B,) metres per unit once the shift is applied, or None.
    """

    points: Tensor
    normal: Tensor | None
    mask: Tensor | None
    metric_scale: Tensor | None


class MogeEncoder(nn.Module):
    """DINOv2 whose taps are projected and added up."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: MogeConfig) -> None:
        super().__init__()
        self.register_buffer("image_mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("image_std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1))
        self.backbone = VitEncoder(config.dim, config.depth, config.heads, config.taps)
        self.output_projections = nn.ModuleList(
            nn.Conv2d(config.dim, config.features, 1) for _ in config.taps
        )

    def forward(self, images: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Features (B, C, *grid) and class token (B, dim) of RGB images (B, 3, H, W) in [0, 1].

        The backbone runs in its own precision, all else in that of the projections.
        """
        taps = self.backbone(self.network_input(images, grid).to(self.backbone.cls_token.dtype))
        precision = self.output_projections[0].weight.dtype
        features = sum(
            project(tap.patches.to(precision).mT.unflatten(2, grid))
            for project, tap in zip(self.output_projections, taps, strict=True)
        )
        return features, taps[-1].class_token.to(precision)

    def network_input(self, images: Tensor, grid: tuple[int, int]) -> Tensor:
        """Images resampled to the token grid, then normalised: (B, 3, 14 rows, 14 columns)."""
        patch = self.backbone.patch_size
        size = (grid[0] * patch, grid[1] * patch)
        images = antialiased(images, size)
        return (images - self.image_mean) / self.image_std


class Moge(OfficialNames, nn.Module):
    """The network of MoGe-2. Parameter names are the official ones."""

    input_range = (0.0, 1.0)
    output_types = (MogeMaps,)

    def __init__(self, config: MogeConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = MogeEncoder(config)
        self.neck = ConvStack(*config.neck)
        self.points_head = ConvStack(*config.points)
        self.normal_head = None if config.normal is None else ConvStack(*config.normal)
        self.mask_head = None if config.mask is None else ConvStack(*config.mask)
        self.scale_head = None if config.scale_widths is None else perceptron(*config.scale_widths)

    def forward(
        self,
        images: Tensor,
        num_tokens: int | None = None,
        *,
        grid_rule: GridRule = "round",
        network_size: bool = False,
    ) -> MogeMaps:
        """Maps at the size of the images.

        Args:
            images: (B, 3, H, W) RGB in [0, 1], any size.
            num_tokens: approximate number of tokens of an image; more give finer detail. None
                takes the maximum of the training.
            grid_rule: ``round`` as MoGe's repository does today, ``truncate`` as the copy in
                Pixel-Perfect Depth does.
            network_size: return maps at the size of the encoder input instead. They cover the
                same view, so their pixels are not quite square.
        """
        height, width = images.shape[-2:]
        count = self.config.token_range[1] if num_tokens is None else num_tokens
        grid = token_grid(count, width / height, grid_rule)
        features, class_token = self.encoder(images, grid)
        size = (height, width)
        if network_size:
            patch = self.encoder.backbone.patch_size
            size = (grid[0] * patch, grid[1] * patch)
        return self.decode(features, class_token, size, width / height)

    def decode(
        self,
        features: Tensor,
        class_token: Tensor,
        size: tuple[int, int],
        aspect: float | None = None,
    ) -> MogeMaps:
        """Maps (B, *size) from the output of the encoder.

        ``aspect`` is the width / height of the images; None takes that of ``size``.
        """
        height, width = size
        aspect = width / height if aspect is None else aspect
        rows, columns = features.shape[-2:]
        levels = []
        for level in range(len(self.config.neck.widths)):
            grid = (rows << level, columns << level)
            uv = view_plane_uv(*grid, aspect, features.device).to(features.dtype)
            levels.append(uv.permute(2, 0, 1).expand(len(features), -1, -1, -1))
        levels[0] = torch.cat((features, levels[0]), 1)
        levels = self.neck(levels)

        def head_map(head: ConvStack) -> Tensor:
            finest = head(levels)[-1].float()
            return F.interpolate(finest, size, mode="bilinear", align_corners=False)

        points = remap_points(head_map(self.points_head).movedim(1, -1), self.config.remap)
        normal = mask = scale = None
        if self.normal_head is not None:
            normal = F.normalize(head_map(self.normal_head).movedim(1, -1), dim=-1)
        if self.mask_head is not None:
            mask = head_map(self.mask_head)[:, 0].sigmoid()
        if self.scale_head is not None:
            scale = self.scale_head(class_token)[:, 0].float().exp()
        return MogeMaps(points, normal, mask, scale)


def token_grid(num_tokens: int, aspect: float, rule: GridRule = "round") -> tuple[int, int]:
    """Rows and columns of about ``num_tokens`` square tokens on an image of width / height."""
    rows, columns = math.sqrt(num_tokens / aspect), math.sqrt(num_tokens * aspect)
    if rule == "truncate":
        return max(1, int(rows)), max(1, int(columns))
    return max(1, round(rows)), max(1, round(columns))


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # tensors created in inference mode cannot be used in training
def view_plane_uv(
    rows: int, columns: int, aspect: float | None = None, device: torch.device | str = "cpu"
) -> Tensor:
    """Pixel centres (rows, columns, 2) as (u, v) on a plane whose half diagonal is 1.

    ``aspect`` is the width / height of the image; None takes that of the grid.
    """
    aspect = columns / rows if aspect is None else aspect
    span_x, span_y = aspect / math.hypot(1, aspect), 1 / math.hypot(1, aspect)
    last_u, last_v = span_x * (columns - 1) / columns, span_y * (rows - 1) / rows
    u = torch.linspace(-last_u, last_u, columns, device=device)
    v = torch.linspace(-last_v, last_v, rows, device=device)
    grid_v, grid_u = torch.meshgrid(v, u, indexing="ij")
    return torch.stack((grid_u, grid_v), -1)


def remap_points(raw: Tensor, remap: Remap) -> Tensor:
    """Points (..., 3) of the raw output of the points head."""
    xy, z = raw[..., :2], raw[..., 2:]
    if remap == "exp":
        z = z.exp()
        return torch.cat((xy * z, z), -1)
    if remap == "sinh":
        return raw.sinh()
    if remap == "sinh_exp":
        return torch.cat((xy.sinh(), z.exp()), -1)
    return raw
