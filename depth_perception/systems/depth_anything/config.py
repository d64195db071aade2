"""Sizes of the networks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DepthAnythingConfig:
    """Sizes of ViT (``dim``, ``depth``, ``heads``, ``taps``) and head (``features``, ``widths``).

    ``patch_size`` and ``grid`` are explained at :class:`~depth_perception.layers.VitEncoder`,
    ``pyramid`` at :class:`~depth_perception.layers.HybridEncoder`.
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


@dataclass(frozen=True)
class Size:
    """A released size of Depth Anything V2, and of PanDA, which adds adapters to it.

    Attributes:
        name, encoder: of the size, and of its encoder in file names.
        parameters, with_adapters: their number without and with PanDA's adapters.
        licence: of the released weights.
    """

    name: str
    config: DepthAnythingConfig
    encoder: str
    parameters: int
    with_adapters: int
    licence: str


SIZES = (
    Size("small", SMALL, "vits", 24_785_089, 24_858_817, "Apache-2.0"),
    Size("base", BASE, "vitb", 97_470_785, 97_618_241, "CC-BY-NC-4.0"),
    Size("large", LARGE, "vitl", 335_315_649, 335_708_865, "CC-BY-NC-4.0"),
)
