"""Sizes and limits of EoMT; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...options import check_signs
from ...segment_classes import COCO_PANOPTIC, PanopticClass

PATCH = 16
STRIDE = 4  # of the mask logits


@dataclass(frozen=True)
class EomtConfig:
    """Sizes of the network.

    Attributes:
        dim, depth, heads: of the encoder.
        query_blocks: number of last blocks that also process the queries.
        size: rows and columns of the network input in pixels; the position embedding has no other.
        queries: their number.
        classes: in the order of the class logits, which have one column more for no object.
    """

    dim: int
    depth: int
    heads: int
    query_blocks: int
    size: tuple[int, int] = (640, 640)
    queries: int = 200
    classes: tuple[PanopticClass, ...] = COCO_PANOPTIC

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.size[0] // PATCH, self.size[1] // PATCH


SMALL = EomtConfig(384, 12, 6, 3)
BASE = EomtConfig(768, 12, 12, 3)
LARGE = EomtConfig(1024, 24, 16, 4)
TINY = EomtConfig(64, 5, 2, 2, size=(160, 160), queries=20)


@dataclass(frozen=True)
class EomtLimits:
    """Which queries become segments.

    Attributes:
        score: least class probability of a query, exclusive.
        overlap: least ratio of the pixels that a query wins, anywhere, to those of its mask.
        stuff_area_px: least number of pixels of a class of stuff in the result.
    """

    score: float = 0.8
    overlap: float = 0.8
    stuff_area_px: int = 0

    def __post_init__(self) -> None:
        check_signs(self, "", "stuff_area_px", "score overlap")

    def changed(self, score: float | None, stuff_area_px: int | None) -> EomtLimits:
        """These limits with another least score and area of stuff, where given."""
        changes: dict[str, float] = {}
        if score is not None:
            changes["score"] = score
        if stuff_area_px is not None:
            changes["stuff_area_px"] = stuff_area_px
        return replace(self, **changes)
