"""The parameters of metric scale, the same in every depth node."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ...options import option
from ...scale import Extrinsics, ScaleOptions
from ...scale.sources import FixedOptions, GroundOptions, PointOptions, upward

_FARTHEST_M = 1000.0
_DEFAULTS = ScaleOptions()


@dataclass(frozen=True)
class ExtrinsicsSettings:
    """Where the range sensor sits, in axes with x forward, y left and z up."""

    x: float = option(
        0.0,
        "Metres by which the range sensor sits in front of the camera.",
        minimum=-100.0,
        maximum=100.0,
    )
    y: float = option(
        0.0, "Metres by which it sits to the left of the camera.", minimum=-100.0, maximum=100.0
    )
    z: float = option(
        0.0, "Metres by which it sits above the camera.", minimum=-100.0, maximum=100.0
    )
    roll_deg: float = option(
        0.0,
        "Its turn about the forward axis of the camera, degrees; the first of three.",
        minimum=-360.0,
        maximum=360.0,
    )
    pitch_deg: float = option(
        0.0,
        "Then about the left axis of the camera, degrees: positive looks down.",
        minimum=-360.0,
        maximum=360.0,
    )
    yaw_deg: float = option(
        0.0,
        "Then about the upward axis of the camera, degrees: positive looks left.",
        minimum=-360.0,
        maximum=360.0,
    )

    def extrinsics(self) -> Extrinsics:
        """The same for the library."""
        angles = (math.radians(a) for a in (self.roll_deg, self.pitch_deg, self.yaw_deg))
        return Extrinsics(self.x, self.y, self.z, *angles)


@dataclass(frozen=True)
class ScaleSettings:
    """Where metres come from."""

    source: str = option(
        "model",
        "Where metres come from. model: what the model says. points: a PointCloud2 on "
        "scale/points. scan: a LaserScan on scale/scan. camera_height: flat ground under a camera "
        "of known height. reference: another, metric model. fixed: scale.fixed_scale and "
        "scale.fixed_shift. none: nowhere, only relative depth is published.",
        choices=("model", "points", "scan", "camera_height", "reference", "fixed", "none"),
        reload=True,
    )
    transform: str = option(
        "tf",
        "Where the range sensor sits. tf: look it up from its frame to that of the image. given: "
        "scale.extrinsics.",
        choices=("tf", "given"),
        reload=True,
    )
    tolerance_s: float = option(
        0.1,
        "A cloud or scan belongs to an image if their stamps differ by no more; the nearest "
        "counts.",
        minimum=0.0,
        maximum=10.0,
    )
    min_range_m: float = option(
        0.3, "Measured points nearer to the camera do not count.", minimum=0.01, maximum=_FARTHEST_M
    )
    max_range_m: float = option(
        80.0,
        "Measured points farther from the camera do not count.",
        minimum=0.01,
        maximum=_FARTHEST_M,
    )
    camera_height_m: float = option(
        1.5, "Height of the camera above flat ground.", minimum=0.01, maximum=_FARTHEST_M
    )
    camera_pitch_deg: float = option(
        0.0,
        "How far the camera looks down, degrees; for camera_height.",
        minimum=-90.0,
        maximum=90.0,
    )
    camera_roll_deg: float = option(
        0.0,
        "How far the camera is turned clockwise about its optical axis, degrees; for "
        "camera_height.",
        minimum=-180.0,
        maximum=180.0,
    )
    reference_model: str = option(
        "moge-2-vits-normal",
        "A metric model for the source reference, run on every image; in a panorama it looks "
        "around panel by panel if it is a pinhole model.",
        reload=True,
    )
    reference_checkpoint: str = option(
        "", "Its weights file. Empty: the fetched one, or the one inside the package.", reload=True
    )
    fixed_scale: float = option(
        1.0, "Factor of the values of the model, for the source fixed.", minimum=1e-9, maximum=1e9
    )
    fixed_shift: float = option(
        0.0,
        "Offset that is added then: metres for a model of depth, 1/m for one of inverse depth. "
        "Must be 0 where only a factor is unknown.",
        minimum=-1e9,
        maximum=1e9,
    )
    hold_s: float = option(
        2.0,
        "When the source is silent or not believed, the last scale holds for so long; then the "
        "depth is not metric any more.",
        minimum=0.0,
        maximum=3600.0,
    )
    follow: bool = option(
        True,
        "Let the overlap of neighbouring images tell how scale and shift of the model jumped "
        "between them; false: a jump is an outlier.",
    )
    min_agreement: float = option(
        _DEFAULTS.min_agreement,
        "If a smaller share of the known depths agrees with the image, the fit is refused.",
        minimum=0.0,
        maximum=1.0,
    )
    max_depth_m: float = option(
        0.0,
        "Farther pixels of a depth that was fitted are unknown; 0: no limit.",
        minimum=0.0,
        maximum=1e6,
    )
    extrinsics: ExtrinsicsSettings = field(default_factory=ExtrinsicsSettings)

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        if self.min_range_m >= self.max_range_m:
            raise ValueError(
                f"scale.min_range_m ({self.min_range_m:g}) must be less than scale.max_range_m "
                f"({self.max_range_m:g})"
            )

    @property
    def measures(self) -> bool:
        """Whether a range sensor is listened to."""
        return self.source in ("points", "scan")

    def options(self) -> ScaleOptions:
        """The same for the library."""
        pitch, roll = math.radians(self.camera_pitch_deg), math.radians(self.camera_roll_deg)
        return ScaleOptions(
            source="points" if self.source == "scan" else self.source,  # type: ignore[arg-type]
            filter=replace(_DEFAULTS.filter, hold_s=self.hold_s),
            follow=self.follow,
            min_agreement=self.min_agreement,
            max_depth_m=self.max_depth_m or math.inf,
            points=PointOptions(range_min_m=self.min_range_m, range_max_m=self.max_range_m),
            ground=GroundOptions(height_m=self.camera_height_m, up=upward(pitch, roll)),
            fixed=FixedOptions(self.fixed_scale, self.fixed_shift),
            extrinsics=self.extrinsics.extrinsics(),
        )
