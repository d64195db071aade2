"""Sizes of the networks; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...options import check_signs
from ...segment_classes import STREETS_AND_ROOMS, PanopticClass

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
        panoptic: channels of the branch for segments.
        classes: of the segments.
    """

    encoder: str
    widths: tuple[int, int, int, int, int]
    blocks: int
    heads: int
    panoptic: int = 0
    classes: tuple[PanopticClass, ...] = ()


PANOLITE = PanoLiteConfig("tf_efficientnet_lite0", (32, 48, 80, 128, 192), blocks=2, heads=6)
PANOLITE_TINY = PanoLiteConfig("tf_mobilenetv3_small_minimal_100", (8, 8, 12, 16, 24), 1, 2)
PANOLITE_PANOPTIC = replace(PANOLITE, panoptic=40, classes=STREETS_AND_ROOMS)
PANOLITE_PANOPTIC_TINY = replace(PANOLITE_TINY, panoptic=8, classes=STREETS_AND_ROOMS)


@dataclass(frozen=True)
class CentreLimits:
    """What counts as a segment.

    Attributes:
        top: most things of an image.
        centre: least probability of the centre of a thing.
        score: least product of this and the mean probability of its class.
        thing_area_px, stuff_area_px: least area of a thing, and of a class of stuff, in pixels of
            the network input.
        window: centres of two things are at least half of so many pixels of the network input
            apart; odd.
    """

    top: int = 200
    centre: float = 0.1
    score: float = 0.1
    thing_area_px: int = 6
    stuff_area_px: int = 32
    window: int = 5

    def __post_init__(self) -> None:
        check_signs(self, "top", "thing_area_px stuff_area_px", "centre score")
        if self.window < 1 or self.window % 2 == 0:
            raise ValueError(f"window must be odd and positive, got {self.window}")

    def changed(self, score: float | None, stuff_area_px: int | None) -> CentreLimits:
        """These limits with another least score and area of stuff, where given."""
        changes: dict[str, float] = {}
        if score is not None:
            changes = {"score": score, "centre": min(self.centre, score)}
        if stuff_area_px is not None:
            changes["stuff_area_px"] = stuff_area_px
        return replace(self, **changes)
