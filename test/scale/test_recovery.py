"""From predictions and sources to metres over time, or to a reason why not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scale_rooms import CAMERA, HEIGHT_M, LIDAR_IN_CAMERA, lidar_points, prediction, room_range
from torch import Tensor

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.geometry.rotations import axis_rotation
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind, Scene
from depth_perception.scale import (
    Extrinsics,
    FilterOptions,
    FitModel,
    Recovered,
    ScaleOptions,
    ScaleRecovery,
    ScaleStatus,
    fit_prediction,
)
from depth_perception.scale.options import FixedOptions, GroundOptions
from depth_perception.scale.reference import Reference
from depth_perception.scale.sources import points_reference

FRAME_S = 0.1
POINTS = ScaleOptions(source="points", filter=FilterOptions(hold_s=2.95))


def reference(ahead_m: float = 0.0, extrinsics: Tensor = LIDAR_IN_CAMERA, **changes):
    points = lidar_points(ahead_m, **changes)
    return points_reference(points, extrinsics, CAMERA, prediction().kind)


def error(result: Recovered, ahead_m: float = 0.0) -> float:
    """Mean error of the metres as a share of the truth."""
    assert result.report.is_metric, result.report
    assert result.prediction.is_metric
    truth = room_range(CAMERA.rays(), ahead_m=ahead_m)
    return float(((result.prediction.depth - truth).abs() / truth).nan_to_num(nan=1.0).mean())


def jumping(index: int) -> Prediction:
    """Frame ``index`` of a model whose scale and shift jump between any two frames."""
    generator = torch.Generator().manual_seed(index)
    draw = torch.randn(2, generator=generator).tolist()
    return prediction(math.exp(0.5 * draw[0]), 2 * draw[1], ahead_m=0.05 * index, seed=index)


def test_scale_and_shift_that_jump_are_recovered_and_smooth() -> None:
    recovery, effective, alone = ScaleRecovery(POINTS), [], []
    for index in range(20):
        seen, known = jumping(index), reference(0.05 * index, seed=index)
        result = recovery.recover(seen, known, FRAME_S * index)
        assert result.report.status is ScaleStatus.TRACKING
        assert error(result, 0.05 * index) < 0.04
        truth = room_range(CAMERA.rays(), ahead_m=0.05 * index)
        effective.append((result.prediction.depth / truth).nanmedian().log())
        once = fit_prediction(seen, known.depth_m).depth_m(seen.values)
        alone.append((once / truth).nanmedian().log())
    steps, loose = (torch.stack(t).diff().abs().mean() for t in (effective, alone))
    assert steps < 0.003
    assert steps < loose


def test_a_distortion_changes_nothing_but_the_numbers_of_the_fit() -> None:
    plain, jumpy = ScaleRecovery(POINTS), ScaleRecovery(POINTS)
    for index in range(5):
        steady = prediction(ahead_m=0.05 * index, seed=index)
        known = reference(0.05 * index, seed=index)
        first = plain.recover(steady, known, FRAME_S * index).prediction.depth
        second = jumpy.recover(jumping(index), known, FRAME_S * index).prediction.depth
        torch.testing.assert_close(first, second, rtol=2e-3, atol=2e-3, equal_nan=True)


def test_without_following_a_jump_of_the_model_is_held() -> None:
    recovery = ScaleRecovery(replace(POINTS, follow=False))
    for index in range(5):
        recovery.recover(prediction(2.0, seed=index), reference(), FRAME_S * index)
    jump = recovery.recover(prediction(5.0, 1.0), reference(), 0.5)
    assert jump.report.status is ScaleStatus.HELD
    assert any("jump" in text for text in jump.report.warnings)


@pytest.mark.parametrize("space", list(DepthSpace))
def test_every_space_is_fitted_in_its_own(space: DepthSpace) -> None:
    seen = prediction(2.0, 0.2, space=space)
    recovery = ScaleRecovery(POINTS)
    result = recovery.recover(seen, reference(), 0.0)
    assert error(result) < 0.04
    assert result.prediction.fit is not None
    assert result.prediction.fit.scale == pytest.approx(2.0, rel=0.05)
    assert result.report.sigma_ratio < 0.1


def test_a_metric_model_is_corrected_by_a_factor() -> None:
    wrong = prediction(0.8, kind=ScaleKind.METRIC)
    recovery = ScaleRecovery(POINTS)
    for index in range(3):
        result = recovery.recover(wrong, reference(), FRAME_S * index)
    assert error(result) < 0.04
    assert result.report.fit is not None
    assert result.report.fit.model is FitModel.SCALE
    assert result.report.fit.scale == pytest.approx(0.8, rel=0.03)


def test_lidar_that_drops_out_is_held_then_not_metric() -> None:
    recovery = ScaleRecovery(POINTS)
    for index in range(10):
        recovery.recover(jumping(index), reference(0.05 * index), FRAME_S * index)
    seen = []
    for index in range(10, 60):
        result = recovery.recover(jumping(index), None, FRAME_S * index, missing="no points")
        seen.append(result.report.status)
        if result.report.is_metric:
            assert error(result, 0.05 * index) < 0.05
            assert "held" in " ".join(result.report.warnings)
        assert "no points" in " ".join(result.report.warnings)
    assert seen == [ScaleStatus.HELD] * 29 + [ScaleStatus.NONE] * 21
    assert not result.prediction.is_metric
    assert "no points" in result.prediction.note
    assert "5.0 s" in result.prediction.note
    back = recovery.recover(jumping(60), reference(3.0), 6.0)
    assert back.report.status is ScaleStatus.TRACKING


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("side", [-1, 1])
def test_extrinsics_wrong_by_30_degrees_are_refused(axis: int, side: int) -> None:
    wrong = LIDAR_IN_CAMERA.clone()
    wrong[:3, :3] = axis_rotation(axis, side * math.radians(30)) @ wrong[:3, :3]
    recovery = ScaleRecovery(POINTS)
    for index in range(5):
        known = reference(0.05 * index, wrong, seed=index)
        result = recovery.recover(jumping(index), known, FRAME_S * index)
        assert result.report.status is ScaleStatus.NONE
        assert not result.prediction.is_metric
        assert "when turned by" in result.prediction.note
        assert "check the extrinsics" in result.prediction.note


def test_points_that_are_never_to_be_turned_are_not() -> None:
    wrong = LIDAR_IN_CAMERA.clone()
    wrong[:3, :3] = axis_rotation(1, math.radians(30)) @ wrong[:3, :3]
    recovery = ScaleRecovery(replace(POINTS, check_turns_s=math.inf))
    for index in range(3):
        result = recovery.recover(jumping(index), reference(0.0, wrong), FRAME_S * index)
        assert "turned" not in f"{result.prediction.note} {result.report.warnings}"


def test_no_points_at_all_are_told_of() -> None:
    known = reference()
    known = replace(known, depth_m=torch.full_like(known.depth_m, torch.nan))
    result = ScaleRecovery(POINTS).recover(prediction(), known, 0.0)
    assert result.report.status is ScaleStatus.NONE
    assert result.prediction.note


def test_right_extrinsics_are_not_blamed_for_what_the_prediction_has_wrong() -> None:
    """Level ground, and a tall hedge on the right that the prediction has 1.4 times too far."""
    camera = Pinhole.from_fov(128, 320, math.radians(100))
    rays = camera.rays() / camera.rays()[..., 2:]
    ground = torch.where(rays[..., 1] > 0.03, 1.5 / rays[..., 1].clamp(min=0.03), torch.inf)
    is_right = rays[..., 0] > math.tan(math.radians(24))
    hedge = torch.where(is_right, 2.0 / rays[..., 0].clamp(min=0.1), torch.inf)
    truth = torch.minimum(ground, hedge)
    known = torch.where(truth < 40, truth, torch.nan)
    known[::2] = known[:, ::2] = torch.nan
    values = torch.where(hedge < ground, 1.4 * truth, truth).clamp(max=60.0)
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    values = values * (1 + 0.03 * noise)
    seen = Prediction(
        values, torch.ones_like(values, dtype=torch.bool), camera, DepthKind.Z, DepthSpace.DEPTH,
        ScaleKind.METRIC,
    )  # fmt: skip

    given = Reference(known, 0.02 * known, "points")
    result = ScaleRecovery(POINTS).recover(seen, given, 0.0)

    assert result.report.is_metric
    assert "turned" not in " ".join(result.report.warnings)


def test_a_fit_that_is_poor_but_believed_is_told() -> None:
    fine = ScaleRecovery(POINTS).recover(prediction(), reference(), 0.0)
    assert fine.report.warnings == ()
    poor = ScaleRecovery(POINTS).recover(prediction(noise=0.3), reference(), 0.0)
    assert poor.report.status is ScaleStatus.TRACKING
    assert "poor fit: " in " ".join(poor.report.warnings)


def test_points_that_are_noise_do_not_blame_the_extrinsics() -> None:
    known = reference()
    wild = 30 * torch.rand(known.depth_m.shape, generator=torch.Generator().manual_seed(1))
    known = replace(known, depth_m=torch.where(torch.isfinite(known.depth_m), wild, torch.nan))
    result = ScaleRecovery(POINTS).recover(prediction(), known, 0.0)
    assert result.report.status is ScaleStatus.NONE
    assert "extrinsics" not in result.prediction.note


def test_extrinsics_that_go_wrong_on_the_way_are_held_then_refused() -> None:
    wrong = LIDAR_IN_CAMERA.clone()
    wrong[:3, :3] = axis_rotation(1, math.radians(30)) @ wrong[:3, :3]
    recovery = ScaleRecovery(POINTS)
    for index in range(60):
        extrinsics = LIDAR_IN_CAMERA if index < 5 else wrong
        known = reference(0.05 * index, extrinsics, seed=index)
        result = recovery.recover(jumping(index), known, FRAME_S * index)
        if result.report.is_metric:
            assert error(result, 0.05 * index) < 0.1, index
    assert result.report.status is ScaleStatus.NONE


def test_five_points_are_refused() -> None:
    five = points_reference(lidar_points()[:5], LIDAR_IN_CAMERA, CAMERA, prediction().kind)
    result = ScaleRecovery(POINTS).recover(prediction(), five, 0.0)
    assert result.report.status is ScaleStatus.NONE
    assert "too few" in result.prediction.note


def test_camera_height_alone_gives_scale_and_shift() -> None:
    options = ScaleOptions(source="camera_height", ground=GroundOptions(height_m=HEIGHT_M))
    recovery = ScaleRecovery(options)
    for index in range(5):
        result = recovery.recover(jumping(index), None, FRAME_S * index)
        assert error(result, 0.05 * index) < 0.05
    assert result.report.source == "camera_height"


def test_the_clock_running_backwards_and_reset_forget() -> None:
    recovery = ScaleRecovery(POINTS)
    recovery.recover(prediction(), reference(), 10.0)
    assert recovery.recover(prediction(), None, 10.1).report.status is ScaleStatus.HELD
    assert recovery.recover(prediction(), None, 9.0).report.status is ScaleStatus.NONE
    recovery.recover(prediction(), reference(), 11.0)
    recovery.reset()
    assert recovery.recover(prediction(), None, 11.1).report.status is ScaleStatus.NONE


def test_a_scene_cut_restarts_the_estimation() -> None:
    recovery = ScaleRecovery(POINTS)
    recovery.recover(prediction(), reference(), 0.0)
    generator = torch.Generator().manual_seed(1)
    other = replace(prediction(), values=torch.rand(56, 112, generator=generator))
    result = recovery.recover(other, None, 0.1)
    assert result.report.status is ScaleStatus.NONE
    assert "scene cut detected" in result.prediction.note


def test_the_word_of_the_model() -> None:
    recovery = ScaleRecovery()
    metric = prediction(kind=ScaleKind.METRIC)
    assert recovery.recover(metric, None, 0.0).prediction is metric
    floored = replace(metric, scene=Scene(0.1, is_at_floor=True))
    refused = recovery.recover(floored, None, 0.0)
    assert refused.report.status is ScaleStatus.NONE
    assert refused.prediction.scale is ScaleKind.SCALE_INVARIANT
    assert "floor" in refused.prediction.note
    relative = recovery.recover(prediction(), None, 0.0)
    assert not relative.report.is_metric
    assert relative.prediction.note


def test_fixed_numbers() -> None:
    options = ScaleOptions(source="fixed", fixed=FixedOptions(2.0, 0.5))
    result = ScaleRecovery(options).recover(prediction(2.0, 0.5), None, 0.0)
    assert error(result) < 0.04
    assert result.report.status is ScaleStatus.FIXED
    with pytest.raises(ValueError, match="no shift"):
        ScaleRecovery(options).recover(prediction(kind=ScaleKind.METRIC), None, 0.0)


def test_extrinsics_are_angles_of_the_body_frame() -> None:
    matrix = Extrinsics(x=0.05, y=-0.1, z=0.1).matrix()
    torch.testing.assert_close(matrix, LIDAR_IN_CAMERA)
    left = Extrinsics(yaw=math.pi / 2).matrix() @ torch.tensor([1.0, 0, 0, 1]).double()
    torch.testing.assert_close(left, torch.tensor([-1.0, 0, 0, 1]).double())


def test_body_frame() -> None:
    matrix = Extrinsics().matrix()
    forward_left_up = torch.tensor([3.0, -1, -2, 1]).double()
    assert (matrix @ forward_left_up).tolist() == [1, 2, 3, 1]  # right, down, forward
    torch.testing.assert_close(torch.linalg.inv(matrix), matrix.T)
    assert torch.linalg.det(matrix[:3, :3]) == pytest.approx(1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="needs its scale"):
        ScaleOptions(source="fixed")
    with pytest.raises(ValueError, match="min_agreement"):
        ScaleOptions(min_agreement=1.5)
    with pytest.raises(ValueError, match="stamp_s"):
        ScaleRecovery().recover(prediction(), None, math.nan)
    small = points_reference(lidar_points(), LIDAR_IN_CAMERA, CAMERA.resize(28, 56), "range")
    with pytest.raises(ValueError, match="camera of the prediction"):
        ScaleRecovery(POINTS).recover(prediction(), small, 0.0)
