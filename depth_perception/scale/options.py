"""Options of scale recovery. Importing them loads nothing heavy."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field, replace
from enum import Enum
from typing import Any

from ..depth_space import FitModel
from ..options import check_options, check_signs, option, shared

_OPTICAL_OF_BODY = ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))
_FARTHEST_M = 1000.0


class ScaleSource(str, Enum):
    """Source of metric scale.

    ``MODEL``: the model itself, metric or not. ``POINTS``: ranges of a lidar, laser scanner or
    depth camera. ``CAMERA_HEIGHT``: the ground below a camera of known height. ``OBJECT_SIZE``:
    objects of known size. ``REFERENCE``: another, metric model. ``FIXED``: given numbers. ``NONE``:
    no source; the depth of a metric model becomes scale-invariant.
    """

    MODEL = "model"
    POINTS = "points"
    CAMERA_HEIGHT = "camera_height"
    OBJECT_SIZE = "object_size"
    REFERENCE = "reference"
    FIXED = "fixed"
    NONE = "none"


@dataclass(frozen=True)
class FitOptions:
    """Noise of samples, and when a fit to them is rejected.

    Attributes:
        noise_m, noise_ratio: standard deviation of the samples: a part in metres and a part
            relative to depth. Only their ratio matters: it weighs near samples against far ones.
            The noise itself is estimated.
        min_samples: least number of valid samples.
        min_inlier_ratio: least fraction of inliers.
        min_spread_ratio: for a fit with a shift, least difference between the 10 % and 90 %
            quantile of the inliers' depth, relative to its median: a wall seen head-on does not
            determine both scale and shift.
        max_sigma_ratio: largest standard deviation of the scale, relative to the scale.
        max_residual_ratio: largest root mean square residual of the inliers, relative to depth.
    """

    noise_m: float = 0.02
    noise_ratio: float = 0.02
    min_samples: int = 20
    min_inlier_ratio: float = 0.5
    min_spread_ratio: float = 0.1
    max_sigma_ratio: float = 0.1
    max_residual_ratio: float = 0.35

    def __post_init__(self) -> None:
        if min(self.noise_m, self.noise_ratio) < 0 or self.noise_m + self.noise_ratio <= 0:
            raise ValueError(
                f"noise_m and noise_ratio must not be negative nor both zero, got {self.noise_m} "
                f"and {self.noise_ratio}"
            )
        if self.min_samples < 3:
            raise ValueError(f"min_samples must be at least 3, got {self.min_samples}")


@dataclass(frozen=True)
class FilterOptions:
    """Options of :class:`~depth_perception.scale.filter.ScaleFilter`.

    Attributes:
        scale_drift: random walk of the scale in one second, relative to it (one sigma).
        shift_drift: random walk of the shift in one second, in its own unit (one sigma).
        scale_noise: least sigma of a fitted scale, relative to it: errors of a network are
            correlated over an image, which the sigma of a fit does not include.
        shift_noise: least sigma of a fitted shift, in its own unit.
        gate_sigmas: fits farther than this from the estimate are jumps, which are outliers.
        jumps_to_accept: number of consecutive consistent jumps after which the new scale is
            accepted.
    """

    scale_drift: float = 0.05
    shift_drift: float = 0.05
    scale_noise: float = 0.01
    shift_noise: float = 0.02
    gate_sigmas: float = 4.0
    jumps_to_accept: int = 5
    hold_s: float = option(
        5.0,
        "How long the last scale is kept while the source is silent or its fits are rejected; "
        "afterwards the depth is no longer metric.",
        unit="s",
        minimum=0.0,
    )

    def __post_init__(self) -> None:
        check_options(self)
        positive = "scale_noise shift_noise gate_sigmas jumps_to_accept"
        check_signs(self, positive, "scale_drift shift_drift")


@dataclass(frozen=True)
class PointOptions:
    """How points of a range sensor become known depths.

    Attributes:
        noise_m, noise_ratio: standard deviation of a range: a part in metres and a part relative
            to it.
        spacing: largest angle between neighbouring points of a surface, radians: gaps up to this
            angle still hide what lies behind.
        behind_ratio: points are hidden by others that are nearer by this fraction of their range.
    """

    range_min_m: float = option(
        0.3, "Nearer points of the range sensor are ignored (distance from the camera).", unit="m"
    )
    range_max_m: float = option(
        80.0, "Farther points of the range sensor are ignored (distance from the camera).", unit="m"
    )
    noise_m: float = 0.03
    noise_ratio: float = 0.01
    spacing: float = math.radians(2.0)
    behind_ratio: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.range_min_m < self.range_max_m < math.inf:
            raise ValueError(
                "ranges must satisfy 0 < range_min_m < range_max_m, got "
                f"{self.range_min_m} and {self.range_max_m}"
            )
        check_signs(self, "", "noise_m noise_ratio")
        if not 0 <= self.spacing < math.pi or not self.behind_ratio > 0:
            raise ValueError(
                "spacing must lie in [0, pi) rad and behind_ratio be positive, got "
                f"{self.spacing} and {self.behind_ratio}"
            )


@dataclass(frozen=True)
class GroundOptions:
    """A camera of known height above flat ground.

    Attributes:
        up: direction away from the ground in the optical frame, of any length. A level camera:
            (0, -1, 0).
        min_depression, max_depression: angles below the horizon, radians, between which pixels may
            see ground. Closer to the horizon the distance is inaccurate; straight down is often the
            vehicle itself.
        tolerance_ratio: largest relative difference of depth of a pixel that sees the ground.
        min_ground_ratio: least fraction of the candidates (by solid angle) that see the ground.
        height_sigma_ratio: standard deviation of the height, relative to it.
    """

    height_m: float = option(
        1.5,
        "Height of the camera above flat ground: for the source camera_height, and for "
        "PanoLite models, which read it when the node is configured.",
        unit="m",
    )
    up: tuple[float, float, float] = (0.0, -1.0, 0.0)
    min_depression: float = math.radians(8.0)
    max_depression: float = math.radians(75.0)
    tolerance_ratio: float = 0.08
    min_ground_ratio: float = 0.2
    height_sigma_ratio: float = 0.02

    def __post_init__(self) -> None:
        if not (math.isfinite(self.height_m) and self.height_m > 0):
            raise ValueError(f"height_m must be positive metres, got {self.height_m}")
        length = math.sqrt(sum(x * x for x in self.up))
        if len(self.up) != 3 or not (math.isfinite(length) and length > 1e-6):
            raise ValueError(f"up must be a direction of three numbers, got {self.up}")
        if not 0 < self.min_depression < self.max_depression <= math.pi / 2:
            raise ValueError(
                "depressions must satisfy 0 < min < max <= pi/2, got "
                f"{self.min_depression:.3f} and {self.max_depression:.3f} rad"
            )
        for name in ("tolerance_ratio", "min_ground_ratio"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, got {getattr(self, name)}")
        check_signs(self, "", "height_sigma_ratio")


def upward(pitch: float, roll: float) -> tuple[float, float, float]:
    """``up`` of a camera that is tilted down by ``pitch`` and turned clockwise by ``roll``.

    Both in radians; clockwise as seen from behind the camera, about its optical axis.
    """
    level = math.cos(pitch)
    return (-math.sin(roll) * level, -math.cos(roll) * level, -math.sin(pitch))


@dataclass(frozen=True)
class FixedOptions:
    """Given numbers: ``scale * value + shift`` in the space of the fit."""

    scale: float = option(1.0, "Factor of the model's values, for the source fixed.")
    shift: float = option(
        0.0,
        "Additive offset for the source fixed, in m (depth) or 1/m (inverse depth). Must be 0 for "
        "models that are relative only in scale.",
    )

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.shift)):
            raise ValueError(
                f"scale must be positive and both finite, got {self.scale} and {self.shift}"
            )


@dataclass(frozen=True)
class Extrinsics:
    """Pose of a sensor in the body frame of the camera, for robots without TF.

    The body frame has x forward along the optical axis, y left and z up (REP-103), so that a level
    sensor that faces as the camera does has angles of 0.

    Attributes:
        x, y, z: origin of the sensor, metres.
        roll, pitch, yaw: rotation about the fixed axes x, y and z, in this order, radians.
    """

    x: float = 0.0
    y: float = 0.0
    z: float = 0.0
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        if not all(math.isfinite(number) for number in astuple(self)):
            raise ValueError(f"extrinsics must be finite, got {astuple(self)}")

    def matrix(self) -> Any:
        """(4, 4) float64 tensor, from the sensor to the optical frame of the camera."""
        import torch

        from ..geometry.rotations import axis_rotation, rigid

        angles = (self.roll, self.pitch, self.yaw)
        roll, pitch, yaw = (axis_rotation(axis, angle) for axis, angle in enumerate(angles))
        optical = rigid((0.0, 0.0, 0.0), torch.tensor(_OPTICAL_OF_BODY))
        return optical @ rigid((self.x, self.y, self.z), yaw @ pitch @ roll)


@dataclass(frozen=True)
class ScaleOptions:
    """How scale is recovered. Units are in the names or in the text.

    Attributes:
        model: what is fitted; None takes what the prediction lacks: a factor for scale-invariant
            and metric values, factor and offset in the space of affine-invariant ones.
        fit: noise of the model and when a fit is rejected.
        filter: how fits are smoothed over time. With ``follow`` its shifts are relative to the
            depth at the median of the values (for models of ln(depth): absolute).
        follow_residual_ratio: largest relative difference of depth between consecutive images;
            above it a scene cut is detected and the filter is reset.
        block_px: side of the squares, in pixels of the prediction, within which errors of the model
            are taken as correlated, for the sigma.
        agree_ratio: largest relative error of a fit at a known depth that agrees with it.
        agreement_s: time over which agreement is averaged, seconds.
        check_turns_s: period, seconds, of the check whether points agree better when they are
            rotated about the camera by ``turn`` radians, which means wrong extrinsics. Infinite:
            never.
        turn: see there.
        points, ground, fixed: options of the sources.
        extrinsics: of the sensor of the points, where there is no TF.
    """

    source: ScaleSource = option(
        ScaleSource.MODEL,
        "Source of metric scale. model: the model itself. points: ranges of a lidar or depth "
        "camera. camera_height: flat ground below a camera of known height. reference: another, "
        "metric model. fixed: given scale and shift. none: no source, the depth stays relative.",
        choices=tuple(source.value for source in ScaleSource),
    )
    model: FitModel | None = None
    fit: FitOptions = field(default_factory=FitOptions)
    filter: FilterOptions = field(
        default_factory=lambda: FilterOptions(
            scale_drift=0.1, shift_drift=0.02, scale_noise=0.05, shift_noise=0.03, gate_sigmas=5.0
        )
    )
    follow: bool = option(
        True,
        "Track frame-to-frame changes of the model's scale and shift from image overlap. If false, "
        "such changes are treated as outliers.",
    )
    follow_residual_ratio: float = 0.2
    block_px: int = 8
    agree_ratio: float = 0.25
    min_agreement: float = option(
        0.4,
        "Least fraction of the known depths that agree with the fit; below it, fits are rejected.",
        within=(0.0, 1.0),
    )
    agreement_s: float = 1.0
    check_turns_s: float = 1.0
    turn: float = math.radians(30.0)
    max_depth_m: float = option(
        math.inf, "Pixels of a fitted depth map beyond this depth are invalid.", unit="m"
    )
    points: PointOptions = field(default_factory=PointOptions)
    ground: GroundOptions = field(default_factory=GroundOptions)
    fixed: FixedOptions | None = None
    extrinsics: Extrinsics | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", ScaleSource(self.source))
        if self.model is not None:
            object.__setattr__(self, "model", FitModel(self.model))
        if self.source is ScaleSource.FIXED and self.fixed is None:
            raise ValueError("source 'fixed' needs its scale: fixed=FixedOptions(scale=...)")
        check_options(self)
        positive = "follow_residual_ratio agree_ratio max_depth_m turn"
        check_signs(self, positive, "block_px agreement_s check_turns_s")


def _offset(text: str) -> float:
    return option(0.0, text, unit="m", within=(-100.0, 100.0))


def _angle(text: str, limit: float = 360.0) -> float:
    return option(0.0, text, unit="deg", within=(-limit, limit))


@dataclass(frozen=True)
class SensorMount:
    """Pose of the range sensor in axes with x forward, y left and z up."""

    x: float = _offset("Position of the range sensor in front of the camera.")
    y: float = _offset("Position of the range sensor to the left of the camera.")
    z: float = _offset("Position of the range sensor above the camera.")
    roll_deg: float = _angle(
        "Roll of the range sensor about the camera's forward axis. Applied first, then pitch, then "
        "yaw."
    )
    pitch_deg: float = _angle(
        "Pitch of the range sensor about the camera's left axis; positive tilts down."
    )
    yaw_deg: float = _angle(
        "Yaw of the range sensor about the camera's upward axis; positive turns left."
    )

    def __post_init__(self) -> None:
        check_options(self)

    def extrinsics(self) -> Extrinsics:
        """The pose in radians."""
        angles = map(math.radians, (self.roll_deg, self.pitch_deg, self.yaw_deg))
        return Extrinsics(self.x, self.y, self.z, *angles)


@dataclass(frozen=True)
class ScaleSetup:
    """The options of scale recovery as nodes and the command line offer them.

    Angles are in degrees and models have names; :meth:`options` makes those of the library.
    """

    source: str = shared(ScaleOptions, "source", default="model", reload=True)
    tolerance_s: float = option(
        0.1,
        "Largest difference between the stamps of an image and of the range measurement used for "
        "it; the nearest one is used.",
        unit="s",
        within=(0.0, 10.0),
    )
    min_range_m: float = shared(PointOptions, "range_min_m", minimum=0.01, maximum=_FARTHEST_M)
    max_range_m: float = shared(PointOptions, "range_max_m", minimum=0.01, maximum=_FARTHEST_M)
    camera_height_m: float = shared(GroundOptions, "height_m", minimum=0.01, maximum=_FARTHEST_M)
    camera_pitch_deg: float = _angle(
        "Pitch of the camera, for the source camera_height; positive tilts down.", 90.0
    )
    camera_roll_deg: float = _angle(
        "Roll of the camera about its optical axis, for the source camera_height; positive turns "
        "clockwise.",
        180.0,
    )
    reference_model: str = option(
        "moge-2-vits-normal",
        "Metric model for the source reference, run on every image. On panoramas a pinhole model "
        "runs on overlapping views.",
        reload=True,
    )
    reference_checkpoint: str = option(
        "",
        "Weights file of the metric model for the source reference. Unset: downloaded or bundled "
        "weights.",
        reload=True,
    )
    fixed_scale: float = shared(FixedOptions, "scale", minimum=1e-9, maximum=1e9)
    fixed_shift: float = shared(FixedOptions, "shift", minimum=-1e9, maximum=1e9)
    hold_s: float = shared(FilterOptions, "hold_s", default=2.0, maximum=3600.0)
    follow: bool = shared(ScaleOptions, "follow")
    min_agreement: float = shared(ScaleOptions, "min_agreement")
    max_depth_m: float = shared(
        ScaleOptions, "max_depth_m", default=0.0, note="0: no limit.", minimum=0.0, maximum=1e6
    )
    extrinsics: SensorMount = field(default_factory=SensorMount)

    def __post_init__(self) -> None:
        check_options(self)

    def check(self) -> None:
        """Raise ValueError if the range limits are the wrong way round."""
        if self.min_range_m >= self.max_range_m:
            raise ValueError(
                f"scale.min_range_m ({self.min_range_m:g}) must be less than scale.max_range_m "
                f"({self.max_range_m:g})"
            )

    def options(self) -> ScaleOptions:
        """The options of the library."""
        up = upward(math.radians(self.camera_pitch_deg), math.radians(self.camera_roll_deg))
        usual = ScaleOptions()
        return ScaleOptions(
            source=ScaleSource(self.source),
            filter=replace(usual.filter, hold_s=self.hold_s),
            follow=self.follow,
            min_agreement=self.min_agreement,
            max_depth_m=self.max_depth_m or math.inf,
            points=PointOptions(self.min_range_m, self.max_range_m),
            ground=GroundOptions(self.camera_height_m, up),
            fixed=FixedOptions(self.fixed_scale, self.fixed_shift),
            extrinsics=self.extrinsics.extrinsics(),
        )
