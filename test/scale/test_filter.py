"""The scale over time."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_perception.scale import FilterOptions, FilterStatus, FitModel, ScaleFilter, ScaleFit

FRAME_S = 0.1


def fit(scale: float, shift: float = 0.0, *, model: FitModel = FitModel.SCALE_SHIFT) -> ScaleFit:
    return ScaleFit(
        model=model,
        scale=scale,
        shift=shift if model.has_shift else 0.0,
        scale_sigma=0.01 * scale,
        shift_sigma=0.01 if model.has_shift else 0.0,
        residual_m=0.05,
        residual_ratio=0.02,
        inliers=900,
        samples=1000,
    )


def test_the_first_fit_is_the_estimate() -> None:
    estimate = ScaleFilter().update(fit(2.0, 0.3), 10.0)
    assert estimate.fit.scale == pytest.approx(2.0)
    assert estimate.fit.shift == pytest.approx(0.3)
    assert estimate.status is FilterStatus.TRACKING
    assert estimate.age_s == 0.0
    assert estimate.fit.inliers == 900


def test_noise_is_smoothed_and_the_sigma_shrinks() -> None:
    draw = random.Random(0)
    scales = [2.0 * math.exp(draw.gauss(0, 0.02)) for _ in range(300)]
    scale_filter = ScaleFilter(FilterOptions(scale_drift=0.005, scale_noise=0.02))
    estimates = [scale_filter.update(fit(s), FRAME_S * i) for i, s in enumerate(scales)]

    def jitter(values: list[float]) -> float:
        steps = [abs(b / a - 1) for a, b in itertools.pairwise(values)]
        return sum(steps) / len(steps)

    smooth = [e.fit.scale for e in estimates]
    assert jitter(smooth[50:]) < 0.1 * jitter(scales[50:])
    assert smooth[-1] == pytest.approx(2.0, rel=0.01)
    assert estimates[-1].fit.scale_sigma < 0.5 * estimates[0].fit.scale_sigma


def test_a_slow_drift_is_followed() -> None:
    scale_filter = ScaleFilter()
    for index in range(100):
        truth = 2.0 * 1.003**index
        estimate = scale_filter.update(fit(truth, 0.002 * index), FRAME_S * index)
        assert estimate.status is FilterStatus.TRACKING
        assert estimate.fit.scale == pytest.approx(truth, rel=0.03)
        assert estimate.fit.shift == pytest.approx(0.002 * index, abs=0.03)


@pytest.mark.parametrize(("scale", "shift"), [(6.0, 0.0), (2.0, 1.5)])
def test_a_single_jump_is_not_believed(scale: float, shift: float) -> None:
    scale_filter = ScaleFilter()
    for index in range(10):
        before = scale_filter.update(fit(2.0), FRAME_S * index)
    jump = scale_filter.update(fit(scale, shift), 1.0)
    assert jump.status is FilterStatus.HELD
    assert jump.fit.scale == pytest.approx(before.fit.scale)
    assert jump.age_s == pytest.approx(FRAME_S)
    assert scale_filter.update(fit(2.0), 1.1).status is FilterStatus.TRACKING


def test_jumps_that_agree_are_a_new_truth() -> None:
    scale_filter = ScaleFilter(FilterOptions(jumps_to_accept=3))
    scale_filter.update(fit(2.0), 0.0)
    statuses = [scale_filter.update(fit(6.0), 0.1 * i).status.value for i in range(1, 5)]
    assert statuses == ["held", "held", "tracking", "tracking"]
    assert scale_filter.at(0.5).fit.scale == pytest.approx(6.0, rel=1e-6)


def test_jumps_that_disagree_never_are() -> None:
    scale_filter = ScaleFilter(FilterOptions(jumps_to_accept=3, hold_s=100.0))
    scale_filter.update(fit(2.0), 0.0)
    for index in range(1, 30):
        estimate = scale_filter.update(fit(6.0 if index % 2 else 20.0), 0.1 * index)
        assert estimate.status is FilterStatus.HELD
    assert estimate.fit.scale == pytest.approx(2.0)


def test_a_lost_source_is_held_then_given_up() -> None:
    scale_filter = ScaleFilter(FilterOptions(hold_s=5.0))
    assert scale_filter.at(0.0) is None
    first = scale_filter.update(fit(2.0), 0.0)
    held = scale_filter.at(4.9)
    assert held.status is FilterStatus.HELD
    assert held.age_s == pytest.approx(4.9)
    assert held.fit.scale == pytest.approx(2.0)
    assert held.fit.scale_sigma > first.fit.scale_sigma
    assert scale_filter.at(5.1) is None
    # what comes after starts anew, however far away it is
    again = scale_filter.update(fit(9.0), 5.2)
    assert again.status is FilterStatus.TRACKING
    assert again.fit.scale == pytest.approx(9.0)


def test_fits_that_are_not_believed_do_not_prolong_the_hold() -> None:
    scale_filter = ScaleFilter(FilterOptions(hold_s=1.0, jumps_to_accept=1000))
    scale_filter.update(fit(2.0), 0.0)
    for index in range(1, 10):
        assert scale_filter.update(fit(3.0**index), 0.1 * index).status is FilterStatus.HELD
    assert scale_filter.at(1.05) is None


def test_reset_another_model_and_time_backwards_forget() -> None:
    scale_filter = ScaleFilter()
    scale_filter.update(fit(2.0), 100.0)
    scale_filter.reset()
    assert scale_filter.at(100.0) is None
    scale_filter.update(fit(2.0), 100.0)
    assert scale_filter.update(fit(9.0), 3.0).fit.scale == pytest.approx(9.0)
    estimate = scale_filter.update(fit(0.1, model=FitModel.SCALE), 3.1)
    assert estimate.status is FilterStatus.TRACKING
    assert estimate.fit.model is FitModel.SCALE
    assert estimate.fit.shift == 0.0 == estimate.fit.shift_sigma
    assert scale_filter.at(2.0) is None


@given(st.lists(st.floats(0.5, 5.0), min_size=1, max_size=30))
def test_estimates_stay_among_the_fits(scales: list[float]) -> None:
    scale_filter = ScaleFilter(FilterOptions(gate_sigmas=1e9))
    for index, scale in enumerate(scales):
        estimate = scale_filter.update(fit(scale), FRAME_S * index)
        seen = scales[: index + 1]
        assert min(seen) * (1 - 1e-9) <= estimate.fit.scale <= max(seen) * (1 + 1e-9)
        assert estimate.fit.scale_sigma > 0


def test_what_makes_no_sense_is_refused() -> None:
    for scale in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="no scale"):
            ScaleFilter().update(fit(scale), 0.0)
    with pytest.raises(ValueError, match="finite"):
        ScaleFilter().update(fit(1.0), math.nan)
    with pytest.raises(ValueError, match="hold_s"):
        FilterOptions(hold_s=-1.0)
    with pytest.raises(ValueError, match="gate_sigmas"):
        FilterOptions(gate_sigmas=0.0)
    with pytest.raises(ValueError, match="jumps_to_accept"):
        FilterOptions(jumps_to_accept=0)
