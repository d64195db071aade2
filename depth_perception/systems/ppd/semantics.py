"""Semantic tokens that prompt Pixel-Perfect Depth, one per 16 x 16 pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import VitEncoder
from ..depth_anything.network import DepthAnything
from ..image_input import IMAGENET_MEAN, IMAGENET_STD
from ..moge.network import Moge, MogeEncoder
from .transformer import STRIDE


class DepthAnythingSemantics(nn.Module):
    """Patch tokens of the encoder of Depth Anything V2."""

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, encoder: VitEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        for name, values in (("image_mean", IMAGENET_MEAN), ("image_std", IMAGENET_STD)):
            constant = torch.tensor(values, device="cpu").reshape(1, 3, 1, 1)
            self.register_buffer(name, constant, persistent=False)

    @property
    def backbone(self) -> VitEncoder:
        """The vision transformer."""
        return self.encoder

    def forward(self, images: Tensor) -> Tensor:
        """Tokens (B, H/16 * W/16, C) of RGB images (B, 3, H, W) in [0, 1]."""
        network_input = self.network_input(images).to(self.encoder.cls_token.dtype)
        return self.encoder(network_input)[-1].patches.float()

    def network_input(self, images: Tensor) -> Tensor:
        """Normalised, then resampled bicubically to one patch per 16 x 16 pixels."""
        normalised = (images - self.image_mean) / self.image_std
        size = [side // STRIDE * self.encoder.patch_size for side in images.shape[-2:]]
        return F.interpolate(normalised, size, mode="bicubic", align_corners=False)


class MogeSemantics(nn.Module):
    """Projected and added taps of the encoder of MoGe-2."""

    def __init__(self, encoder: MogeEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    @property
    def backbone(self) -> VitEncoder:
        """The vision transformer."""
        return self.encoder.backbone

    def forward(self, images: Tensor) -> Tensor:
        """Tokens (B, H/16 * W/16, C) of RGB images (B, 3, H, W) in [0, 1]."""
        grid = (images.shape[-2] // STRIDE, images.shape[-1] // STRIDE)
        features, _ = self.encoder(images, grid)
        return features.flatten(2).mT.float()


def semantics_of(network: DepthAnything | Moge) -> DepthAnythingSemantics | MogeSemantics:
    """The encoder of a loaded network for the prompt; it shares the network's parameters."""
    if isinstance(network, Moge):
        return MogeSemantics(network.encoder)
    encoder = network.encoder
    encoder.taps = (len(encoder.blocks) - 1,)
    return DepthAnythingSemantics(encoder)
