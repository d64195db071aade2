"""From predictions and known depths to metres over time, or to the reason why there are none."""

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
from .follow import Gauge, follow
from .options import ScaleOptions, ScaleSource
from .reference import Reference, SourceError
from .sources.camera_height import ground_reference
from .sources.fixed import fixed_fit

_OUTSIDE = (ScaleSource.POINTS, ScaleSource.OBJECT_SIZE, ScaleSource.REFERENCE)
_POOR_RESIDUAL, _POOR_SIGMA, _POOR_AGREEMENT = 0.2, 0.1, 0.5  # believed, but a warning
_BETTER_TURNED = 0.05  # a turn must agree better by this share to blame the extrinsics


class ScaleStatus(str, Enum):
    """Whether a result is in metres and why.

    ``MODEL``: the model's own metres. ``FIXED``: given numbers. ``TRACKING``: a fit of this image
    took part. ``HELD``: fits of earlier images alone. ``NONE``: not in metres.
    """

    MODEL = "model"
    FIXED = "fixed"
    TRACKING = "tracking"
    HELD = "held"
    NONE = "none"


@dataclass(frozen=True)
class ScaleReport:
    """How a prediction became metres, for people and for the message DepthScale.

    Attributes:
        source: name of the source: that of the reference, or of :class:`ScaleSource`.
        status: see :class:`ScaleStatus`.
        fit: ``scale * value + shift`` of this prediction's values; None without one.
        sigma_ratio: standard deviation of the depth in the middle of the values (of the scale, in
            models without a shift), as a share of it; NaN where not estimated.
        age_s: time since a fit was last believed, seconds; NaN if never.
        agreement: share of the known depths that agree, lately; NaN without known depths.
        warnings: what a person should know, each a sentence; empty if all is well.
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
        """Whether the result is in metres."""
        return self.status is not ScaleStatus.NONE


@dataclass(frozen=True)
class Recovered:
    """A prediction in metres, or as it came with a ``note`` why not, and the report."""

    prediction: Prediction
    report: ScaleReport


@dataclass(frozen=True)
class _Last:
    """What the next image is compared with."""

    gauge: Gauge
    values: Tensor  # in the gauge, NaN where not valid
    stamp_s: float


class ScaleRecovery:
    """Predictions in, metres out, image by image in the order of their stamps.

    Not safe for several threads at once.
    """

    def __init__(self, options: ScaleOptions | None = None) -> None:
        self.options = options or ScaleOptions()
        self._filter = ScaleFilter(self.options.filter)
        self.reset()

    def reset(self) -> None:
        """Forget everything: a new scene, a jump of the clock, a request of the user."""
        self._filter.reset()
        self._last: _Last | None = None
        self._unit = 1.0
        self._model: FitModel | None = None
        self._believed_s = math.nan
        self._agreement, self._agreement_s = math.nan, math.nan
        self._turn_text, self._turn_s = "", math.nan
        self._blame_text, self._blame_s = "", math.nan

    def recover(
        self,
        prediction: Prediction,
        reference: Reference | None,
        stamp_s: float,
        *,
        missing: str = "",
    ) -> Recovered:
        """The prediction in metres, if there is reason to believe them.

        Args:
            prediction: of any space and scale; one grid and model from call to call.
            reference: known depths of this image on its grid, for the sources points, object_size
                and reference; None where there are none. The other sources do not look at it.
            stamp_s: time of the image, seconds.
            missing: why there is no reference, for the report ("no transform from lidar", ...).

        Raises:
            ValueError: the reference has another grid, the time is not finite, or fixed numbers
                do not suit the prediction.
        """
        if not math.isfinite(stamp_s):
            raise ValueError(f"stamp_s must be finite, got {stamp_s}")
        source = self.options.source
        if source is ScaleSource.MODEL:
            return _of_model(prediction)
        if source is ScaleSource.NONE:
            note = "metres are not wanted (source none)"
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
        gauge = self._gauge(values, prediction, model)
        if gauge is None:
            return self._refused(prediction, name, ["the values of the model are all alike"])
        self._follow(gauge.apply(values), gauge, prediction, model, stamp_s, warnings)
        fit = None
        try:
            reference = self._reference(prediction, model, reference, missing)
            fit = self._fit(prediction, reference, gauge, model)
            self._check(prediction, reference, fit, gauge, stamp_s)
        except FitError as error:
            fit = None
            warnings.append(str(error))
            if reference is not None and not isinstance(error, SourceError):
                warnings += self._blamed(prediction, reference, model, stamp_s)
        if fit is None:
            estimate = self._filter.at(stamp_s)
        else:
            estimate = self._filter.update(_in_units(fit, 1 / self._take_unit(fit)), stamp_s)
            if estimate.status is FilterStatus.TRACKING:
                self._believed_s = stamp_s
            else:
                warnings.append("the fit of this image is a jump and not believed")
        if estimate is None:
            return self._refused(prediction, name, warnings, stamp_s)
        final = _of_values(_in_units(estimate.fit, self._unit), gauge)
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

    def _gauge(self, values: Tensor, prediction: Prediction, model: FitModel) -> Gauge | None:
        """Of each image by itself where images are followed, else of the first image."""
        if not self.options.follow and self._last is not None:
            return self._last.gauge
        return Gauge.of(values, prediction.valid, model.has_shift)

    def _follow(
        self,
        values: Tensor,
        gauge: Gauge,
        prediction: Prediction,
        model: FitModel,
        stamp_s: float,
        warnings: list[str],
    ) -> None:
        """Take the filter from the values of the last image to those of this one."""
        last, estimate = self._last, None
        masked = torch.where(prediction.valid, values, torch.nan)
        self._last = _Last(gauge, masked, stamp_s)
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
            warnings.append("this image does not continue the last one: scale starts anew")
            return
        self._filter.rebase(step.scale / before.scale, (step.shift - before.shift) / before.scale)

    def _reference(
        self, prediction: Prediction, model: FitModel, reference: Reference | None, missing: str
    ) -> Reference:
        if self.options.source is ScaleSource.CAMERA_HEIGHT:
            return ground_reference(prediction, self.options.ground, model=model)
        if reference is None:
            raise SourceError(missing or f"nothing from the source {self.options.source.value}")
        if reference.depth_m.shape != prediction.values.shape:
            raise ValueError(
                f"the reference is {tuple(reference.depth_m.shape)} but the prediction "
                f"{tuple(prediction.values.shape)}: make it with the camera of the prediction"
            )
        return reference

    def _fit(
        self, prediction: Prediction, reference: Reference, gauge: Gauge, model: FitModel
    ) -> ScaleFit:
        """The fit of this image alone, of values in its gauge."""
        options = self.options.fit
        values = gauge.apply(values_for(model, prediction))
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
        gauge: Gauge,
        stamp_s: float,
    ) -> None:
        """Raise SourceError unless the known depths and the prediction are of one scene."""
        options = self.options
        share = agreement(prediction, reference, _of_values(fit, gauge), options.agree_ratio)
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

    def _blamed(
        self, prediction: Prediction, reference: Reference, model: FitModel, stamp_s: float
    ) -> list[str]:
        """A sentence if points that cannot be fitted agree with the image when turned."""
        options = self.options
        if options.source is not ScaleSource.POINTS:
            return []
        if not (stamp_s - self._blame_s < options.check_turns_s):
            self._blame_s, self._blame_text = stamp_s, ""
            share = loose_agreement(prediction, reference, model, options.agree_ratio)
            turned = best_turn(prediction, reference, model, options.agree_ratio, options.turn)
            if turned.agreement > max(share + _BETTER_TURNED, options.min_agreement):
                self._blame_text = _turn_sentence(turned, share)
        return [self._blame_text] if self._blame_text else []

    def _averaged(self, share: float, stamp_s: float) -> float:
        before, self._agreement_s = self._agreement_s, stamp_s
        if not math.isfinite(self._agreement) or self.options.agreement_s == 0:
            return share
        keep = math.exp(-(stamp_s - before) / self.options.agreement_s)
        return keep * self._agreement + (1 - keep) * share

    def _take_unit(self, fit: ScaleFit) -> float:
        """The unit of the filter: such that shifts are shares of the depth in the middle."""
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

    def _refused(
        self,
        prediction: Prediction,
        name: str,
        reasons: list[str],
        stamp_s: float = math.nan,
    ) -> Recovered:
        age_s = stamp_s - self._believed_s
        if math.isfinite(age_s):
            reasons = [*reasons, f"no scale believed for {age_s:.1f} s"]
        report = ScaleReport(
            name,
            ScaleStatus.NONE,
            age_s=age_s,
            agreement=self._agreement,
            warnings=tuple(reasons),
        )
        return Recovered(_unmetric(prediction, "; ".join(reasons)), report)


def _of_model(prediction: Prediction) -> Recovered:
    """The model's own word, unless it says itself that it does not know."""
    if not prediction.is_metric:
        note = prediction.note or "the model gives no metres and no other source of scale is set"
        prediction = replace(prediction, note=note)
        return Recovered(prediction, ScaleReport("none", ScaleStatus.NONE, warnings=(note,)))
    if prediction.scene is not None and prediction.scene.is_at_floor:
        note = "the model's own scale is pinned at its floor: its metres mean nothing"
        report = ScaleReport("model", ScaleStatus.NONE, warnings=(note,))
        return Recovered(_unmetric(prediction, note), report)
    return Recovered(prediction, ScaleReport("model", ScaleStatus.MODEL, prediction.fit))


def _poor(fit: ScaleFit, sigma_ratio: float, agreement: float) -> list[str]:
    is_poor = fit.residual_ratio > _POOR_RESIDUAL or sigma_ratio > _POOR_SIGMA
    if not is_poor and not agreement < _POOR_AGREEMENT:
        return []
    return [
        f"poor fit: {fit.inliers} of {fit.samples} known depths agree with it but for "
        f"{fit.residual_ratio:.0%}, the metres are sure to {sigma_ratio:.0%}"
    ]


def _turn_sentence(turned: Turned, share: float) -> str:
    return (
        f"{turned.agreement:.0%} of the points agree with the image when turned by {turned.text}, "
        f"as they are only {share:.0%}: check the extrinsics"
    )


def _unmetric(prediction: Prediction, note: str) -> Prediction:
    """Metres that are not believed keep their proportions only."""
    scale = ScaleKind.SCALE_INVARIANT if prediction.is_metric else prediction.scale
    return replace(prediction, scale=scale, note=note)


def _in_units(fit: ScaleFit, factor: float) -> ScaleFit:
    """The same line with its results multiplied by a factor (only of models with a shift)."""
    if not fit.model.has_shift:
        return fit
    return replace(
        fit,
        scale=fit.scale * factor,
        shift=fit.shift * factor,
        scale_sigma=fit.scale_sigma * factor,
        shift_sigma=fit.shift_sigma * factor,
    )


def _of_values(fit: ScaleFit, gauge: Gauge) -> ScaleFit:
    """A fit of values in a gauge as one of the values themselves.

    The sigma of the shift is that at value 0, far from the middle, as if errors of scale and
    middle were independent.
    """
    scale, sigma = fit.scale / gauge.spread, fit.scale_sigma / gauge.spread
    if not fit.model.has_shift:
        return replace(fit, scale=scale, scale_sigma=sigma)
    return replace(
        fit,
        scale=scale,
        scale_sigma=sigma,
        shift=fit.shift - scale * gauge.middle,
        shift_sigma=math.hypot(fit.shift_sigma, sigma * gauge.middle),
    )
