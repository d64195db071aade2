"""Recovery of metric scale over time, from predictions and known depths."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from ..prediction import Prediction, ScaleKind
from .agreement import Turned, agreement, best_turn, loose_agreement
from .alignment import apply_fit, blocks, default_model, values_for
from .filter import FilterStatus, ScaleFilter
from .fits import FitError, FitModel, ScaleFit, fit_depth
from .follow import Normalisation, follow
from .options import ScaleOptions, ScaleSource
from .reference import Reference, SourceError
from .sources.camera_height import ground_reference
from .sources.fixed import fixed_fit

_OUTSIDE = (ScaleSource.POINTS, ScaleSource.OBJECT_SIZE, ScaleSource.REFERENCE)
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
class _Last:
    """The last image, for comparison with the next one."""

    norm: Normalisation
    values: Tensor  # in the norm, NaN where not valid
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
        self._last: _Last | None = None
        self._unit = 1.0
        self._model: FitModel | None = None
        self._accepted_s = math.nan
        self._agreement, self._agreement_s = math.nan, math.nan
        self._turn_text, self._turn_s = "", math.nan
        self._rotation_text, self._rotation_s = "", math.nan

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
            report = ScaleReport("none", ScaleStatus.NONE, warnings=(note,))
            return Recovered(_unmetric(prediction, note), report)
        model = default_model(prediction) if self.options.model is None else self.options.model
        if source is ScaleSource.FIXED:
            return self._fixed(prediction, model)
        if self._last is not None and stamp_s < self._last.stamp_s:
            self.reset()
        if model is not self._model:
            self.reset()
            self._model = model
        name = source.value if reference is None else reference.source
        warnings: list[str] = []
        values = values_for(model, prediction)
        norm = self._norm(values, prediction, model)
        if norm is None:
            return self._unscaled(prediction, name, ["the predicted depth map is constant"])
        self._follow(norm.apply(values), norm, prediction, model, stamp_s, warnings)
        fit = None
        try:
            reference = self._reference(prediction, model, reference, missing)
            fit = self._fit(prediction, reference, norm, model)
            self._check(prediction, reference, fit, norm, stamp_s)
        except FitError as error:
            fit = None
            warnings.append(str(error))
            if reference is not None and not isinstance(error, SourceError):
                warnings += self._rotation_warning(prediction, reference, model, stamp_s)
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
        final = _of_values(_in_units(estimate.fit, self._unit), norm)
        sigma = estimate.fit.scale_sigma / estimate.fit.scale
        if model.has_shift:
            middle = estimate.fit.shift
            sigma = estimate.fit.shift_sigma
            if model in (FitModel.SCALE_SHIFT, FitModel.INVERSE_DEPTH):
                sigma = sigma / abs(middle) if middle else math.inf
        status = ScaleStatus(estimate.status.value)
        if status is ScaleStatus.HELD:
            warnings.append(f"scale held for {estimate.age_s:.1f} s")
        elif fit is not None:
            warnings += _poor(fit, sigma, self._agreement)
        limit = self.options.max_depth_m
        report = ScaleReport(
            name, status, final, sigma, estimate.age_s, self._agreement, tuple(warnings)
        )
        metric = apply_fit(prediction, final, max_depth_m=limit if math.isfinite(limit) else None)
        return Recovered(replace(metric, fit_source=name), report)

    def _norm(
        self, values: Tensor, prediction: Prediction, model: FitModel
    ) -> Normalisation | None:
        """Of each image itself if images are followed, else of the first image."""
        if not self.options.follow and self._last is not None:
            return self._last.norm
        return Normalisation.of(values, prediction.valid, model.has_shift)

    def _follow(
        self,
        values: Tensor,
        norm: Normalisation,
        prediction: Prediction,
        model: FitModel,
        stamp_s: float,
        warnings: list[str],
    ) -> None:
        """Convert the filter from the values of the last image to those of this one."""
        last, estimate = self._last, None
        masked = torch.where(prediction.valid, values, torch.nan)
        self._last = _Last(norm, masked, stamp_s)
        if last is not None and self.options.follow:
            estimate = self._filter.at(stamp_s)
        if estimate is None or last is None:
            return
        before = _in_units(estimate.fit, self._unit)
        step = None
        if last.values.shape == values.shape:
            linear = before.scale * last.values + before.shift
            step = follow(values, prediction.valid, linear, model, (before.scale, before.shift))
        if step is None or step.residual_ratio > self.options.follow_residual_ratio:
            self._filter.reset()
            self._agreement = math.nan
            warnings.append("scene cut detected: scale estimation restarted")
            return
        self._filter.rebase(step.scale / before.scale, (step.shift - before.shift) / before.scale)

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

    def _fit(
        self, prediction: Prediction, reference: Reference, norm: Normalisation, model: FitModel
    ) -> ScaleFit:
        """The fit of this image alone, to its normalised values."""
        options = self.options.fit
        values = norm.apply(values_for(model, prediction))
        truth = torch.where(prediction.valid, reference.depth_m.to(values), torch.nan)
        weights = reference.weights(options.noise_m, options.noise_ratio).to(values)
        groups = None
        if self.options.block_px:
            groups = blocks(*values.shape, self.options.block_px, values.device)
        return fit_depth(values, truth, model, weights=weights, groups=groups, options=options)

    def _check(
        self,
        prediction: Prediction,
        reference: Reference,
        fit: ScaleFit,
        norm: Normalisation,
        stamp_s: float,
    ) -> None:
        """Raise SourceError unless the known depths and the prediction show the same scene."""
        options = self.options
        share = agreement(prediction, reference, _of_values(fit, norm), options.agree_ratio)
        self._agreement = self._averaged(share, stamp_s)
        if options.source is ScaleSource.POINTS and not (
            stamp_s - self._turn_s < options.check_turns_s
        ):
            self._turn_s, self._turn_text = stamp_s, ""
            turned = best_turn(prediction, reference, fit.model, options.agree_ratio, options.turn)
            if turned.agreement > share + _BETTER_TURNED:
                self._turn_text = _turn_sentence(turned, share)
        if self._turn_text:
            raise SourceError(self._turn_text)
        if self._agreement < options.min_agreement:
            raise SourceError(
                f"only {self._agreement:.0%} of the known depths agree with the image within "
                f"{options.agree_ratio:.0%}: need {options.min_agreement:.0%}; check extrinsics, "
                "time stamps and the model"
            )

    def _rotation_warning(
        self, prediction: Prediction, reference: Reference, model: FitModel, stamp_s: float
    ) -> list[str]:
        """A warning if points that cannot be fitted agree with the image when rotated."""
        options = self.options
        if options.source is not ScaleSource.POINTS:
            return []
        if not (stamp_s - self._rotation_s < options.check_turns_s):
            self._rotation_s, self._rotation_text = stamp_s, ""
            share = loose_agreement(prediction, reference, model, options.agree_ratio)
            turned = best_turn(prediction, reference, model, options.agree_ratio, options.turn)
            if turned.agreement > max(share + _BETTER_TURNED, options.min_agreement):
                self._rotation_text = _turn_sentence(turned, share)
        return [self._rotation_text] if self._rotation_text else []

    def _averaged(self, share: float, stamp_s: float) -> float:
        before, self._agreement_s = self._agreement_s, stamp_s
        if not math.isfinite(self._agreement) or self.options.agreement_s == 0:
            return share
        keep = math.exp(-(stamp_s - before) / self.options.agreement_s)
        return keep * self._agreement + (1 - keep) * share

    def _take_unit(self, fit: ScaleFit) -> float:
        """The unit of the filter, so that shifts are relative to the depth at the median."""
        if self._filter.is_empty:
            direct = fit.model in (FitModel.SCALE_SHIFT, FitModel.INVERSE_DEPTH)
            self._unit = abs(fit.shift) if direct and fit.shift else 1.0
        return self._unit

    def _fixed(self, prediction: Prediction, model: FitModel) -> Recovered:
        if self.options.fixed is None:
            raise ValueError("source 'fixed' needs its scale: fixed=FixedOptions(scale=...)")
        fit = fixed_fit(model, self.options.fixed)
        limit = self.options.max_depth_m
        metric = apply_fit(prediction, fit, max_depth_m=limit if math.isfinite(limit) else None)
        report = ScaleReport("fixed", ScaleStatus.FIXED, fit)
        return Recovered(replace(metric, fit_source=report.source), report)

    def _unscaled(
        self,
        prediction: Prediction,
        name: str,
        reasons: list[str],
        stamp_s: float = math.nan,
    ) -> Recovered:
        age_s = stamp_s - self._accepted_s
        if math.isfinite(age_s):
            reasons = [*reasons, f"no valid scale estimate for {age_s:.1f} s"]
        report = ScaleReport(
            name,
            ScaleStatus.NONE,
            age_s=age_s,
            agreement=self._agreement,
            warnings=tuple(reasons),
        )
        return Recovered(_unmetric(prediction, "; ".join(reasons)), report)


def _of_model(prediction: Prediction) -> Recovered:
    """The scale of the model itself, if it has one."""
    if not prediction.is_metric:
        note = prediction.note or "the model is not metric and no other source of scale is set"
        prediction = replace(prediction, note=note)
        return Recovered(prediction, ScaleReport("none", ScaleStatus.NONE, warnings=(note,)))
    if prediction.scene is not None and prediction.scene.is_at_floor:
        note = "the model's scale is at its lower limit (floor), so it is not valid"
        report = ScaleReport("model", ScaleStatus.NONE, warnings=(note,))
        return Recovered(_unmetric(prediction, note), report)
    return Recovered(prediction, ScaleReport("model", ScaleStatus.MODEL, prediction.fit))


def _poor(fit: ScaleFit, sigma_ratio: float, agreement: float) -> list[str]:
    is_poor = fit.residual_ratio > _POOR_RESIDUAL or sigma_ratio > _POOR_SIGMA
    if not is_poor and not agreement < _POOR_AGREEMENT:
        return []
    return [
        f"poor fit: {fit.inliers} of {fit.samples} known depths are inliers, with a residual of "
        f"{fit.residual_ratio:.0%}; standard deviation of the scale {sigma_ratio:.0%}"
    ]


def _turn_sentence(turned: Turned, share: float) -> str:
    return (
        f"{turned.agreement:.0%} of the points agree with the image when rotated by {turned.text}, "
        f"but only {share:.0%} as they are: check the extrinsics"
    )


def _unmetric(prediction: Prediction, note: str) -> Prediction:
    """The prediction with a note; a metric one becomes scale-invariant."""
    scale = ScaleKind.SCALE_INVARIANT if prediction.is_metric else prediction.scale
    return replace(prediction, scale=scale, note=note)


def _in_units(fit: ScaleFit, factor: float) -> ScaleFit:
    """The line with its results multiplied by a factor (only for models with a shift)."""
    if not fit.model.has_shift:
        return fit
    return replace(
        fit,
        scale=fit.scale * factor,
        shift=fit.shift * factor,
        scale_sigma=fit.scale_sigma * factor,
        shift_sigma=fit.shift_sigma * factor,
    )


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
