"""What the numbers of a depth map mean: which distance, in which space, and how far from metres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class DepthKind(str, Enum):
    """The distance that a depth map holds.

    ``RANGE`` is the Euclidean distance along the viewing ray, ``Z`` the distance along the
    optical axis (REP-118). They agree only at the principal point.
    """

    RANGE = "range"
    Z = "z"


class DepthSpace(str, Enum):
    """The space in which the network's values are linear.

    ``LOG_DEPTH`` is ln(depth), ``LOG1P_DEPTH`` is ln(1 + depth).
    """

    DEPTH = "depth"
    INVERSE_DEPTH = "inverse_depth"
    LOG_DEPTH = "log_depth"
    LOG1P_DEPTH = "log1p_depth"

    def from_depth(self, depth: Tensor) -> Tensor:
        """Depths, of any shape and unit, in this space."""
        if self is DepthSpace.INVERSE_DEPTH:
            return 1.0 / depth
        if self is DepthSpace.LOG1P_DEPTH:
            return depth.log1p()
        return depth.log() if self is DepthSpace.LOG_DEPTH else depth

    def to_depth(self, values: Tensor) -> Tensor:
        """The inverse of :meth:`from_depth`."""
        if self is DepthSpace.INVERSE_DEPTH:
            return 1.0 / values
        if self is DepthSpace.LOG1P_DEPTH:
            return values.expm1()
        return values.exp() if self is DepthSpace.LOG_DEPTH else values

    def slope(self, depth: Tensor) -> Tensor:
        """Magnitude of the derivative of :meth:`from_depth`."""
        if self is DepthSpace.INVERSE_DEPTH:
            return depth**-2
        if self is DepthSpace.LOG1P_DEPTH:
            return 1.0 / (1.0 + depth)
        return 1.0 / depth if self is DepthSpace.LOG_DEPTH else depth.new_ones(depth.shape)


class ScaleKind(str, Enum):
    """How far the values are from metres.

    ``SCALE_INVARIANT`` values lack one factor of the depth; ``AFFINE_INVARIANT`` values lack a
    factor and an offset in their own :class:`DepthSpace`.
    """

    METRIC = "metric"
    SCALE_INVARIANT = "scale_invariant"
    AFFINE_INVARIANT = "affine_invariant"


class FitModel(str, Enum):
    """The line that a fit of values to known depths goes through.

    ``SCALE``: depth = scale * value. ``SCALE_SHIFT``: depth = scale * value + shift. The others are
    ``scale * value + shift`` in the :class:`DepthSpace` of their name.
    """

    SCALE = "scale"
    SCALE_SHIFT = "scale_shift"
    INVERSE_DEPTH = "inverse_depth"
    LOG_DEPTH = "log_depth"
    LOG1P_DEPTH = "log1p_depth"

    @classmethod
    def affine_in(cls, space: DepthSpace) -> FitModel:
        """The fit with scale and shift in a space."""
        return cls.SCALE_SHIFT if space is DepthSpace.DEPTH else cls(space.value)

    @property
    def has_shift(self) -> bool:
        """Whether a shift is fitted too."""
        return self is not FitModel.SCALE

    @property
    def space(self) -> DepthSpace:
        """The space in which the fit is a line."""
        if self in (FitModel.SCALE, FitModel.SCALE_SHIFT):
            return DepthSpace.DEPTH
        return DepthSpace(self.value)


@dataclass(frozen=True)
class ScaleFit:
    """A fitted line and how much it deserves trust.

    Attributes:
        model: what ``scale * value + shift`` is.
        scale, shift: the line; the shift is in metres for ``SCALE_SHIFT``, in 1 / metre for
            ``INVERSE_DEPTH``, and 0 for ``SCALE``.
        scale_sigma, shift_sigma: standard deviations. Without groups of samples as if the errors
            of the samples were independent; those of a network are not: these are lower bounds.
        residual_m: root mean square distance of the inliers from the fit, metres.
        residual_ratio: the same as a share of their depth.
        inliers, samples: number of samples that agree with the fit, and of all valid ones; 0 where
            nothing was fitted.
    """

    model: FitModel
    scale: float
    shift: float
    scale_sigma: float
    shift_sigma: float
    residual_m: float
    residual_ratio: float
    inliers: int
    samples: int

    @property
    def inlier_ratio(self) -> float:
        """Share of the samples that agree with the fit."""
        return self.inliers / max(1, self.samples)

    def depth_m(self, values: Tensor) -> Tensor:
        """Depths in metres, of the shape of ``values``; NaN where the fit gives none above 0."""
        depth = self.model.space.to_depth(self.scale * values + self.shift)
        usable = depth.isfinite() & (depth > 0)
        return depth.where(usable, depth.new_tensor(float("nan")))
