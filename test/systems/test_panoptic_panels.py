"""Panoptic models on panoramas: true masks and depth of every panel of a street, merged."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from panoptic_oracle import FIRST_STUFF, PanopticOracle, segments_of

import depth_perception as dp
from depth_perception.data.worlds import Frame, make_world, render
from depth_perception.geometry import DepthKind, Equirectangular, edge_mask
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.geometry.segments import StatisticsOptions
from depth_perception.prediction import Instance, Prediction
from depth_perception.systems import build_network, save_network
from depth_perception.systems.panels import PanelsEstimator

WORLD = make_world("street", 5)
CAMERA = Equirectangular(256, 512)
PANELS = surrounding_panels(256)
CAR = 3  # parked 2 m to the left of the camera
ON_THE_SEAM = math.radians(-95)  # looking so, the car lies behind


def pose(yaw: float = 0.0) -> torch.Tensor:
    return WORLD.pose(WORLD.path_length_m / 2, yaw=yaw)


@pytest.fixture(scope="module")
def truth() -> Frame:
    return render(WORLD, CAMERA, pose(ON_THE_SEAM), shadows=False)


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    oracle = PanopticOracle(WORLD, pose(ON_THE_SEAM), PANELS)
    image = torch.zeros((CAMERA.height, CAMERA.width, 3), dtype=torch.uint8)
    return PanelsEstimator(oracle, PANELS)(image)


def points_of(frame: Frame) -> np.ndarray:
    """(H, W, 3) float64 by the definition of the equirectangular grid."""
    height, width = frame.range_m.shape
    longitude = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    latitude = ((np.arange(height) + 0.5) / height - 0.5)[:, None] * np.pi
    rays = np.stack(
        np.broadcast_arrays(
            np.cos(latitude) * np.sin(longitude),
            np.sin(latitude),
            np.cos(latitude) * np.cos(longitude),
        ),
        -1,
    )
    return rays * frame.range_m.double().numpy()[..., None]


def counterpart(prediction: Prediction, mask: torch.Tensor) -> tuple[int, Instance]:
    """The instance that most pixels of a true object belong to, and its place."""
    number = int(prediction.segments[mask].mode().values)
    found = [(k, i) for k, i in enumerate(prediction.instances) if i.id == number]
    assert len(found) == 1
    return found[0]


def test_a_car_over_the_seam_is_one_with_the_right_centroid(
    truth: Frame, prediction: Prediction
) -> None:
    mask = truth.instances == CAR
    assert mask[:, [0, -1]].any(0).all()
    place, car = counterpart(prediction, mask)
    assert (car.label, car.is_thing) == ("car", True)
    found = prediction.segments == car.id
    assert (found & mask).sum() / (found | mask).sum() > 0.98
    # nobody else has a part of it
    others = prediction.segments[mask & ~found]
    assert torch.bincount(others.long(), minlength=1).max() < 0.01 * mask.sum()

    pixels = mask.numpy()
    centroid = points_of(truth)[pixels].mean(0)
    median = np.median(truth.range_m.double().numpy()[pixels])
    whole = prediction.segment_statistics(StatisticsOptions(border_px=0, edge_threshold=None))
    assert abs(float(whole.median[place]) - median) < 0.01
    assert np.linalg.norm(whole.centroid[place].numpy() - centroid) < 0.01
    assert centroid[2] < -1  # behind the camera


def test_by_default_the_figures_are_those_of_the_inner_pixels(
    truth: Frame, prediction: Prediction
) -> None:
    """What is left out moves the centroid; of what is left it is right."""
    place, car = counterpart(prediction, truth.instances == CAR)
    found = prediction.segment_statistics()
    mask = (prediction.segments == car.id).numpy()
    inner = mask.copy()
    for rows in range(-2, 3):
        for columns in range(-2, 3):
            inner &= np.roll(mask, (rows, columns), (0, 1))
    inner &= ~edge_mask(prediction.depth, 0.1, prediction.valid, wraps=True).numpy()
    assert int(found.count[place]) == inner.sum() > 0.7 * mask.sum()
    assert (truth.instances.numpy()[inner] == CAR).mean() > 0.999
    centroid = points_of(truth)[inner].mean(0)
    median = np.median(truth.range_m.double().numpy()[inner])
    assert abs(float(found.median[place]) - median) < 0.01
    assert np.linalg.norm(found.centroid[place].numpy() - centroid) < 0.01


def test_every_object_comes_out_once(truth: Frame, prediction: Prediction) -> None:
    segments = segments_of(truth.classes, truth.instances)
    taken = set()
    for number in segments.unique().tolist():
        mask = segments == number
        if mask.sum() < 30:
            continue
        _, instance = counterpart(prediction, mask)
        assert instance.id not in taken
        assert instance.is_thing == (number < FIRST_STUFF)
        taken.add(instance.id)
        found = prediction.segments == instance.id
        assert (found & mask).sum() / (found | mask).sum() > 0.6
    assert len(taken) > 8
    assert {i.id for i in prediction.instances} == set(prediction.segments.unique().tolist()) - {0}
    sky = next(i for i in prediction.instances if i.label == "sky")
    assert not prediction.valid[prediction.segments == sky.id].any()
    assert prediction.instances[0].score == pytest.approx(0.5)


def test_boxes_and_masks_hold_the_segments(prediction: Prediction) -> None:
    crossing = 0
    for instance in prediction.instances:
        left, top, right, bottom = instance.box
        columns = torch.arange(left, right) % CAMERA.width
        mask = prediction.segments == instance.id
        assert torch.equal(mask[top:bottom, columns], instance.mask)
        assert instance.mask.sum() == mask.sum()
        assert instance.mask.any(0)[[0, -1]].all()
        crossing += right > CAMERA.width
    assert crossing >= 1
    prediction.segments.add_(0)  # no tensor of inference mode


def test_turned_by_a_panel_the_picture_is_rolled(prediction: Prediction) -> None:
    """A turn by 60 degrees puts every panel in the place of the next."""
    camera = Equirectangular(96, 192)
    panels = surrounding_panels(72)
    image = torch.zeros((96, 192, 3), dtype=torch.uint8)
    one, other = (
        PanelsEstimator(PanopticOracle(WORLD, pose(yaw), panels), panels)(image)
        for yaw in (0.0, math.radians(60))
    )
    assert abs(len(one.instances) - len(other.instances)) <= 2  # specks of a pixel or two
    for instance in one.instances:
        mask = (one.segments == instance.id).roll(camera.width // 6, 1)
        if mask.sum() > 30:
            same = counterpart(other, mask)[1]
            assert same.label == instance.label
            found = other.segments == same.id
            assert (found & mask).sum() / (found | mask).sum() > 0.9


def test_a_real_network_over_panels(tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_network(build_network("panopticdepth-tiny"), tmp_path / "tiny.safetensors")
    pinhole = dp.load("panopticdepth-tiny", tmp_path / "tiny.safetensors", "cpu", height=64)
    estimator = PanelsEstimator(pinhole, surrounding_panels(64))
    assert estimator.card.is_panoptic
    image = torch.randint(0, 256, (64, 128, 3), dtype=torch.uint8)
    found = estimator(image)
    assert found.segments.shape == (64, 128)
    ids = set(found.segments.unique().tolist()) - {0}
    assert ids == {instance.id for instance in found.instances}
    assert found.kind is DepthKind.RANGE
    assert found.segment_statistics().count.shape == (len(ids),)


class Blank(PanopticOracle):
    """Finds nothing."""

    def __call__(self, image: torch.Tensor, camera: dp.Pinhole) -> Prediction:
        said = super().__call__(image, camera)
        return replace(said, segments=torch.zeros_like(said.segments), instances=())


def test_nothing_found_is_fine_and_no_segments_are_an_error() -> None:
    panels = surrounding_panels(32)
    image = torch.zeros((32, 64, 3), dtype=torch.uint8)
    found = PanelsEstimator(Blank(WORLD, pose(), panels), panels)(image)
    assert found.instances == ()
    assert (found.segments == 0).all()
    assert found.valid.any()
    assert found.segment_statistics().count.shape == (0,)

    class Mute(PanopticOracle):
        def __call__(self, image: torch.Tensor, camera: dp.Pinhole) -> Prediction:
            return replace(super().__call__(image, camera), segments=None, instances=())

    with pytest.raises(ValueError, match="found no segments in panel level_0"):
        PanelsEstimator(Mute(WORLD, pose(), panels), panels)(image)
