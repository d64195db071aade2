"""Robust fits: what they recover and what they refuse."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.scale import FitError, FitModel, FitOptions, fit_depth


def samples(
    model: FitModel, scale: float, shift: float, *, count: int = 3000, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Values that a fit of ``model`` takes to depths of 0.5 to 12 m, and these depths."""
    generator = torch.Generator().manual_seed(seed)
    depth = 0.5 + 11.5 * torch.rand(count, generator=generator)
    return (model.space.from_depth(depth) - shift) / scale, depth


def spoiled(depth: torch.Tensor, share: float, *, noise_m: float = 0.0, seed: int = 1):
    """Depths with normal noise, a share of them replaced by outliers on one side."""
    generator = torch.Generator().manual_seed(seed)
    noisy = depth + noise_m * torch.randn(depth.shape, generator=generator)
    outlier = torch.rand(depth.shape, generator=generator) < share
    wild = depth * (1.3 + 3 * torch.rand(depth.shape, generator=generator))
    return torch.where(outlier, wild, noisy)


@pytest.mark.parametrize("model", list(FitModel))
def test_exact_samples_give_exact_lines(model: FitModel) -> None:
    shift = 0.3 if model.has_shift else 0.0
    values, depth = samples(model, 2.5, shift)
    fit = fit_depth(values, depth, model)
    assert fit.scale == pytest.approx(2.5, rel=1e-4)
    assert fit.shift == pytest.approx(shift, abs=1e-4)
    assert fit.residual_m < 1e-3
    assert fit.inliers >= 0.99 * fit.samples == 0.99 * 3000


@settings(deadline=None, max_examples=25)
@given(
    scale=st.floats(0.05, 200.0),
    shift_m=st.floats(-3.0, 3.0),
    seed=st.integers(0, 10_000),
    share=st.floats(0.0, 0.4),
)
def test_scale_and_shift_survive_outliers(scale, shift_m, seed, share) -> None:
    values, depth = samples(FitModel.SCALE_SHIFT, scale, shift_m, seed=seed)
    truth = spoiled(depth, share, noise_m=0.01, seed=seed + 1)
    # the noise of these samples is the same at all depths: with the default, which expects more of
    # it far away, the nearest of them would count as outliers
    options = FitOptions(noise_m=0.01, noise_ratio=0.0)
    fit = fit_depth(values, truth, FitModel.SCALE_SHIFT, options=options)
    assert fit.scale == pytest.approx(scale, rel=0.01)
    assert fit.shift == pytest.approx(shift_m, abs=0.01)
    assert fit.inlier_ratio == pytest.approx(1 - share, abs=0.06)
    assert fit_depth(values, truth, FitModel.SCALE_SHIFT, options=options) == fit


@settings(deadline=None, max_examples=15)
@given(scale=st.floats(0.05, 200.0), seed=st.integers(0, 10_000))
def test_scale_survives_outliers(scale, seed) -> None:
    values, depth = samples(FitModel.SCALE, scale, 0.0, seed=seed)
    fit = fit_depth(values, spoiled(depth, 0.4, noise_m=0.01, seed=seed + 1), FitModel.SCALE)
    assert fit.scale == pytest.approx(scale, rel=0.01)
    assert fit.shift == 0.0 == fit.shift_sigma


@pytest.mark.parametrize("model", [FitModel.INVERSE_DEPTH, FitModel.LOG_DEPTH])
def test_other_spaces_survive_outliers(model: FitModel) -> None:
    values, depth = samples(model, 0.7, 0.05)
    fit = fit_depth(values, spoiled(depth, 0.4, noise_m=0.01), model)
    assert fit.scale == pytest.approx(0.7, rel=0.01)
    assert fit.shift == pytest.approx(0.05, abs=0.01)
    error = fit.depth_m(values) - depth
    assert error.abs().max() < 0.05


def test_sigmas_cover_the_error() -> None:
    errors = []
    for seed in range(40):
        values, depth = samples(FitModel.SCALE_SHIFT, 2.0, 0.5, count=300, seed=seed)
        generator = torch.Generator().manual_seed(seed + 100)
        noise = 0.03 * torch.randn(300, generator=generator)
        truth = spoiled(depth * (1 + noise), 0.2, seed=seed + 200)
        fit = fit_depth(values, truth, FitModel.SCALE_SHIFT)
        errors.append([(fit.scale - 2.0) / fit.scale_sigma, (fit.shift - 0.5) / fit.shift_sigma])
    spread = torch.tensor(errors).square().mean(0).sqrt()
    assert ((spread > 0.6) & (spread < 1.6)).all(), spread


def test_sigmas_of_groups_cover_errors_that_are_alike() -> None:
    """Twenty neighbours share each error, as the pixels of a network do."""
    alone, grouped = [], []
    for seed in range(40):
        values, depth = samples(FitModel.SCALE_SHIFT, 2.0, 0.5, count=3000, seed=seed)
        generator = torch.Generator().manual_seed(seed + 100)
        shared = (0.05 * torch.randn(150, generator=generator)).repeat_interleave(20)
        depth, order = depth.sort()  # neighbours are of like depth
        values, truth = values[order], depth * (1 + shared)
        group = torch.arange(3000) // 20
        for groups, errors in ((None, alone), (group, grouped)):
            fit = fit_depth(values, truth, FitModel.SCALE_SHIFT, groups=groups)
            errors.append([(fit.scale - 2) / fit.scale_sigma, (fit.shift - 0.5) / fit.shift_sigma])
    honest = torch.tensor(grouped).square().mean(0).sqrt()
    assert ((honest > 0.6) & (honest < 1.6)).all(), honest
    assert (torch.tensor(alone).square().mean(0).sqrt() > 2.5).all()


def test_residual_is_in_metres() -> None:
    values, depth = samples(FitModel.SCALE_SHIFT, 2.0, 0.5)
    options = FitOptions(noise_m=1.0, noise_ratio=0.0)
    fit = fit_depth(
        values, spoiled(depth, 0.0, noise_m=0.08), FitModel.SCALE_SHIFT, options=options
    )
    assert fit.residual_m == pytest.approx(0.08, rel=0.05)


def test_weights_decide_between_two_surfaces() -> None:
    values, depth = samples(FitModel.SCALE, 1.0, 0.0, count=4000)
    truth = torch.where(torch.arange(4000) % 2 == 0, depth, 3 * depth)
    for side, scale in ((0, 1.0), (1, 3.0)):
        weights = torch.where(torch.arange(4000) % 2 == side, 1.0, 0.05)
        fit = fit_depth(
            values, truth, FitModel.SCALE, weights=weights, options=FitOptions(min_inlier_ratio=0.4)
        )
        assert fit.scale == pytest.approx(scale, rel=1e-3)


def test_samples_without_numbers_are_left_out() -> None:
    values, depth = samples(FitModel.SCALE_SHIFT, 2.0, 0.5)
    clean = fit_depth(values, depth, FitModel.SCALE_SHIFT)
    nothing = torch.tensor([torch.nan, torch.inf, 0.0, -1.0, 2.0])
    values = torch.cat((values, torch.tensor([1.0, 1.0, 1.0, 1.0, torch.nan])))
    fit = fit_depth(values, torch.cat((depth, nothing)), FitModel.SCALE_SHIFT)
    assert fit == clean


def test_a_wall_head_on_is_refused_with_shift_only() -> None:
    generator = torch.Generator().manual_seed(3)
    depth = 2.0 + 0.01 * torch.randn(2000, generator=generator)
    values = 0.4 + 0.002 * torch.randn(2000, generator=generator)
    with pytest.raises(FitError, match="scale and shift"):
        fit_depth(values, depth, FitModel.SCALE_SHIFT)
    with pytest.raises(FitError, match="scale and shift"):
        fit_depth(torch.full((2000,), 0.4), torch.full((2000,), 2.0), FitModel.SCALE_SHIFT)
    with pytest.raises(FitError, match="scale and shift"):
        fit_depth(torch.full((2000,), 0.4), depth, FitModel.INVERSE_DEPTH)
    assert fit_depth(values, depth, FitModel.SCALE).scale == pytest.approx(5.0, rel=0.01)


def test_a_single_value_over_many_depths_is_refused() -> None:
    _, depth = samples(FitModel.SCALE_SHIFT, 1.0, 0.0)
    with pytest.raises(FitError, match="all values are equal"):
        fit_depth(torch.full_like(depth, 0.5), depth, FitModel.SCALE_SHIFT)


def test_five_valid_pixels_are_refused() -> None:
    depth = torch.zeros(40, 60)
    depth[0, :5] = torch.linspace(1, 3, 5)
    with pytest.raises(FitError, match="5 valid samples"):
        fit_depth(torch.rand(40, 60), depth, FitModel.SCALE_SHIFT)


def test_values_that_say_nothing_are_refused() -> None:
    generator = torch.Generator().manual_seed(5)
    depth = 0.5 + 20 * torch.rand(3000, generator=generator)
    for model in FitModel:
        with pytest.raises(FitError):
            fit_depth(0.1 + torch.rand(3000, generator=generator), depth, model)


def test_values_that_shrink_with_depth_are_refused() -> None:
    values, depth = samples(FitModel.SCALE_SHIFT, -2.0, 13.0)
    with pytest.raises(FitError, match="not positive"):
        fit_depth(values, depth, FitModel.SCALE_SHIFT)


def test_most_samples_wrong_is_refused() -> None:
    values, depth = samples(FitModel.SCALE, 1.0, 0.0)
    with pytest.raises(FitError):
        fit_depth(values, spoiled(depth, 0.7), FitModel.SCALE)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="one shape"):
        fit_depth(torch.ones(3), torch.ones(4), FitModel.SCALE)
    with pytest.raises(ValueError, match="negative"):
        fit_depth(torch.ones(3), torch.ones(3), FitModel.SCALE, weights=-torch.ones(3))
    with pytest.raises(ValueError, match="noise"):
        FitOptions(noise_m=0.0, noise_ratio=0.0)
    with pytest.raises(ValueError, match="min_samples"):
        FitOptions(min_samples=2)
