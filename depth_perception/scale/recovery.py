"""Recovery of metric scale over time, from predictions and known depths."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from ..prediction import Prediction, ScaleKind
from .agreement import agreement, best_turn, loose_agreement
from .alignment import apply_fit, blocks, default_model, values_for
from .filter import FilterStatus, ScaleFilter
from .fits import FitError, FitModel, ScaleFit, fit_depth
from .follow import Normalisation, follow
from .options import FixedOptions, ScaleOptions, ScaleSource
from .reference import Reference, SourceError
from .sources.camera_height import ground_reference

_POOR_RESIDUAL, _POOR_SIGMA, _POOR_AGREEMENT = 0.2, 0.1, 0.5  # accepted with a warning
_BETTER_TURNED = 0.05  # wrong extrinsics: a rotation agrees better by this fraction


class ScaleStatus(str, Enum):
    """Whether a result is metric, and why.

    ``MODEL``: the model is metric. ``FIXED``: given scale and shift. ``TRACKING``: from fits that
    include this image. ``HELD``: from fits of earlier images only. ``NONE``: not metric.
    """

    MODEL = "model"
    FIXED = "fixed"
    TRACKING = "tracking"
    HELD = "held"
    NONE = "none"


@dataclass(frozen=True)
class ScaleReport:
    """How a prediction became metric, for users and the message DepthScale.

    Attributes:
        source: name of the source: that of the reference, or of :class:`ScaleSource`.
        status: see :class:`ScaleStatus`.
        fit: ``scale * value + shift`` of this prediction's values; None without one.
        sigma_ratio: standard deviation of the depth in the middle of the values (of the scale, in
            models without a shift), relative to it; NaN if not estimated.
        age_s: time since a fit was last accepted, seconds; NaN if never.
        agreement: recent fraction of the known depths that agree; NaN without known depths.
        warnings: one sentence each.
    """

    source: str
    status: ScaleStatus
    fit: ScaleFit | None = None
    sigma_ratio: float = math.nan
    age_s: float = math.nan
    agreement: float = math.nan
    warnings: tuple[str, ...] = ()

    @property
    def is_metric(self) -> bool:
        """Whether the result is metric."""
        return self.status is not ScaleStatus.NONE


@dataclass(frozen=True)
class Recovered:
    """A metric prediction, or the original one with the reason in ``note``, and the report."""

    prediction: Prediction
    report: ScaleReport


@dataclass(frozen=True)
class _Image:
    """A prediction that becomes metric; ``values`` are normalised, NaN where not valid."""

    prediction: Prediction
    model: FitModel
    norm: Normalisation
    values: Tensor
    stamp_s: float


class ScaleRecovery:
    """Makes predictions metric, image by image in the order of their stamps.

    Not thread-safe.
    """

    def __init__(self, options: ScaleOptions | None = None) -> None:
        self.options = options or ScaleOptions()
        self._filter = ScaleFilter(self.options.filter)
        self.reset()

    def reset(self) -> None:
        """Clear all state, for a new scene or after a jump of the clock."""
        self._filter.reset()
        self._last: _Image | None = None
        self._unit = 1.0
        self._model: FitModel | None = None
        self._accepted_s = math.nan
        self._agreement, self._agreement_s = math.nan, math.nan
        self._turns = {"accepted": ("", math.nan), "rejected": ("", math.nan)}  # text, time

    def recover(
        self,
        prediction: Prediction,
        reference: Reference | None,
        stamp_s: float,
        *,
        missing: str = "",
    ) -> Recovered:
        """The prediction in metres, if there is a valid scale.

        Args:
            prediction: of any space and scale; one grid and model from call to call.
            reference: known depths of this image on its grid, for the sources points, object_size
                and reference; None if there are none. Other sources ignore it.
            stamp_s: time of the image, seconds.
            missing: why there is no reference, for the report ("no transform from lidar", ...).

        Raises:
            ValueError: the reference has another grid, the time is not finite, or the fixed scale
                and shift do not suit the prediction.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be finite, got {stamp_s}")
        source = self.options.source
        if source is ScaleSource.MODEL:
            return _of_model(prediction)
        if source is ScaleSource.NONE:
            note = "the scale source is none: depth has no metric scale"
            return _unmetric(prediction, "none", note)
        model = default_model(prediction) if self.options.model is None else self.options.model
        if source is ScaleSource.FIXED:
            fit = fixed_fit(model, self.options.fixed)
            return self._metric(prediction, ScaleReport("fixed", ScaleStatus.FIXED, fit))
        went_back = self._last is not None and stamp_s < self._last.stamp_s
        if went_back or model is not self._model:
            self.reset()
            self._model = model
        name = source.value if reference is None else reference.source
        values = values_for(model, prediction)
        if self._last is None or self.options.follow:
            norm = Normalisation.of(values, prediction.valid, model.has_shift)
        else:
            norm = self._last.norm
        if norm is None:
            return self._unscaled(prediction, name, ["the predicted depth map is constant"])
        values = torch.where(prediction.valid, norm.apply(values), torch.nan)
        image = _Image(prediction, model, norm, values, stamp_s)
        warnings = self._follow(image)
        fit = None
        try:
            reference = self._reference(prediction, model, reference, missing)
            fit = self._fit(image, reference)
            self._check(image, reference, fit)
        except FitError as error:
            fit = None
            warnings.append(str(error))
            if reference is not None and not isinstance(error, SourceError):
                warnings += filter(None, [self._rejected_turn(image, reference)])
        if fit is None:
            estimate = self._filter.at(stamp_s)
        else:
            estimate = self._filter.update(_in_units(fit, 1 / self._take_unit(fit)), stamp_s)
            if estimate.status is FilterStatus.TRACKING:
                self._accepted_s = stamp_s
            else:
                warnings.append("scale jump rejected as an outlier")
        if estimate is None:
            return self._unscaled(prediction, name, warnings, stamp_s)
        sigma = estimate.fit.scale_sigma / estimate.fit.scale
        if model.has_shift:
            sigma, middle = estimate.fit.shift_sigma, estimate.fit.shift
            if model in (FitModel.SCALE_SHIFT, FitModel.INVERSE_DEPTH):
                sigma = sigma / abs(middle) if middle else math.inf
        if estimate.status is FilterStatus.HELD:
            warnings.append(f"scale held for {estimate.age_s:.1f} s")
        elif fit is not None and (
            fit.residual_ratio > _POOR_RESIDUAL
            or sigma > _POOR_SIGMA
            or self._agreement < _POOR_AGREEMENT
        ):
            warnings.append(
                f"poor fit: {fit.inliers} of {fit.samples} known depths are inliers, with a "
                f"residual of {fit.residual_ratio:.0%}; standard deviation of the scale {sigma:.0%}"
            )
        status = ScaleStatus(estimate.status.value)
        final = _of_values(_in_units(estimate.fit, self._unit), norm)
        report = ScaleReport(
            name, status, final, sigma, estimate.age_s, self._agreement, tuple(warnings)
        )
        return self._metric(prediction, report)

    def _metric(self, prediction: Prediction, report: ScaleReport) -> Recovered:
        limit = self.options.max_depth_m
        limit = limit if math.isfinite(limit) else None
        metric = apply_fit(prediction, report.fit, max_depth_m=limit)
        return Recovered(replace(metric, fit_source=report.source), report)

    def _follow(self, image: _Image) -> list[str]:
        """Convert the filter from the values of the last image to those of this one; warnings."""
        last, self._last = self._last, image
        if last is None or not self.options.follow:
            return []
        estimate = self._filter.at(image.stamp_s)
        if estimate is None:
            return []
        before = _in_units(estimate.fit, self._unit)
        step = None
        if last.values.shape == image.values.shape:
            linear, start = before.scale * last.values + before.shift, (before.scale, before.shift)
            step = follow(image.values, image.prediction.valid, linear, image.model, start)
        if step is None or step.residual_ratio > self.options.follow_residual_ratio:
            self._filter.reset()
            self._agreement = math.nan
            return ["scene cut detected: scale estimation restarted"]
        self._filter.rebase(step.scale / before.scale, (step.shift - before.shift) / before.scale)
        return []

    def _reference(
        self, prediction: Prediction, model: FitModel, reference: Reference | None, missing: str
    ) -> Reference:
        if self.options.source is ScaleSource.CAMERA_HEIGHT:
            return ground_reference(prediction, self.options.ground, model=model)
        if reference is None:
            raise SourceError(
                missing or f"no known depths from the source {self.options.source.value}"
            )
        if reference.depth_m.shape != prediction.values.shape:
            raise ValueError(
                f"the reference is {tuple(reference.depth_m.shape)} but the prediction "
                f"{tuple(prediction.values.shape)}: make it with the camera of the prediction"
            )
        return reference

    def _fit(self, image: _Image, reference: Reference) -> ScaleFit:
        """The fit of this image alone, to its normalised values."""
        options, block_px, values = self.options.fit, self.options.block_px, image.values
        depth = torch.where(image.prediction.valid, reference.depth_m.to(values), torch.nan)
        weights = reference.weights(options.noise_m, options.noise_ratio).to(values)
        groups = blocks(*values.shape, block_px, values.device) if block_px else None
        return fit_depth(
            values, depth, image.model, weights=weights, groups=groups, options=options
        )

    def _check(self, image: _Image, reference: Reference, fit: ScaleFit) -> None:
        """Raise SourceError unless the known depths and the prediction show the same scene."""
        options = self.options
        fit = _of_values(fit, image.norm)
        share = agreement(image.prediction, reference, fit, options.agree_ratio)
        before_s, self._agreement_s = self._agreement_s, image.stamp_s
        keep = 0.0
        if math.isfinite(self._agreement) and options.agreement_s > 0:
            keep = math.exp(-(image.stamp_s - before_s) / options.agreement_s)
        self._agreement = keep * self._agreement + (1 - keep) * share if keep else share
        if turn := self._turn("accepted", image, reference, lambda: share):
            raise SourceError(turn)
        if self._agreement < options.min_agreement:
            raise SourceError(
                f"only {self._agreement:.0%} of the known depths agree with the image within "
                f"{options.agree_ratio:.0%}: need {options.min_agreement:.0%}; check extrinsics, "
                "time stamps and the model"
            )

    def _rejected_turn(self, image: _Image, reference: Reference) -> str:
        """As :meth:`_turn`, for points that cannot be fitted."""
        ratio = self.options.agree_ratio
        return self._turn(
            "rejected",
            image,
            reference,
            lambda: loose_agreement(image.prediction, reference, image.model, ratio),
            self.options.min_agreement,
        )

    def _turn(
        self,
        kind: str,
        image: _Image,
        reference: Reference,
        share_of: Callable[[], float],
        least: float = 0.0,
    ) -> str:
        """A sentence if points agree better with the image when rotated; checked periodically."""
        options, (text, checked_s) = self.options, self._turns[kind]
        is_checked = options.source is ScaleSource.POINTS and math.isfinite(options.check_turns_s)
        if is_checked and not (image.stamp_s - checked_s < options.check_turns_s):  # NaN: never yet
            share, ratio = share_of(), options.agree_ratio
            best, turn = best_turn(image.prediction, reference, image.model, ratio, options.turn)
            text = ""
            if best > max(share + _BETTER_TURNED, least):
                text = (
                    f"{best:.0%} of the points agree with the image when turned by {turn}, but "
                    f"only {share:.0%} as they are: check the extrinsics"
                )
            self._turns[kind] = text, image.stamp_s
        return text

    def _take_unit(self, fit: ScaleFit) -> float:
        """The unit of the filter, so that shifts are relative to the depth at the median."""
        if self._filter.is_empty:
            direct = fit.model in (FitModel.SCALE_SHIFT, FitModel.INVERSE_DEPTH)
            self._unit = abs(fit.shift) if direct and fit.shift else 1.0
        return self._unit

    def _unscaled(
        self, prediction: Prediction, name: str, reasons: list[str], stamp_s: float = math.nan
    ) -> Recovered:
        age_s = stamp_s - self._accepted_s
        if math.isfinite(age_s):
            reasons = [*reasons, f"no valid scale estimate for {age_s:.1f} s"]
        return _unmetric(prediction, name, *reasons, age_s=age_s, agreement=self._agreement)


def fixed_fit(model: FitModel, options: FixedOptions) -> ScaleFit:
    """Given scale and shift as a fit of no samples.

    Raises:
        ValueError: a shift for a model without one.
    """
    if options.shift and not model.has_shift:
        raise ValueError(f"a fit of model {model.value!r} has no shift, got {options.shift}")
    return ScaleFit(model, options.scale, options.shift, 0.0, 0.0, 0.0, 0.0, 0, 0)


def _of_model(prediction: Prediction) -> Recovered:
    """The scale of the model itself, if it has one."""
    if not prediction.is_metric:
        note = prediction.note or "the model is not metric and no other source of scale is set"
        return _unmetric(prediction, "none", note)
    if prediction.scene is not None and prediction.scene.is_at_floor:
        note = "the model's scale is at its lower limit (floor), so it is not valid"
        return _unmetric(prediction, "model", note)
    return Recovered(prediction, ScaleReport("model", ScaleStatus.MODEL, prediction.fit))


def _unmetric(prediction: Prediction, name: str, *reasons: str, **numbers: float) -> Recovered:
    """The prediction with the reasons in its note; a metric one becomes scale-invariant."""
    scale = ScaleKind.SCALE_INVARIANT if prediction.is_metric else prediction.scale
    report = ScaleReport(name, ScaleStatus.NONE, **numbers, warnings=reasons)
    return Recovered(replace(prediction, scale=scale, note="; ".join(reasons)), report)


def _in_units(fit: ScaleFit, factor: float) -> ScaleFit:
    """The line with its results multiplied by a factor (only for models with a shift)."""
    if not fit.model.has_shift:
        return fit
    names = ("scale", "shift", "scale_sigma", "shift_sigma")
    return replace(fit, **{name: getattr(fit, name) * factor for name in names})


def _of_values(fit: ScaleFit, norm: Normalisation) -> ScaleFit:
    """A fit of normalised values as a fit of the values themselves.

    The sigma of the shift is that at value 0, far from the median, as if errors of scale and
    median were independent.
    """
    scale, sigma = fit.scale / norm.spread, fit.scale_sigma / norm.spread
    if not fit.model.has_shift:
        return replace(fit, scale=scale, scale_sigma=sigma)
    return replace(
        fit,
        scale=scale,
        scale_sigma=sigma,
        shift=fit.shift - scale * norm.middle,
        shift_sigma=math.hypot(fit.shift_sigma, sigma * norm.middle),
    )
