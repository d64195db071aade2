"""The one call that nodes and command share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from scale_rooms import CAMERA, HEIGHT_M, LIDAR_IN_CAMERA, lidar_points, prediction, room_range

from depth_perception.prediction import Prediction, ScaleKind
from depth_perception.scale import Measurement, MetricScale, ScaleOptions, ScaleStatus
from depth_perception.scale.options import GroundOptions, upward

IMAGE = torch.zeros((112, 224, 3), dtype=torch.uint8)
SEEN = Measurement(lidar_points(), LIDAR_IN_CAMERA)


def _error(found: Prediction) -> float:
    truth = room_range(CAMERA.rays())
    return float((found.depth / truth - 1).abs().mean())


def test_points_go_by_the_name_of_their_sensor() -> None:
    scale = MetricScale(ScaleOptions(source="points"), name="scan")
    result = scale.recover(prediction(2.0, 1.0), IMAGE, 0.0, SEEN)
    assert _error(result.prediction) < 0.04
    assert (result.report.source, result.prediction.fit_source) == ("scan", "scan")
    held = scale.recover(prediction(3.0, 0.5), IMAGE, 0.1, missing="it sleeps")
    assert held.report.status is ScaleStatus.HELD
    assert held.prediction.fit_source == "scan"
    assert "it sleeps" in held.report.warnings
    scale.reset()
    assert scale.recover(prediction(), IMAGE, 0.2, missing="it sleeps").report.source == "scan"


def test_transform_that_is_not_rigid_is_a_reason_not_an_error() -> None:
    scale = MetricScale(ScaleOptions(source="points"))
    result = scale.recover(prediction(), IMAGE, 0.0, replace(SEEN, to_camera=2 * LIDAR_IN_CAMERA))
    assert not result.prediction.is_metric
    assert "not rigid" in result.prediction.note


def test_another_model_runs_on_the_image() -> None:
    shown: list[Any] = []

    def other(image: torch.Tensor, camera: Any) -> Prediction:
        shown.append((image, camera))
        return prediction(kind=ScaleKind.METRIC, noise=0.0)

    scale = MetricScale(ScaleOptions(source="reference"), other)
    result = scale.recover(prediction(0.5, 2.0), IMAGE, 0.0)
    assert _error(result.prediction) < 0.04
    assert result.report.source == "reference"
    assert shown[0][0] is IMAGE
    assert (shown[0][1].height, shown[0][1].width) == (112, 224)
    relative = MetricScale(ScaleOptions(source="reference"), lambda *_: prediction())
    assert "is not metric" in relative.recover(prediction(), IMAGE, 0.0).prediction.note


def test_no_metres_where_none_are_wanted() -> None:
    result = MetricScale(ScaleOptions(source="none")).recover(
        prediction(kind=ScaleKind.METRIC), IMAGE, 0.0
    )
    assert result.prediction.scale is ScaleKind.SCALE_INVARIANT
    assert "the scale source is none" in result.prediction.note


def test_what_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="need boxes"):
        MetricScale(ScaleOptions(source="object_size"))
    with pytest.raises(ValueError, match="needs its model"):
        MetricScale(ScaleOptions(source="reference"))


def test_upward_of_a_camera_that_looks_down_or_leans() -> None:
    down, right = upward(torch.pi / 2, 0.0), upward(0.0, torch.pi / 2)
    torch.testing.assert_close(torch.tensor(upward(0.0, 0.0)), torch.tensor((0.0, -1.0, 0.0)))
    torch.testing.assert_close(torch.tensor(down), torch.tensor((0.0, 0.0, -1.0)))
    torch.testing.assert_close(torch.tensor(right), torch.tensor((-1.0, 0.0, 0.0)))
    ground = GroundOptions(height_m=HEIGHT_M, up=upward(0.0, 0.0))
    scale = MetricScale(ScaleOptions(source="camera_height", ground=ground))
    assert _error(scale.recover(prediction(1.5, 1.0), IMAGE, 0.0).prediction) < 0.05
