"""Depth Anything V2 (arXiv 2406.09414): DINOv2 encoder, DPT head, one activation."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import DptHead, HybridEncoder, TapTokens, VitEncoder
from ..names import NameRule, OfficialNames, dpt_rules
from .config import DepthAnythingConfig

Activation = Literal["relu", "sigmoid"]


_RULES = (NameRule("encoder", "pretrained"), *dpt_rules("head", "depth_head"))


class DepthAnything(OfficialNames, nn.Module):
    """The network of Depth Anything V2.

    With ``relu`` it returns relative inverse depth (larger is nearer), with ``sigmoid`` depth in
    (0, ``max_depth``).
    """

    input_range = (-2.1, 2.6)  # of its images: ImageNet mean and deviation removed
    rules = _RULES

    def __init__(
        self,
        config: DepthAnythingConfig,
        *,
        activation: Activation,
        max_depth: float = 1.0,
        conv: type[nn.Conv2d] = nn.Conv2d,
    ) -> None:
        super().__init__()
        if activation not in ("relu", "sigmoid"):
            raise ValueError(f"activation must be 'relu' or 'sigmoid', got {activation!r}")
        if not max_depth > 0:
            raise ValueError(f"max_depth must be positive, got {max_depth}")
        self.config = config
        self.activation: Activation = activation
        self.max_depth = float(max_depth)
        sizes = (config.dim, config.depth, config.heads, config.taps)
        patches = {"patch_size": config.patch_size, "grid": config.grid}
        if config.pyramid is None:
            self.encoder = VitEncoder(*sizes, **patches)
        else:
            self.encoder = HybridEncoder(*sizes, pyramid=config.pyramid, **patches)
        self.head = DptHead(
            config.dim, config.features, config.widths, patch_size=config.patch_size, conv=conv
        )

    def forward(self, images: Tensor, *, circular: bool = False) -> Tensor:
        """Values (B, 1, H, W) of normalised RGB images (B, 3, H, W).

        Args:
            images: float, sides multiples of the patch size, ImageNet mean and deviation removed.
                They are cast to the precision of the encoder; the head runs in its own.
            circular: the left and right border of the image meet (full panorama), see
                :class:`~depth_perception.layers.DptHead`.
        """
        logits = self.logits(images, circular=circular)
        if self.activation == "relu":
            return F.relu(logits)
        return torch.sigmoid(logits.float()) * self.max_depth

    def logits(self, images: Tensor, *, circular: bool = False) -> Tensor:
        """Map (B, 1, H, W) before the last activation."""
        grid = self.encoder.grid_of(*images.shape[-2:])
        return self.head([tap.patches for tap in self.taps(images)], grid, circular=circular)

    def taps(self, images: Tensor) -> list[TapTokens]:
        """Tokens of the encoder, which runs in its own precision, in that of the head."""
        precision = self.head.neck.weight.dtype
        taps = self.encoder(images.to(self.encoder.cls_token.dtype))
        return [TapTokens(*(tokens.to(precision) for tokens in tap)) for tap in taps]
