"""ResNet backbone with four feature maps and the stride in the first convolution of a block.

He et al., "Deep Residual Learning" (arXiv 1512.03385), in the form of its authors' own weights,
which Detectron2 and its descendants use. The common form has the stride in the second convolution.
"""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.ops import FrozenBatchNorm2d

NORM_EPSILON = 1e-5  # of both kinds of batch norms


class NormedConv(nn.Conv2d):
    """A convolution padded by half its kernel, with a norm of its own after it.

    Args:
        norm: makes the norm of a number of channels; None is a bias instead.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        *,
        norm: Callable[[int], nn.Module] | None,
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, kernel // 2, bias=norm is None)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.norm = nn.Identity() if norm is None else norm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(super().forward(x))


class Bottleneck(nn.Module):
    """One residual block: 1 x 1 (with the stride), 3 x 3, 1 x 1."""

    def __init__(
        self, channels_in: int, inner: int, channels_out: int, stride: int, norm: Callable
    ) -> None:
        super().__init__()
        self.shortcut = None
        if channels_in != channels_out:
            self.shortcut = NormedConv(channels_in, channels_out, 1, stride, norm=norm)
        self.conv1 = NormedConv(channels_in, inner, 1, stride, norm=norm)
        self.conv2 = NormedConv(inner, inner, 3, norm=norm)
        self.conv3 = NormedConv(inner, channels_out, 1, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.conv2(F.relu(self.conv1(x))))
        kept = x if self.shortcut is None else self.shortcut(x)
        return F.relu(self.conv3(inner) + kept)


class ResNet(nn.Module):
    """Maps of strides 4, 8, 16 and 32.

    Args:
        blocks: in each of the four stages.
        stem: channels of the first convolution.
        inner, outer: channels inside the blocks of the first stage, and of its result; each
            further stage doubles both.
        norm: makes the norm of a number of channels.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int] = (3, 4, 6, 3),
        *,
        stem: int = 64,
        inner: int = 64,
        outer: int = 256,
        norm: Callable[[int], nn.Module] = FrozenBatchNorm2d,
    ) -> None:
        super().__init__()
        self.stem = NormedConv(3, stem, 7, 2, norm=norm)
        self.stages = nn.ModuleList()
        channels = stem
        self.widths = tuple(outer << stage for stage in range(4))
        for stage, (count, width) in enumerate(zip(blocks, self.widths, strict=True)):
            parts = []
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                parts.append(Bottleneck(channels, inner << stage, width, stride, norm))
                channels = width
            self.stages.append(nn.Sequential(*parts))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Maps of images (B, 3, H, W), finest first."""
        x = F.max_pool2d(F.relu(self.stem(images)), 3, stride=2, padding=1)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return tuple(maps)

    def freeze(self, stages: int) -> None:
        """Freeze the first ``stages`` parts: the stem, the first stage, ..."""
        for part in (self.stem, *self.stages)[:stages]:
            part.requires_grad_(False)
