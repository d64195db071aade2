"""Sizes of the networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DepthAnythingConfig:
    """Sizes of ViT (``dim``, ``depth``, ``heads``, ``taps``) and head (``features``, ``widths``).

    ``patch_size`` and ``grid`` are explained at :class:`~depth_perception.networks.VitEncoder`,
    ``pyramid`` at :class:`~depth_perception.networks.HybridEncoder`.
    """

    dim: int
    depth: int
    heads: int
    taps: tuple[int, int, int, int]
    features: int
    widths: tuple[int, int, int, int]
    patch_size: int = 14
    grid: tuple[int, int] = (37, 37)
    pyramid: tuple[int, int, int] | None = None


SMALL = DepthAnythingConfig(384, 12, 6, (2, 5, 8, 11), 64, (48, 96, 192, 384))
BASE = DepthAnythingConfig(768, 12, 12, (2, 5, 8, 11), 128, (96, 192, 384, 768))
LARGE = DepthAnythingConfig(1024, 24, 16, (4, 11, 17, 23), 256, (256, 512, 1024, 1024))

PANDA_TINY = DepthAnythingConfig(64, 4, 2, (0, 1, 2, 3), 16, (8, 16, 32, 64))
PANDA_TINY_METRIC = DepthAnythingConfig(
    192, 4, 3, (0, 1, 2, 3), 32, (32, 48, 96, 128), grid=(12, 24), pyramid=(24, 48, 96)
)
