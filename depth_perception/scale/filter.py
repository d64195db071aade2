"""Outlier-robust temporal filter of scale, with a time-out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

from ..depth_space import ScaleFit
from .options import FilterOptions


class FilterStatus(str, Enum):
    """Origin of an estimate.

    ``TRACKING``: from fits that include the present one. ``HELD``: from earlier fits only, because
    there is no present fit or it is a jump.
    """

    TRACKING = "tracking"
    HELD = "held"


@dataclass(frozen=True)
class ScaleEstimate:
    """The scale at one moment.

    Attributes:
        fit: filtered scale and shift with their sigmas; the other numbers are those of the last
            accepted fit.
        status: see :class:`FilterStatus`.
        age_s: time since that fit, seconds.
    """

    fit: ScaleFit
    status: FilterStatus
    age_s: float


@dataclass(frozen=True)
class _Normal:
    mean: float
    variance: float

    def wandered(self, drift: float, seconds: float) -> _Normal:
        return _Normal(self.mean, self.variance + drift**2 * seconds)

    def corrected(self, other: _Normal) -> _Normal:
        """Product of both: the Kalman filter of a directly observed number."""
        total = self.variance + other.variance
        mean = self.mean + self.variance / total * (other.mean - self.mean)
        return _Normal(mean, self.variance * other.variance / total)

    def distance(self, other: _Normal) -> float:
        return abs(self.mean - other.mean) / math.sqrt(self.variance + other.variance)


@dataclass(frozen=True)
class _State:
    fit: ScaleFit
    log_scale: _Normal
    shift: _Normal
    stamp_s: float
    accepted_s: float


class ScaleFilter:
    """Filters fits over time; log scale and shift are modelled as random walks.

    Time is that of the images. If it goes backwards, as for a bag that starts again, the filter is
    reset.
    """

    def __init__(self, options: FilterOptions | None = None) -> None:
        self.options = options or FilterOptions()
        self._state: _State | None = None
        self._jumps: list[_State] = []

    def reset(self) -> None:
        """Clear all state."""
        self._state = None
        self._jumps = []

    def update(self, fit: ScaleFit, stamp_s: float) -> ScaleEstimate:
        """Add a fit; the estimate at its time.

        Args:
            fit: of a frame; one of another model than before resets the filter.
            stamp_s: time of the frame, seconds.

        Raises:
            ValueError: the scale is not positive and finite, or the time not finite.
        """
        if not (math.isfinite(fit.scale) and fit.scale > 0 and math.isfinite(fit.shift)):
            raise ValueError(f"no scale to filter: {fit.scale}, shift {fit.shift}")
        state, seen = self._carried_to(stamp_s), self._seen(fit, stamp_s)
        if state is None or state.fit.model is not fit.model:
            return self._accepted(seen)
        if not self._is_jump(state, seen):
            log_scale = state.log_scale.corrected(seen.log_scale)
            shift = state.shift.corrected(seen.shift)
            return self._accepted(replace(seen, log_scale=log_scale, shift=shift))
        if self._jumps and self._is_jump(self._jumps[-1], seen):
            self._jumps = []
        self._jumps.append(seen)
        if len(self._jumps) >= self.options.jumps_to_accept:
            return self._accepted(seen)
        self._state = state
        return _estimate(state, FilterStatus.HELD)

    def at(self, stamp_s: float) -> ScaleEstimate | None:
        """The estimate at a time without a fit; None if there is none or it is too old.

        Raises:
            ValueError: the time is not finite.
        """
        self._state = self._carried_to(stamp_s)
        return None if self._state is None else _estimate(self._state, FilterStatus.HELD)

    @property
    def is_empty(self) -> bool:
        """Whether there is no estimate."""
        return self._state is None

    def rebase(self, factor: float, offset: float) -> None:
        """Change the values: the present ones are ``factor * value + offset`` of the new ones.

        Raises:
            ValueError: the factor is not positive, or a number not finite.
        """
        if not (math.isfinite(factor) and factor > 0 and math.isfinite(offset)):
            raise ValueError(f"no line to follow: factor {factor}, offset {offset}")
        if self._state is not None:
            self._state = _rebased(self._state, factor, offset)
        self._jumps = [_rebased(jump, factor, offset) for jump in self._jumps]

    def _carried_to(self, stamp_s: float) -> _State | None:
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be finite, got {stamp_s}")
        state, options = self._state, self.options
        if state is None:
            return None
        seconds = stamp_s - state.stamp_s
        if seconds < 0 or stamp_s - state.accepted_s > options.hold_s:
            self.reset()
            return None
        return replace(
            state,
            log_scale=state.log_scale.wandered(options.scale_drift, seconds),
            shift=state.shift.wandered(options.shift_drift, seconds),
            stamp_s=stamp_s,
        )

    def _seen(self, fit: ScaleFit, stamp_s: float) -> _State:
        scale_sigma = math.hypot(fit.scale_sigma / fit.scale, self.options.scale_noise)
        shift_sigma = math.hypot(fit.shift_sigma, self.options.shift_noise)
        log_scale = _Normal(math.log(fit.scale), scale_sigma**2)
        return _State(fit, log_scale, _Normal(fit.shift, shift_sigma**2), stamp_s, stamp_s)

    def _is_jump(self, state: _State, seen: _State) -> bool:
        gate = self.options.gate_sigmas
        is_jump = state.log_scale.distance(seen.log_scale) > gate
        return is_jump or (seen.fit.model.has_shift and state.shift.distance(seen.shift) > gate)

    def _accepted(self, state: _State) -> ScaleEstimate:
        self._state = state
        self._jumps = []
        return _estimate(state, FilterStatus.TRACKING)


def _rebased(state: _State, factor: float, offset: float) -> _State:
    log_scale, shift = state.log_scale, state.shift
    if state.fit.model.has_shift:
        shift = replace(shift, mean=shift.mean + math.exp(log_scale.mean) * offset)
    log_scale = replace(log_scale, mean=log_scale.mean + math.log(factor))
    return replace(state, log_scale=log_scale, shift=shift)


def _estimate(state: _State, status: FilterStatus) -> ScaleEstimate:
    scale = math.exp(state.log_scale.mean)
    has_shift = state.fit.model.has_shift
    fit = replace(
        state.fit,
        scale=scale,
        shift=state.shift.mean if has_shift else 0.0,
        scale_sigma=scale * math.sqrt(state.log_scale.variance),
        shift_sigma=math.sqrt(state.shift.variance) if has_shift else 0.0,
    )
    return ScaleEstimate(fit, status, state.stamp_s - state.accepted_s)
