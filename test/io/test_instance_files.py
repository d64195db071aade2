"""Segments and lists of instances on disk."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from depth_perception.geometry import DepthKind, Equirectangular
from depth_perception.io.instance_files import write_instances, write_segments
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind


@pytest.fixture
def prediction() -> Prediction:
    """A car over the seam at 4 m, and sky (9) without depth."""
    segments = torch.zeros((20, 40), dtype=torch.int32)
    segments[:5] = 9
    segments[8:16, [36, 37, 38, 39, 0, 1, 2, 3]] = 3
    depth = torch.where(segments == 9, torch.nan, 4.0)
    car, sky = torch.ones((8, 8), dtype=torch.bool), torch.ones((5, 40), dtype=torch.bool)
    return Prediction(
        depth,
        torch.isfinite(depth),
        Equirectangular(20, 40),
        DepthKind.RANGE,
        DepthSpace.DEPTH,
        ScaleKind.METRIC,
        instances=(
            Instance(9, 10, "sky", 0.75, False, (0, 0, 40, 5), sky),
            Instance(3, 13, "car", 0.5, True, (36, 8, 44, 16), car),
        ),
        segments=segments,
    )


def test_a_list_of_instances(tmp_path: Path, prediction: Prediction) -> None:
    write_instances(tmp_path / "list.json", prediction)
    content = json.loads((tmp_path / "list.json").read_text())
    assert content["unit"] == "m"
    car, sky = content["instances"]
    assert (car["label"], car["box"]) == ("car", {"x": 36, "y": 8, "width": 8, "height": 8})
    assert (car["depth_median"], car["depth_sigma"]) == (4.0, 0.0)
    assert car["centroid"][0] == pytest.approx(0.0, abs=1e-5)
    assert car["centroid"][2] < -2  # behind the camera
    assert (sky["point_count"], sky["depth_median"], sky["size"]) == (0, None, None)
    relative = replace(prediction, scale=ScaleKind.SCALE_INVARIANT)
    write_instances(tmp_path / "relative.json", relative)
    content = json.loads((tmp_path / "relative.json").read_text())
    assert (content["unit"], content["instances"][0]["depth_median"]) == (None, 4.0)
    write_instances(tmp_path / "affine.json", replace(prediction, scale=ScaleKind.AFFINE_INVARIANT))
    content = json.loads((tmp_path / "affine.json").read_text())
    assert [row["depth_median"] for row in content["instances"]] == [None, None]
    nothing = replace(prediction, instances=(), segments=torch.zeros_like(prediction.segments))
    write_instances(tmp_path / "none.json", nothing)
    assert json.loads((tmp_path / "none.json").read_text())["instances"] == []


def test_a_map_of_segments(tmp_path: Path, prediction: Prediction) -> None:
    for name in ("ids.npy", "ids.png"):
        write_segments(tmp_path / name, prediction)
    ids = prediction.segments.numpy()
    np.testing.assert_array_equal(np.load(tmp_path / "ids.npy"), ids)
    png = cv2.imread(str(tmp_path / "ids.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(png, ids)
    with pytest.raises(ValueError, match=r"ends in \.npy or \.png"):
        write_segments(tmp_path / "ids.exr", prediction)
    many = replace(prediction, instances=(), segments=prediction.segments * 30000)
    with pytest.raises(ValueError, match="16 bits"):
        write_segments(tmp_path / "many.png", many)
    for write in (write_segments, write_instances):
        with pytest.raises(ValueError, match="panoptic model"):
            write(tmp_path / "x.npy", replace(prediction, segments=None))
