"""Fits in log(depth + 1): the original's RANSAC, and the deterministic one in its place."""

from __future__ import annotations

import math

import pytest
import torch
from golden.ppd_reference import Case, case

from depth_perception.scale import FitError, FitModel, fit_depth
from depth_perception.systems.ppd.published_alignment import apply_ransac, fit_ransac

CASES = ("clean", "outliers", "masked", "negative-slope", "large-range", "constant-reference")


def _inputs(reference: Case):
    return reference["in_pred"], reference["in_metric"], reference["in_mask"] > 0


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_ransac_matches_the_original(name: str, seed: int) -> None:
    reference = case(f"align-{name}")
    values, depth, mask = _inputs(reference)
    fit = fit_ransac(values, depth, mask, seed=seed)
    reference.assert_close(apply_ransac(fit, values, depth, mask), "out_metric_depth")
    assert fit.scale == pytest.approx(float(reference["out_slope_intercept"][0]), abs=0.02)
    assert fit.inlier_ratio == pytest.approx(float(reference["out_inlier_fraction"]), abs=0.02)


def test_sigmas_of_ransac_cover_the_error() -> None:
    generator = torch.Generator().manual_seed(3)
    values = torch.rand(40, 50, generator=generator)
    everywhere = torch.ones_like(values, dtype=torch.bool)
    errors = []
    for _ in range(40):
        noise = 0.02 * torch.randn(40, 50, generator=generator)
        fit = fit_ransac(values, (1.7 * values + 0.3 + noise).expm1(), everywhere)
        errors.append(((fit.scale - 1.7) / fit.scale_sigma, (fit.shift - 0.3) / fit.shift_sigma))
    spread = torch.tensor(errors).square().mean(0).sqrt()
    assert ((spread > 0.6) & (spread < 1.6)).all(), spread
    assert fit.inliers <= fit.samples == 2000
    assert fit.residual_m == pytest.approx(fit.residual_ratio * 2.0, rel=0.5)


@pytest.mark.parametrize("name", ["clean", "outliers", "masked", "large-range"])
def test_the_deterministic_fit_agrees(name: str) -> None:
    reference = case(f"align-{name}")
    values, depth, mask = _inputs(reference)
    known = torch.where(mask, depth, 0.0)
    fit = fit_depth(values, known, FitModel.LOG1P_DEPTH)
    slope, intercept = (float(v) for v in reference["out_slope_intercept"])
    assert fit.scale == pytest.approx(slope, rel=0.02)
    assert fit.shift == pytest.approx(intercept, abs=0.02)
    assert fit == fit_depth(values, known, FitModel.LOG1P_DEPTH)


@pytest.mark.parametrize("name", ["negative-slope", "constant-reference"])
def test_the_deterministic_fit_refuses_nonsense(name: str) -> None:
    values, depth, mask = _inputs(case(f"align-{name}"))
    with pytest.raises(FitError):
        fit_depth(values, torch.where(mask, depth, 0.0), FitModel.LOG1P_DEPTH)


def test_forty_percent_outliers() -> None:
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(60, 80, generator=generator)
    depth = (1.8 * values + 0.35).expm1() * (1 + 0.01 * torch.randn(60, 80, generator=generator))
    wrong = torch.rand(60, 80, generator=generator) < 0.4
    depth = torch.where(wrong, 0.2 + 12 * torch.rand(60, 80, generator=generator), depth)
    fits = [fit_depth(values, depth, FitModel.LOG1P_DEPTH) for _ in range(2)]
    assert fits[0] == fits[1]
    assert fits[0].scale == pytest.approx(1.8, rel=0.01)
    assert fits[0].shift == pytest.approx(0.35, abs=0.01)
    assert fits[0].inlier_ratio == pytest.approx(0.6, abs=0.1)
    assert 0 < fits[0].scale_sigma < 0.05


@pytest.mark.parametrize("scene", ["wall", "sky", "five"])
def test_scenes_without_a_fit_are_refused(scene: str) -> None:
    values = torch.rand(40, 50, generator=torch.Generator().manual_seed(0))
    depth = (values + 0.5).expm1()
    if scene == "wall":
        depth = torch.full_like(depth, 2.0)
    elif scene == "sky":
        depth = torch.full_like(depth, math.inf)
    else:
        depth = torch.where(torch.arange(2000).reshape(40, 50) < 5, depth, math.nan)
    with pytest.raises(FitError):
        fit_depth(values, depth, FitModel.LOG1P_DEPTH)


def test_ransac_without_samples_says_so() -> None:
    nothing = torch.zeros(4, 5, dtype=torch.bool)
    with pytest.raises(ValueError, match="0 samples"):
        fit_ransac(torch.rand(4, 5), torch.rand(4, 5), nothing)
