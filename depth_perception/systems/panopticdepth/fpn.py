"""Feature pyramids: maps of all scales with global context.

Lin et al., "Feature Pyramid Networks" (arXiv 1612.03144), section 3, with two more levels as in
RetinaNet (arXiv 1708.02002); Kirillov et al., "Panoptic Feature Pyramid Networks" (arXiv
1901.02446), section 3, for the one map made of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from .resnet import NormedConv


class FeaturePyramid(nn.Module):
    """The maps of a backbone, each with context of the coarser ones, and two coarser levels.

    Args:
        widths: channels of the maps of the backbone, finest first.
        channels: of all levels.
    """

    def __init__(self, widths: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(_conv(width, channels, 1) for width in widths)
        self.output = nn.ModuleList(_conv(channels, channels, 3) for _ in widths)
        self.coarser = nn.ModuleList(_conv(channels, channels, 3, stride=2) for _ in range(2))

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Levels (B, channels, h, w), finest first; each map is twice as fine as the next."""
        x = self.lateral[-1](maps[-1])
        levels = [self.output[-1](x)]
        for lateral, output, finer in zip(
            reversed(self.lateral[:-1]), reversed(self.output[:-1]), maps[-2::-1], strict=True
        ):
            x = lateral(finer) + F.interpolate(x, scale_factor=2, mode="nearest")
            levels.insert(0, output(x))
        levels.append(self.coarser[0](levels[-1]))
        levels.append(self.coarser[1](F.relu(levels[-1])))
        return tuple(levels)


class SemanticPyramid(nn.Module):
    """The sum of all levels, each brought to the finest one step by step.

    Args:
        channels: of the levels.
        width: of the result.
        groups: of the group norms.
        levels: number of levels, finest first.
    """

    def __init__(self, channels: int, width: int, *, groups: int = 32, levels: int = 4) -> None:
        super().__init__()
        norm = partial(nn.GroupNorm, groups)
        self.levels = nn.ModuleList(
            nn.ModuleList(
                NormedConv(channels if step == 0 else width, width, 3, norm=norm)
                for step in range(max(1, level))
            )
            for level in range(levels)
        )

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, width, h, w) at the size of the first of ``maps``."""
        total = None
        for level, (steps, x) in enumerate(zip(self.levels, maps, strict=True)):
            for step in steps:
                x = F.relu(step(x))
                if level > 0:
                    x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            total = x if total is None else total + x
        return total


def _conv(channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2)
    nn.init.kaiming_uniform_(layer.weight, a=1)
    nn.init.zeros_(layer.bias)
    return layer
