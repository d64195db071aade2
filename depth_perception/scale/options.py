"""Everything that can be said about how scale is recovered."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, field
from enum import Enum

import torch
from torch import Tensor

from .agreement import axis_rotation
from .filter import FilterOptions
from .fits import FitModel, FitOptions
from .sources.camera_height import GroundOptions
from .sources.fixed import FixedOptions
from .sources.points import PointOptions

_OPTICAL_OF_BODY = ((0.0, -1.0, 0.0), (0.0, 0.0, -1.0), (1.0, 0.0, 0.0))


class ScaleSource(str, Enum):
    """Where metres come from.

    ``MODEL``: what the model says, metres or not. ``POINTS``: ranges of a lidar, scan or depth
    camera. ``CAMERA_HEIGHT``: the ground under a camera of known height. ``OBJECT_SIZE``: objects
    of known size. ``REFERENCE``: another, metric model. ``FIXED``: given numbers. ``NONE``:
    nowhere; not even the metres of a metric model count.
    """

    MODEL = "model"
    POINTS = "points"
    CAMERA_HEIGHT = "camera_height"
    OBJECT_SIZE = "object_size"
    REFERENCE = "reference"
    FIXED = "fixed"
    NONE = "none"


@dataclass(frozen=True)
class Extrinsics:
    """Where a sensor sits, for robots without TF.

    All in the body frame of the camera (x forward along the optical axis, y left, z up; REP-103),
    so that a level sensor that looks where the camera looks has angles of 0.

    Attributes:
        x, y, z: origin of the sensor, metres.
        roll, pitch, yaw: its turn about the fixed axes x, y and z, in this order, radians.
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

    def matrix(self) -> Tensor:
        """(4, 4) float64, from the sensor to the optical frame of the camera."""
        mount, optical = torch.eye(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64)
        angles = (self.roll, self.pitch, self.yaw)
        roll, pitch, yaw = (axis_rotation(axis, angle) for axis, angle in enumerate(angles))
        mount[:3, :3] = yaw @ pitch @ roll
        mount[:3, 3] = torch.tensor((self.x, self.y, self.z), dtype=torch.float64)
        optical[:3, :3] = torch.tensor(_OPTICAL_OF_BODY, dtype=torch.float64)
        return optical @ mount


@dataclass(frozen=True)
class ScaleOptions:
    """How scale is recovered. Units are in the names or in the text.

    Attributes:
        source: see :class:`ScaleSource`.
        model: what is fitted; None takes what the prediction lacks: a factor for scale-invariant
            and metric values, factor and offset in the space of affine-invariant ones.
        fit: noise of the model and when a fit is refused.
        filter: how fits are smoothed over time. With ``follow`` its shifts are shares of the
            depth in the middle of the values (for models of ln(depth): plain numbers).
        follow: let neighbouring images tell how scale and shift of the model jumped between them.
            Off: the model's own scale and shift are steady, and jumps are outliers.
        follow_residual_ratio: neighbouring images that differ by more than this share of the
            depth are a cut: the filter starts anew.
        block_px: errors of the model are taken as alike within squares of so many pixels of the
            prediction, for the sigma.
        agree_ratio: a known depth agrees with a fit that is off by less than this share of it.
        min_agreement: least share of known depths that agree, over ``agreement_s``; below, the
            fits are not believed.
        agreement_s: seconds over which agreement is averaged.
        check_turns_s: look so often, in seconds, whether points agree better when turned about the
            camera by ``turn`` radians: then the extrinsics are wrong. Infinite for never.
        turn: see there.
        max_depth_m: farther pixels of the result are invalid; infinite for all.
        points, ground, fixed: options of the sources.
        extrinsics: of the sensor of the points, where there is no TF.
    """

    source: ScaleSource = ScaleSource.MODEL
    model: FitModel | None = None
    fit: FitOptions = field(default_factory=FitOptions)
    filter: FilterOptions = field(
        default_factory=lambda: FilterOptions(
            scale_drift=0.1,
            shift_drift=0.02,
            scale_noise=0.05,
            shift_noise=0.03,
            gate_sigmas=5.0,
        )
    )
    follow: bool = True
    follow_residual_ratio: float = 0.2
    block_px: int = 8
    agree_ratio: float = 0.25
    min_agreement: float = 0.4
    agreement_s: float = 1.0
    check_turns_s: float = 1.0
    turn: float = math.radians(30.0)
    max_depth_m: float = math.inf
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
        for name in ("follow_residual_ratio", "agree_ratio", "max_depth_m", "turn"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("block_px", "agreement_s", "check_turns_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 0 <= self.min_agreement <= 1:
            raise ValueError(f"min_agreement must lie in 0..1, got {self.min_agreement}")
