"""Parameters of the outputs of depth: cloud, panels and scan."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...geometry import Panel
from ...options import option
from .node import RATE, angle

_DISTANCE = {"unit": "m", "minimum": 0.0, "maximum": 1000.0}
_SIDE = {"unit": "px", "minimum": 8, "maximum": 4096, "reload": True}


def _check_range(group: str, settings: CloudSettings | ScanSettings) -> None:
    """Raise ValueError if the limits of the range are the wrong way round."""
    low, high = settings.min_range_m, settings.max_range_m
    if low > high:
        raise ValueError(
            f"{group}.min_range_m ({low:g}) must not exceed {group}.max_range_m ({high:g})"
        )


@dataclass(frozen=True)
class CloudSettings:
    """Point cloud on `depth/points`."""

    enabled: bool = option(True, "Publish depth/points while it has subscribers.")
    stride: int = option(
        1, "Use every n-th row and column of the depth image in depth/points.", within=(1, 64)
    )
    organised: bool = option(
        False,
        "Layout of depth/points. True: height x width points, NaN where invalid. False: one row of "
        "the valid points.",
    )
    min_range_m: float = option(
        0.1, "Minimum distance of the points of depth/points; nearer ones are omitted.", **_DISTANCE
    )
    max_range_m: float = option(
        1000.0,
        "Maximum distance of the points of depth/points; farther ones are omitted.",
        **_DISTANCE,
    )
    max_rate_hz: float = option(
        0.0, "Maximum rate of depth/points; 0: one for every image.", **RATE
    )
    colour: bool = option(
        True, "Add the colour of the pixel to every point of depth/points (field rgb)."
    )
    edge_threshold: float = option(
        0.1,
        "Omit points of depth/points at relative depth discontinuities larger than this (0.1: 10 "
        "%), where they would float between two surfaces; 0 keeps all.",
        within=(0.0, 10.0),
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        _check_range("cloud", self)


@dataclass(frozen=True)
class PanelSettings:
    """Virtual pinhole cameras on `panels/NAME/{image,depth,camera_info}`."""

    enabled: bool = option(
        True,
        "Publish panels/NAME/{image,depth,camera_info} while they have subscribers.",
        reload=True,
    )
    names: tuple[str, ...] = option(
        ("front", "right", "back", "left"),
        "Names of the panels, which are virtual pinhole cameras in the panorama.",
        reload=True,
    )
    yaw_deg: tuple[float, ...] = option(
        (0.0, 90.0, 180.0, -90.0),
        "Yaw of each panel relative to the image centre; positive is to the right.",
        **angle(-360.0, 360.0, reload=True),
    )
    pitch_deg: tuple[float, ...] = option(
        (0.0, 0.0, 0.0, 0.0),
        "Pitch of each panel relative to the horizon; positive is up.",
        **angle(-90.0, 90.0, reload=True),
    )
    fov_deg: float = option(
        90.0, "Horizontal field of view of the panels.", **angle(1.0, 170.0, reload=True)
    )
    width: int = option(320, "Width of a panel.", **_SIDE)
    height: int = option(320, "Height of a panel.", **_SIDE)

    def check(self) -> None:
        """Raise ValueError if the lists differ in length or a name cannot be part of a topic."""
        counts = (len(self.names), len(self.yaw_deg), len(self.pitch_deg))
        if len(set(counts)) != 1:
            raise ValueError(
                "panels.names, panels.yaw_deg and panels.pitch_deg must have the same length, got "
                "{}, {} and {}".format(*counts)
            )
        if len(set(self.names)) != len(self.names):
            raise ValueError(f"panels.names must differ, got {', '.join(self.names)}")
        for name in self.names:
            if not name.isidentifier() or not name.isascii():
                raise ValueError(
                    f"panels.names: {name!r} cannot be part of a topic; use letters, digits and _"
                )

    def panels(self) -> tuple[Panel, ...]:
        """The panels."""
        yaws, pitches = map(math.radians, self.yaw_deg), map(math.radians, self.pitch_deg)
        view = (math.radians(self.fov_deg), self.height, self.width)
        return tuple(Panel(*each, *view) for each in zip(self.names, yaws, pitches, strict=True))


@dataclass(frozen=True)
class ScanSettings:
    """Laser scan on `scan`."""

    enabled: bool = option(True, "Publish scan while it has subscribers.")
    band_deg: float = option(
        10.0,
        "Height of the band around the horizon within which the nearest surface of each column is "
        "the range in the scan. The camera is assumed to be upright.",
        **angle(0.1, 180.0),
    )
    min_range_m: float = option(
        0.1, "Minimum range of the scan; nearer ranges become -inf.", **_DISTANCE
    )
    max_range_m: float = option(
        30.0, "Maximum range of the scan; farther ranges become +inf.", **_DISTANCE
    )
    frame_id: str = option(
        "",
        "Frame of the scan, with x forward, y left and z up. Empty: the frame of the image with "
        "`_optical_frame` replaced by `_scan_frame`.",
    )

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        _check_range("scan", self)
