"""Sizes of OmniDepth's networks; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RectNetConfig:
    """Channels of RectNet: of one branch of the first two stages, at 1/2, at 1/4, and deepest."""

    first: int
    second: int
    half: int
    quarter: int
    deep: int


@dataclass(frozen=True)
class UResNetConfig:
    """Channels of UResNet: of the two layers of the stem and of the four residual blocks."""

    stem: tuple[int, int]
    blocks: tuple[int, int, int, int]


RECTNET = RectNetConfig(first=8, second=16, half=128, quarter=256, deep=512)
RECTNET_TINY = RectNetConfig(first=4, second=8, half=32, quarter=48, deep=64)
URESNET = UResNetConfig(stem=(32, 64), blocks=(128, 256, 512, 1024))
