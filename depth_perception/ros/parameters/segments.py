"""Groups of parameters that every node with segments has."""

from __future__ import annotations

from dataclasses import dataclass

from ...geometry.segments import StatisticsOptions
from ...options import option


@dataclass(frozen=True)
class SegmentSettings:
    """Which segments count, and how they look."""

    drop: tuple[str, ...] = option(
        ("",),
        "Names of classes that are no segments of the outputs, such as road and sky; their depth "
        "stays. An empty text drops nothing.",
        reload=True,
    )
    min_score: float = option(
        -1.0,
        "Least score of a thing; -1 takes that of the model (0.2 for the published ones).",
        minimum=-1.0,
        maximum=1.0,
    )
    min_thing_area_px: int = option(
        0,
        "Things of fewer pixels are left out, pixels of panoptic/image.",
        minimum=0,
        maximum=2**31 - 1,
    )
    min_stuff_area_px: int = option(
        -1,
        "Stuff of fewer pixels, all of a class taken together (in a panorama: within one panel, in "
        "pixels of its network input), is left out; -1 takes the limit of the model (2048 for the "
        "published ones).",
        minimum=-1,
        maximum=2**31 - 1,
    )
    overlay_opacity: float = option(
        0.5,
        "Opacity of the colours in panoptic/overlay: 0 shows the image alone, 1 the colours alone.",
        minimum=0.0,
        maximum=1.0,
    )

    def check(self) -> None:
        """Raise ValueError if the score is neither one nor -1."""
        if -1 < self.min_score < 0:
            raise ValueError(
                f"segments.min_score must be -1 or not negative, got {self.min_score:g}"
            )

    @property
    def dropped(self) -> tuple[str, ...]:
        """``drop`` without the empty texts, for lists cannot be empty."""
        return tuple(name for name in self.drop if name)


@dataclass(frozen=True)
class InstanceSettings:
    """How the figures of instances are measured."""

    masks: bool = option(
        True, "Put the mask of each instance into instances; false saves much of the message."
    )
    border_px: int = option(
        2,
        "Pixels so near to another segment do not count, for masks are not exact there.",
        minimum=0,
        maximum=64,
    )
    edge_threshold: float = option(
        0.1,
        "Pixels at depth jumps of more than this share (0.1: 10 %) do not count; 0 counts all.",
        minimum=0.0,
        maximum=10.0,
    )
    min_points: int = option(
        20,
        "An instance of which fewer pixels would remain, such as a thin pole, keeps all that have "
        "a depth.",
        minimum=1,
        maximum=1_000_000,
    )
    oriented: bool = option(
        True,
        "Turn boxes about the y axis of the camera so that they follow the points; false: parallel "
        "to its axes.",
    )

    def options(self) -> StatisticsOptions:
        """The same for the library."""
        return StatisticsOptions(
            border_px=self.border_px,
            edge_threshold=self.edge_threshold or None,
            least_points=self.min_points,
            oriented=self.oriented,
        )


@dataclass(frozen=True)
class MarkerSettings:
    """How instances look in RViz."""

    stuff: bool = option(False, "Also show boxes of stuff, such as road and building.")
    opacity: float = option(0.35, "Opacity of the boxes.", minimum=0.0, maximum=1.0)
    text_height_m: float = option(0.3, "Height of the letters, metres.", minimum=0.01, maximum=10.0)
    lifetime_s: float = option(
        1.0,
        "So long the markers of an image stay, unless the next ones replace them; 0: for ever.",
        minimum=0.0,
        maximum=3600.0,
    )
