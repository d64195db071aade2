"""Panoptic models with the depth of another model, on pinhole images and panoramas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from bright_segments import BRIGHT, DARK, save_pair

import depth_perception as dp
from depth_perception.geometry import Pinhole
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.prediction import ScaleKind
from depth_perception.systems import PanelsEstimator, build_network, save_network

CAMERA = Pinhole(90, 120, 100.0, 100.0, 60.0, 45.0)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def estimator(pair: tuple[Path, Path]):
    options = {"depth_model": "da3-tiny", "depth_checkpoint": pair[1]}
    return dp.load("eomt-tiny", pair[0], "cpu", **options)


def scene(height: int, width: int) -> np.ndarray:
    image = np.full((height, width, 3), 30, np.uint8)
    image[height // 3 : height // 2, width // 4 : width // 2] = 255
    return image


def test_segments_have_the_depth_of_the_other_model(estimator, pair: tuple[Path, Path]) -> None:
    image = scene(90, 120)
    found = estimator.with_options(output_size="input")(image, CAMERA)
    depth = dp.load("da3-tiny", pair[1], "cpu", output_size="input")(image, CAMERA)
    assert torch.equal(found.values, depth.values)
    assert (found.scale, found.camera) == (ScaleKind.METRIC, depth.camera)
    assert estimator.card.has_depth
    assert {i.label for i in found.instances} == {BRIGHT, DARK}
    person = next(i for i in found.instances if i.label == BRIGHT)
    left, top, right, bottom = person.box
    assert abs(left - 30) < 6
    assert abs(right - 60) < 6
    assert abs(top - 30) < 6
    assert abs(bottom - 45) < 6
    figures = found.segment_statistics()
    assert torch.isfinite(figures.median).all()


def test_maps_share_the_grid_of_the_depth(estimator) -> None:
    found = estimator.with_options(output_size="network")(scene(90, 120), CAMERA)
    assert found.values.shape == found.segments.shape == (98, 126)
    with pytest.raises(ValueError, match="depth_model is part of a loaded model"):
        estimator.with_options(depth_model="moge-2-tiny")


def test_sky_has_no_depth(pair: tuple[Path, Path]) -> None:
    options = {"depth_model": "da3-tiny", "depth_checkpoint": pair[1]}
    model = dp.load("eomt-tiny", pair[0], "cpu", without_depth=(DARK,), drop=(DARK,), **options)
    found = model(scene(90, 120), CAMERA)
    assert [i.label for i in found.instances] == [BRIGHT]
    assert torch.equal(found.valid, found.segments > 0)


def test_one_instance_over_the_seam(estimator) -> None:
    image = np.full((128, 256, 3), 30, np.uint8)
    image[50:80, :20] = image[50:80, -20:] = 255
    around = PanelsEstimator(estimator, surrounding_panels(160), output_size="input")
    found = around(image)
    people = [i for i in found.instances if i.label == BRIGHT]
    assert len(people) == 1
    left, top, right, bottom = people[0].box
    assert abs(left - 236) < 6
    assert abs(right - 276) < 6
    assert abs(top - 50) < 6
    assert abs(bottom - 80) < 6
    assert (found.segments[55:75, [0, -1]] == people[0].id).all()
    assert found.is_metric
    assert found.valid.float().mean() > 0.99


def test_every_panoptic_model_takes_another_depth(pair: tuple[Path, Path], tmp_path: Path) -> None:
    path = tmp_path / "panopticdepth.safetensors"
    torch.manual_seed(0)
    save_network(build_network("panopticdepth-tiny"), path)
    options = {"depth_model": "da3-tiny", "depth_checkpoint": pair[1], "height": 64}
    found = dp.load("panopticdepth-tiny", path, "cpu", **options, output_size="input")(
        scene(90, 120), CAMERA
    )
    depth = dp.load("da3-tiny", pair[1], "cpu", output_size="input")(scene(90, 120), CAMERA)
    assert torch.equal(found.values, depth.values)
    assert found.segments.shape == (90, 120)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("da3-mono-large", "is not metric"),
        ("panopticdepth-tiny", "is a panoptic model itself"),
        ("panda-tiny-metric", "is for panoramas"),
    ],
)
def test_unsuitable_depth_models_are_rejected(
    name: str, reason: str, pair: tuple[Path, Path]
) -> None:
    with pytest.raises(ValueError, match=f"depth_model {name} {reason}"):
        dp.load("eomt-tiny", pair[0], "cpu", depth_model=name)


def test_without_depth_there_are_segments_alone(pair: tuple[Path, Path]) -> None:
    model = dp.load("eomt-tiny", pair[0], "cpu", output_size="network")
    found = model(scene(90, 120), CAMERA)
    assert found.segments.shape == (120, 160)
    assert not found.valid.any()
    with pytest.raises(ValueError, match="name a depth_model"):
        PanelsEstimator(model)
