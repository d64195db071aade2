"""Sizes of the network; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Da2Config:
    """Sizes of ViT (``dim``, ``depth``, ``heads``, ``taps``) and of the decoder.

    Attributes:
        hidden: width of the decoder, which its maps halve twice.
        decoder_heads: attention heads of the decoder.
        out_dim: channels of the map that is enlarged to the size of the image.
    """

    dim: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    hidden: int
    decoder_heads: int
    out_dim: int


DA2_LARGE = Da2Config(1024, 24, 16, (5, 11, 17, 23), 512, 8, 64)
DA2_TINY = Da2Config(64, 8, 2, (1, 3, 5, 7), 64, 2, 8)
