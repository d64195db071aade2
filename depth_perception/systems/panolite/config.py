"""Sizes of the networks; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass

STRIDE = 32
"""Pixels per cell of the coarsest map; the rows of the network input are a multiple of it."""


@dataclass(frozen=True)
class PanoLiteConfig:
    """An encoder of timm and the decoder on it.

    Attributes:
        encoder: name in timm; its maps have strides 2, 4, 8, 16 and 32.
        widths: channels of the decoder at these strides.
        blocks: transformer blocks at stride 32.
        heads: of their attention.
    """

    encoder: str
    widths: tuple[int, int, int, int, int]
    blocks: int
    heads: int


PANOLITE = PanoLiteConfig("tf_efficientnet_lite0", (32, 48, 80, 128, 192), blocks=2, heads=6)
PANOLITE_TINY = PanoLiteConfig("tf_mobilenetv3_small_minimal_100", (8, 8, 12, 16, 24), 1, 2)
