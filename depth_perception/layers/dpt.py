"""The dense prediction head of DPT (arXiv 2103.13413) as Depth Anything V2 builds it."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from .padding import padded_conv
from .strips import enlarged_conv, resize_map


class ResidualUnit(nn.Module):
    """x + conv(relu(conv(relu(x)))) on (B, F, H, W)."""

    def __init__(self, features: int, conv: type[nn.Conv2d] = nn.Conv2d) -> None:
        super().__init__()
        self.conv1 = conv(features, features, 3, padding=1)
        self.conv2 = conv(features, features, 3, padding=1)

    def forward(self, x: Tensor, circular: bool = False) -> Tensor:
        inner = padded_conv(self.conv1, F.relu(x), circular)
        return x + padded_conv(self.conv2, F.relu(inner), circular)


class FusionBlock(nn.Module):
    """Adds a finer level to the coarser path and refines the sum.

    The coarsest block has no path to add to, so its ``skip`` unit is never used; it exists because
    the released files hold its parameters.
    """

    def __init__(self, features: int, conv: type[nn.Conv2d] = nn.Conv2d) -> None:
        super().__init__()
        self.skip = ResidualUnit(features, conv)
        self.refine = ResidualUnit(features, conv)
        self.out = nn.Conv2d(features, features, 1)

    def forward(self, path: Tensor, level: Tensor | None, circular: bool = False) -> Tensor:
        """(B, F, h, w) path and level to the map (B, F, h, w) that is then enlarged."""
        if level is not None:
            path = path + self.skip(level, circular)
        # A 1x1 convolution and a resize whose weights sum to one commute: the small map is cheaper.
        return self.out(self.refine(path, circular))


def output_branch(channels: int, hidden: int, conv: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    """The last layers of a head: ``channels`` to one map."""
    return nn.Sequential(conv(channels, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, 1, 1))


class DptHead(nn.Module):
    """Four levels of ViT tokens to one map at the resolution of the image.

    Args:
        dim: width of the tokens.
        features: channels F of the fusion path.
        widths: channels of the four levels, finest first.
        hidden: channels before the last 1x1 convolution.
        patch_size: pixels per patch side; sets the size of the output.
        conv: class of the 3 x 3 convolutions, such as
            :class:`~depth_perception.layers.SphereConv2d`.
    """

    def __init__(
        self,
        dim: int,
        features: int,
        widths: Sequence[int],
        *,
        hidden: int = 32,
        patch_size: int = 14,
        conv: type[nn.Conv2d] = nn.Conv2d,
    ) -> None:
        super().__init__()
        if len(widths) != 4:
            raise ValueError(f"a DPT head has four levels, got widths {tuple(widths)}")
        self.patch_size = patch_size
        self.project = nn.ModuleList(nn.Conv2d(dim, width, 1) for width in widths)
        self.rescale = nn.ModuleList(
            (
                nn.ConvTranspose2d(widths[0], widths[0], 4, stride=4),
                nn.ConvTranspose2d(widths[1], widths[1], 2, stride=2),
                nn.Identity(),
                conv(widths[3], widths[3], 3, stride=2, padding=1),
            )
        )
        self.reduce = nn.ModuleList(
            conv(width, features, 3, padding=1, bias=False) for width in widths
        )
        self.fuse = nn.ModuleList(FusionBlock(features, conv) for _ in widths)
        self.neck = conv(features, features // 2, 3, padding=1)
        self.out = output_branch(features // 2, hidden, conv)

    def forward(
        self,
        taps: Sequence[Tensor],
        grid: tuple[int, int],
        *,
        skips: Sequence[Tensor] = (),
        circular: bool = False,
    ) -> Tensor:
        """Map (B, 1, H, W), before any activation, of four patch-token sets (B, rows * cols, D).

        ``circular`` treats the left and the right border as neighbours, as they are in a full
        panorama: same weights, but not bit-compatible with the published inference. ``skips`` are
        added to the finest levels, in order.
        """
        trunk = self.trunk(taps, grid, skips=skips, circular=circular)
        return self.branch(self.out, trunk, grid, circular)

    def trunk(
        self,
        taps: Sequence[Tensor],
        grid: tuple[int, int],
        *,
        skips: Sequence[Tensor] = (),
        circular: bool = False,
    ) -> Tensor:
        """Map (B, F / 2, 8 rows, 8 columns) that all output branches read."""
        levels = self.levels(taps, grid, circular)
        for index, skip in enumerate(skips):
            levels[index] = levels[index] + skip
        path = self.fuse_levels(levels, circular)
        size = (2 * path.shape[-2], 2 * path.shape[-1])
        return enlarged_conv(path, size, self.neck, circular)

    def branch(
        self, layers: nn.Sequential, trunk: Tensor, grid: tuple[int, int], circular: bool = False
    ) -> Tensor:
        """Map (B, 1, H, W) of an output branch, such as ``self.out``, from :meth:`trunk`."""
        size = (grid[0] * self.patch_size, grid[1] * self.patch_size)
        return enlarged_conv(trunk, size, layers[0], circular, layers[1:])

    def levels(
        self, taps: Sequence[Tensor], grid: tuple[int, int], circular: bool = False
    ) -> list[Tensor]:
        """The four levels (B, F, h, w), finest first: 4, 2, 1 and 1/2 (rounded up) of the grid."""
        levels = []
        for tokens, project, rescale, reduce in zip(
            taps, self.project, self.rescale, self.reduce, strict=True
        ):
            level = project(tokens.mT.unflatten(2, grid))
            is_conv = isinstance(rescale, nn.Conv2d)
            level = padded_conv(rescale, level, circular) if is_conv else rescale(level)
            levels.append(padded_conv(reduce, level, circular))
        return levels

    def fuse_levels(self, levels: Sequence[Tensor], circular: bool = False) -> Tensor:
        """From coarse to fine into one (B, F, 4 rows, 4 columns) map, still to be doubled."""
        path = self.fuse[3](levels[3], None, circular)
        for index in (2, 1, 0):
            path = resize_map(path, levels[index].shape[-2:], circular)
            path = self.fuse[index](path, levels[index], circular)
        return path
