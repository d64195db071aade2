"""The network of "Eliminating the Blind Spot" (arXiv 1808.06253): stereo disparity of one image.

VGG network of monodepth (arXiv 1609.03677) whose convolutions wrap around the seam of a panorama
("ring padding").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers.padding import check_multiples, doubled, padded_conv
from ..names import NameRule, OfficialNames
from .config import BLINDSPOT_VGG, SCALES, BlindSpotConfig

DISPARITY_LIMIT = 0.3  # largest disparity, as a fraction of the width of the image
_KERNELS = (7, 5)  # of the first levels, 3 for all others

_RULES = (
    NameRule("encoder.{0}", "conv{1}"),
    NameRule("decoder.{0}", "upconv{1}"),
    NameRule("heads.{0}", "get_disp{1}"),
)


class BlindSpotVgg(OfficialNames, nn.Module):
    """Disparities of an image, taken as the left and as the right image of a stereo pair.

    Args:
        config: sizes of the network.
    """

    rules = _RULES
    input_range = (0.0, 1.0)  # of its images: networks that state it run in other backends too

    def __init__(self, config: BlindSpotConfig = BLINDSPOT_VGG) -> None:
        super().__init__()
        self.config = config
        widths, levels = config.widths, len(config.widths)
        encoder, channels = [], 3
        for level, width in enumerate(widths):
            kernel = _KERNELS[level] if level < len(_KERNELS) else 3
            encoder += [_conv(channels, width, kernel), _conv(width, width, kernel, stride=2)]
            channels = width
        self.encoder = nn.ModuleList(encoder)
        decoder, heads = [], []
        for level in reversed(range(levels)):  # ``level`` is that of the skip, -1 has none
            width = widths[level - 1] if level > 0 else widths[0] // 2
            skip = widths[level - 1] if level > 0 else 0
            fed = 2 if level < SCALES - 1 else 0  # the disparities of the scale before
            decoder += [_conv(channels, width), _conv(width + skip + fed, width)]
            if level < SCALES:
                heads.append(_conv(width, 2))
            channels = width
        self.decoder = nn.ModuleList(decoder)
        self.heads = nn.ModuleList(heads)  # coarsest first, as the files number them

    def forward(
        self, images: Tensor, *, circular: bool = False, linear: bool = False
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Disparities of RGB images (B, 3, H, W) in [0, 1], four scales, finest first.

        Scale i is (B, 2, H / 2^i, W / 2^i): channel 0 is the disparity of the image as the left
        one of a pair, channel 1 as the right one, both as fractions of the width of a training
        image, in (0, 0.3).

        Args:
            images: float, sides multiples of ``config.multiple`` (128 for the published sizes).
            circular: ring padding: the left and right border of the images meet. Rotating the
                images by ``config.multiple`` columns then rotates the results, exactly.
            linear: the finest scale without its sigmoid, for regression of depth.

        Raises:
            ValueError: the sides are not such multiples.
        """
        check_multiples(images, self.config.multiple)
        x, skips = images.to(self.encoder[0].weight.dtype), []
        for first, second in zip(self.encoder[::2], self.encoder[1::2], strict=True):
            x = _step(second, _step(first, x, circular), circular)
            skips.append(x)
        precision = self.decoder[0].weight.dtype
        x = skips.pop().to(precision)
        disparities: list[Tensor] = []
        without = len(self.decoder) // 2 - len(self.heads)
        for stage, head in enumerate([None] * without + list(self.heads)):
            x = _step(self.decoder[2 * stage], doubled(x), circular)
            parts = [x]
            if skips:
                parts.append(skips.pop().to(precision))
            if disparities:
                parts.append(doubled(disparities[-1]))
            x = _step(self.decoder[2 * stage + 1], torch.cat(parts, 1), circular)
            if head is not None:
                logits = padded_conv(head, x, circular)
                is_last = len(disparities) == SCALES - 1
                disparities.append(
                    logits if linear and is_last else DISPARITY_LIMIT * torch.sigmoid(logits)
                )
        return tuple(reversed(disparities))


def _conv(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    layer = nn.Conv2d(channels_in, channels_out, kernel, stride, padding=(kernel - 1) // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _step(layer: nn.Conv2d, x: Tensor, circular: bool) -> Tensor:
    return F.elu(padded_conv(layer, x, circular))
