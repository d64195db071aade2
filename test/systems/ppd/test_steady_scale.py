"""A scale that does not jitter over the frames of a video."""

from __future__ import annotations

import math

import torch

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind
from depth_perception.scale import FitModel, ScaleFit, fit_depth
from depth_perception.systems import SteadyScale

CAMERA = Pinhole.from_fov(24, 32, math.radians(60))
RATE_HZ = 25.0


def _scene(seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, 4, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (24, 32), mode="bilinear")
    return 1.5 + 6 * smooth[0, 0]


def _frame(depth: torch.Tensor, factor: float) -> Prediction:
    """As Pixel-Perfect Depth would give it, aligned to metres that are wrong by a factor."""
    relative = (depth.log1p() - 0.4) / 1.6
    fit = fit_depth(relative, factor * depth, FitModel.LOG1P_DEPTH)
    return Prediction(
        values=(fit.scale * relative + fit.shift).expm1(),
        valid=torch.ones(24, 32, dtype=torch.bool),
        camera=CAMERA,
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        fit=fit,
        fit_source="moge-2",
    )


def _factors(count: int) -> list[float]:
    generator = torch.Generator().manual_seed(1)
    return (0.06 * torch.randn(count, generator=generator)).exp().tolist()


def _jitter(depths: list[torch.Tensor]) -> float:
    logs = torch.stack(depths).log()
    return float((logs[1:] - logs[:-1]).abs().mean())


def test_jitter_decreases_and_the_scale_stays() -> None:
    depth, steady = _scene(0), SteadyScale()
    raw = [_frame(depth, factor) for factor in _factors(60)]
    smooth = [steady.update(frame, n / RATE_HZ) for n, frame in enumerate(raw)]
    before = _jitter([frame.depth for frame in raw[20:]])
    after = _jitter([frame.depth for frame in smooth[20:]])
    assert after < 0.35 * before
    ratio = (smooth[-1].depth / depth).median()
    assert abs(float(ratio) - 1) < 0.05
    last = smooth[-1]
    assert last.is_metric
    relative = (raw[-1].values.log1p() - raw[-1].fit.shift) / raw[-1].fit.scale
    torch.testing.assert_close(last.fit.depth_m(relative), last.depth, rtol=1e-4, atol=1e-4)


def test_a_cut_is_followed_at_once() -> None:
    steady = SteadyScale()
    for n, factor in enumerate(_factors(20)):
        steady.update(_frame(_scene(0), factor), n / RATE_HZ)
    other = _frame(4 * _scene(7), 2.0)
    followed = steady.update(other, 20 / RATE_HZ)
    torch.testing.assert_close(followed.depth, other.depth, rtol=1e-4, atol=1e-4)


def test_a_single_jump_of_the_metres_is_not_believed() -> None:
    steady = SteadyScale()
    for n in range(20):
        steady.update(_frame(_scene(0), 1.0), n / RATE_HZ)
    jump = steady.update(_frame(_scene(0), 3.0), 20 / RATE_HZ)
    torch.testing.assert_close(jump.depth, _scene(0), rtol=0.01, atol=0.01)
    for n in range(21, 27):
        believed = steady.update(_frame(_scene(0), 3.0), n / RATE_HZ)
    torch.testing.assert_close(believed.depth, 3 * _scene(0), rtol=0.1, atol=0.1)


def test_reset_and_time_that_runs_backwards() -> None:
    frame = _frame(2 * _scene(0), 1.0)
    for start_over in (SteadyScale.reset, lambda _steady: None):
        steady = SteadyScale()
        steady.update(_frame(_scene(0), 1.0), 10.0)
        start_over(steady)
        found = steady.update(frame, 1.0)
        torch.testing.assert_close(found.depth, frame.depth, rtol=1e-4, atol=1e-4)


def test_what_was_not_fitted_passes() -> None:
    frame = _frame(_scene(0), 1.0)
    steady = SteadyScale()
    for other in (
        Prediction(frame.values, frame.valid, CAMERA, frame.kind, frame.space, frame.scale),
        Prediction(
            frame.values,
            frame.valid,
            CAMERA,
            frame.kind,
            DepthSpace.LOG1P_DEPTH,
            ScaleKind.AFFINE_INVARIANT,
            note="alignment to MoGe-2 failed",
        ),
        Prediction(
            frame.values,
            frame.valid,
            CAMERA,
            frame.kind,
            frame.space,
            frame.scale,
            fit=ScaleFit(FitModel.SCALE, 2.0, 0.0, 0.1, 0.0, 0.1, 0.1, 50, 60),
        ),
    ):
        assert steady.update(other, 0.0) is other
