"""Depth Anything 3 (arXiv 2511.10647), monocular: DINOv2 encoder, DPT head for depth and sky."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from ...layers import DptHead, VitEncoder
from ...layers.dpt import output_branch
from ..depth_anything.config import DepthAnythingConfig
from ..names import NameRule, OfficialNames, dpt_rules

_TAP_EPS = 1e-5  # of the norm of the taps; the norms inside the blocks have 1e-6
_HIDDEN = 32
_RULES = (
    NameRule("encoder", "model.backbone.pretrained"),
    *dpt_rules("head", "model.head"),
    NameRule("head.sky", "model.head.scratch.sky_output_conv2"),
)


class Da3Maps(NamedTuple):
    """Output of the network for images (B, 3, H, W).

    Attributes:
        depth: (B, H, W) positive z-depth, up to the focal length or up to a scale.
        sky: (B, H, W) at least 0; from 0.3 on a pixel is sky.
    """

    depth: Tensor
    sky: Tensor


class Da3Head(DptHead):
    """The DPT head with a second output branch; its coarsest level has no unused unit."""

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__(config.dim, config.features, config.widths, hidden=_HIDDEN)
        self.sky = output_branch(config.features // 2, _HIDDEN)
        del self.fuse[3].skip


class DepthAnything3(OfficialNames, nn.Module):
    """The monocular network of Depth Anything 3; metric and relative models share it."""

    input_range = (-2.1, 2.6)  # of its images: ImageNet mean and deviation removed
    output_types = (Da3Maps,)
    rules = _RULES

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = VitEncoder(config.dim, config.depth, config.heads, config.taps)
        self.encoder.norm.eps = _TAP_EPS
        del self.encoder.mask_token  # not in the files
        self.head = Da3Head(config)

    def forward(self, images: Tensor) -> Da3Maps:
        """Depth and sky of normalised RGB images (B, 3, H, W), sides multiples of 14.

        Images are cast to the precision of the encoder; the head runs in its own.
        """
        depth, sky = self.logits(images)
        return Da3Maps(depth.float().exp()[:, 0], sky.float().relu()[:, 0])

    def logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Depth and sky (B, 1, H, W) before their activations."""
        grid = self.encoder.grid_of(*images.shape[-2:])
        taps = self.encoder(images.to(self.encoder.cls_token.dtype))
        precision = self.head.neck.weight.dtype
        trunk = self.head.trunk([tap.patches.to(precision) for tap in taps], grid)
        depth, sky = (self.head.branch(b, trunk, grid) for b in (self.head.out, self.head.sky))
        return depth, sky
