"""ConvNeXt as an encoder of four feature maps, on timm's blocks."""

from __future__ import annotations

from timm.models.convnext import ConvNeXt
from torch import Tensor, nn


class ConvNextEncoder(nn.Module):
    """The trunk of ConvNeXt (Liu et al., "A ConvNet for the 2020s", arXiv 2201.03545).

    Args:
        depths: blocks in each of the four stages.
        widths: channels of each stage.
        drop_path: rate of stochastic depth at the last block, growing from 0 at the first.
    """

    def __init__(
        self,
        depths: tuple[int, int, int, int],
        widths: tuple[int, int, int, int],
        *,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__()
        trunk = ConvNeXt(depths=depths, dims=widths, drop_path_rate=drop_path, num_classes=0)
        self.stem = trunk.stem
        self.stages = trunk.stages

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw outputs of the stages, strides 4, 8, 16 and 32, of images (B, 3, H, W).

        Sides that are not multiples of 32 lose their last rows and columns.
        """
        maps = []
        x = self.stem(images)
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)
