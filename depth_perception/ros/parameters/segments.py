"""Parameters of panoptic outputs, in every node that has them."""

from __future__ import annotations

from dataclasses import dataclass

from ...geometry.segments import StatisticsOptions
from ...options import option

_FRACTION = {"minimum": 0.0, "maximum": 1.0}
_AREA = {"unit": "px", "minimum": 0, "maximum": 2**31 - 1}


@dataclass(frozen=True)
class SegmentSettings:
    """Selection of segments, and the overlay."""

    drop: tuple[str, ...] = option(
        ("",),
        "Names of classes to remove from the segments of the outputs, such as road and sky; their "
        "depth stays. An empty text removes nothing.",
        reload=True,
    )
    min_score: float | None = option(
        None,
        "Minimum score of a thing (EoMT: of any segment); -1: that of the model (0.2 for "
        "PanopticDepth, 0.8 for EoMT).",
        unset=-1.0,
        **_FRACTION,
    )
    min_thing_area_px: int = option(
        0, "Minimum area of a thing instance in panoptic/image.", **_AREA
    )
    min_stuff_area_px: int | None = option(
        None,
        "Minimum area of a stuff class, summed over its regions (in panoramas: within one panel, "
        "in pixels of its network input); -1: that of the model (PanopticDepth 2048, EoMT 0).",
        unset=-1,
        **_AREA,
    )
    overlay_opacity: float = option(
        0.5,
        "Opacity of the segment colours in panoptic/overlay: 0 shows only the image, 1 only the "
        "colours.",
        **_FRACTION,
    )

    @property
    def dropped(self) -> tuple[str, ...]:
        """``drop`` without empty texts: a list parameter cannot be empty."""
        return tuple(name for name in self.drop if name)


@dataclass(frozen=True)
class InstanceSettings:
    """Statistics of instances."""

    masks: bool = option(
        True, "Include the mask of each instance in instances; most of the size of the message."
    )
    border_px: int = option(
        2,
        "Distances of instances ignore pixels within this distance of another segment, as masks "
        "are inexact there.",
        unit="px",
        within=(0, 64),
    )
    edge_threshold: float = option(
        0.1,
        "Distances of instances ignore pixels at relative depth discontinuities larger than this "
        "(0.1: 10 %); 0 uses all.",
        within=(0.0, 10.0),
    )
    min_points: int = option(
        20,
        "Minimum number of pixels of an instance that remain after those near borders and depth "
        "discontinuities are ignored; with fewer, as of a thin pole, all of its pixels are used.",
        within=(1, 1_000_000),
    )
    oriented: bool = option(
        True,
        "Align boxes of instances with their points by a rotation about the y axis of the camera. "
        "If false, boxes are parallel to its axes.",
    )

    def options(self) -> StatisticsOptions:
        """The options of the library."""
        return StatisticsOptions(
            border_px=self.border_px,
            edge_threshold=self.edge_threshold or None,
            least_points=self.min_points,
            oriented=self.oriented,
        )


@dataclass(frozen=True)
class MarkerSettings:
    """Markers of instances for RViz."""

    stuff: bool = option(False, "Also publish markers of stuff, such as road and building.")
    opacity: float = option(0.35, "Opacity of the boxes in instances/markers.", **_FRACTION)
    text_height_m: float = option(
        0.3, "Height of the text in instances/markers.", unit="m", within=(0.01, 10.0)
    )
    lifetime_s: float = option(
        1.0,
        "Time for which markers stay unless those of the next image replace them; 0: for ever.",
        unit="s",
        within=(0.0, 3600.0),
    )


@dataclass(frozen=True)
class PanopticGroup:
    """Parameters of panoptic models besides their options."""

    classes_file: str = option(
        "",
        "YAML file with a name and a colour for each class of a panoptic model, in its order, such "
        "as config/cityscapes_classes.yaml. Empty: the classes of the model.",
        reload=True,
    )
