"""From relative predictions to metric ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from depth_perception import AffineInvariantError, DepthKind, DepthSpace, Pinhole, ScaleKind
from depth_perception.prediction import Prediction, Scene
from depth_perception.scale import (
    FitError,
    FitModel,
    ScaleFit,
    apply_fit,
    default_model,
    fit_prediction,
)

CAMERA = Pinhole.from_fov(48, 64, 1.0)


def scene() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    slope = torch.linspace(1.0, 9.0, 64).expand(48, 64)
    return slope + 0.5 * torch.rand(48, 64, generator=generator)


def prediction(values: torch.Tensor, space: DepthSpace, scale: ScaleKind) -> Prediction:
    everywhere = torch.ones(48, 64, dtype=torch.bool)
    return Prediction(values, everywhere, CAMERA, DepthKind.Z, space, scale)


def align(
    relative: Prediction, depth_m: torch.Tensor, max_depth_m: float | None = None, **how: Any
) -> tuple[Prediction, ScaleFit]:
    fit = fit_prediction(relative, depth_m, **how)
    return apply_fit(relative, fit, max_depth_m=max_depth_m), fit


@pytest.mark.parametrize(
    ("space", "values"),
    [
        (DepthSpace.DEPTH, lambda d: (d - 0.4) / 3.0),
        (DepthSpace.INVERSE_DEPTH, lambda d: (1 / d - 0.05) / 0.2),
        (DepthSpace.LOG_DEPTH, lambda d: (d.log() - 1.0) / 0.5),
    ],
)
def test_affine_predictions_become_metric(space: DepthSpace, values) -> None:
    depth = scene()
    relative = prediction(values(depth), space, ScaleKind.AFFINE_INVARIANT)
    sparse = torch.where(torch.arange(64) % 4 == 0, depth, torch.nan)
    metric, fit = align(relative, sparse)
    assert fit.model is default_model(relative)
    assert metric.is_metric
    assert metric.fit == fit
    assert metric.space is DepthSpace.DEPTH
    assert metric.camera == CAMERA
    assert metric.valid.all()
    torch.testing.assert_close(metric.depth, depth, atol=1e-3, rtol=1e-3)
    assert fit.samples == 48 * 16


@pytest.mark.parametrize("space", list(DepthSpace)[:3])
def test_scale_alone_is_recovered_from_any_space(space: DepthSpace) -> None:
    depth, linear = scene(), {"inverse_depth": torch.reciprocal, "log_depth": torch.log}
    values = linear.get(space.value, torch.clone)(depth / 7)
    relative = prediction(values, space, ScaleKind.SCALE_INVARIANT)
    metric, fit = align(relative, depth)
    assert fit.model is FitModel.SCALE
    assert fit.scale == pytest.approx(7, rel=1e-4)
    torch.testing.assert_close(metric.depth, depth, atol=1e-4, rtol=1e-4)


def test_the_scene_follows_its_depth() -> None:
    depth = scene()
    half = prediction(depth / 2, DepthSpace.DEPTH, ScaleKind.METRIC)
    own = replace(half, scene=Scene(5.0, is_at_floor=True))
    metric, _ = align(own, depth)
    assert metric.scene.scale_m == pytest.approx(10.0, rel=1e-4)
    assert not metric.scene.is_at_floor
    assert align(own, depth, model=FitModel.SCALE_SHIFT)[0].scene is None


def test_what_is_lacking_must_be_fitted() -> None:
    relative = prediction(scene(), DepthSpace.DEPTH, ScaleKind.AFFINE_INVARIANT)
    for model in (FitModel.SCALE, FitModel.INVERSE_DEPTH):
        with pytest.raises(AffineInvariantError, match="'scale_shift'"):
            align(relative, scene(), model=model)
    _, fit = align(relative, scene())
    inverse = prediction(scene(), DepthSpace.INVERSE_DEPTH, ScaleKind.AFFINE_INVARIANT)
    with pytest.raises(AffineInvariantError, match="'inverse_depth'"):
        apply_fit(inverse, fit)


def test_pixels_without_depth_become_invalid() -> None:
    depth = scene()
    values = 1 / depth
    values[0, :8] = -0.2  # behind infinity
    values[1, :8] = 0.011
    relative = prediction(values, DepthSpace.INVERSE_DEPTH, ScaleKind.AFFINE_INVARIANT)
    truth = depth.clone()
    truth[:2] = 0
    metric, _ = align(relative, truth, max_depth_m=50.0)
    assert not metric.valid[:2, :8].any()
    assert metric.valid[2:].all()
    assert torch.isfinite(metric.points()[2:]).all()


def test_pixels_that_the_prediction_rules_out_take_no_part() -> None:
    depth = scene()
    valid = torch.zeros(48, 64, dtype=torch.bool)
    valid[0, :5] = True
    relative = Prediction(
        depth, valid, CAMERA, DepthKind.Z, DepthSpace.DEPTH, ScaleKind.AFFINE_INVARIANT
    )
    with pytest.raises(FitError, match="5 valid samples"):
        align(relative, depth)
