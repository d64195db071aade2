"""Sizes and limits of PanopticDepth; importing them loads no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from ...options import check_signs
from ...segment_classes import CITYSCAPES, PanopticClass

Norm = Literal["frozen", "batch"]

MULTIPLE = 32  # sides of the network input are multiples of it
STRIDE = 4  # of masks and of the depth embedding
MAX_SHIFT_M = 44.0
MAX_RANGE_M = 88.0
CITYSCAPES_FOCAL_PX = 2262.52  # of the camera of Cityscapes at its 2048 columns


@dataclass(frozen=True)
class PanopticDepthConfig:
    """Sizes of the network. The defaults are those of the published models.

    Attributes:
        depth: whether it has the depth branch; without it, it segments only.
        stem, bottleneck, stage: channels of the stem of the ResNet, inside the blocks of its first
            stage, and of what that stage returns; each further stage doubles the last two.
        blocks: blocks of the four stages.
        pyramid, head: channels of the feature pyramid, and of the heads and their kernels.
        layers: convolutions of each head before its last one.
        depth_channels: channels of the depth embedding.
        groups: of the group norms.
        classes: in the order of the stuff map; things come last.
        norm: of the ResNet. ``frozen`` uses stored statistics and never changes, ``batch`` is
            trained (first stage of training).
        input_height: default shorter side of the network input; None keeps the size of the image,
            as the published depth model does.
        longest_side: largest longer side; overrides ``input_height``.
    """

    depth: bool = True
    stem: int = 64
    bottleneck: int = 64
    stage: int = 256
    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    pyramid: int = 256
    head: int = 256
    layers: int = 3
    depth_channels: int = 16
    groups: int = 32
    classes: Sequence[PanopticClass] = CITYSCAPES
    norm: Norm = "frozen"
    input_height: int | None = None
    longest_side: int = 2048

    def __post_init__(self) -> None:
        check_signs(self, "stem bottleneck stage pyramid head layers depth_channels")
        if len(self.blocks) != 4 or min(self.blocks) < 1:
            raise ValueError(f"blocks must name four positive numbers, got {self.blocks}")
        if self.groups < 1 or self.pyramid % self.groups or self.head % self.groups:
            raise ValueError(
                f"pyramid {self.pyramid} and head {self.head} must be multiples of groups "
                f"{self.groups}"
            )
        if self.norm not in get_args(Norm):
            raise ValueError(f"norm must be frozen or batch, got {self.norm!r}")
        if self.input_height is not None and self.input_height < 1:
            raise ValueError(f"input_height must be positive, got {self.input_height}")
        if not 0 < self.things < len(self.classes):
            raise ValueError("classes must hold things and stuff")
        if any(entry.is_thing for entry in self.classes[: self.first_thing]):
            raise ValueError("things must be the last of the classes")

    @property
    def things(self) -> int:
        """Number of thing classes."""
        return sum(entry.is_thing for entry in self.classes)

    @property
    def first_thing(self) -> int:
        """Class number of the first thing."""
        return len(self.classes) - self.things


PANOPTICDEPTH = PanopticDepthConfig()
PANOPTICDEPTH_SEG = PanopticDepthConfig(depth=False, input_height=1024)
PANOPTICDEPTH_TINY = PanopticDepthConfig(stem=16, bottleneck=16, stage=64, pyramid=64, head=64)


@dataclass(frozen=True)
class PanopticLimits:
    """What counts as a segment. The defaults are those of the authors.

    Attributes:
        top: most things of an image, and twice the most candidates of a level and class.
        thing_score, stuff_score: least score of a candidate.
        stuff_pixel: least probability of a pixel that speaks for its class.
        similarity: cosine of two kernels from which on they mean the same thing.
        rescored: least score of a thing once its mask has been weighed.
        combine_score: least such score of things in the panoptic map.
        overlap: largest covered part of a thing that is painted all the same.
        stuff_area_px: least area of stuff in the map, in pixels of the result at any size.
        max_depth_m: depth is clamped to it.
    """

    top: int = 200
    thing_score: float = 0.01
    stuff_score: float = 0.1
    stuff_pixel: float = 0.4
    similarity: float = 0.97
    rescored: float = 0.05
    combine_score: float = 0.2
    overlap: float = 0.5
    stuff_area_px: int = 2048
    max_depth_m: float = 80.0

    def __post_init__(self) -> None:
        if self.top < 2:
            raise ValueError(f"top must be at least 2, got {self.top}")
        shares = "thing_score stuff_score stuff_pixel similarity rescored combine_score overlap"
        check_signs(self, "max_depth_m", "stuff_area_px", shares)

    def changed(self, score: float | None, stuff_area_px: int | None) -> PanopticLimits:
        """These limits with another least score and area of stuff, where given."""
        changes: dict[str, float] = {}
        if score is not None:
            changes = {"combine_score": score, "rescored": min(self.rescored, score)}
        if stuff_area_px is not None:
            changes["stuff_area_px"] = stuff_area_px
        return replace(self, **changes)
