"""Sources of scale: what they know of a scene that is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scale_rooms import CAMERA, HEIGHT_M, LIDAR_IN_CAMERA, lidar_points, prediction, room_range

from depth_perception.geometry import DepthKind, Equirectangular, Pinhole
from depth_perception.prediction import DepthSpace, Prediction, ScaleKind
from depth_perception.scale import Reference, SourceError, fit_prediction
from depth_perception.scale.options import GroundOptions, PointOptions
from depth_perception.scale.sources import (
    KnownObject,
    ground_reference,
    model_reference,
    object_reference,
    points_reference,
    predicted_reference,
)

EYE = torch.eye(4)


def metric(values: torch.Tensor, camera, kind: DepthKind) -> Prediction:
    valid = torch.ones_like(values, dtype=torch.bool)
    return Prediction(values, valid, camera, kind, DepthSpace.DEPTH, ScaleKind.METRIC)


@pytest.mark.parametrize("kind", list(DepthKind))
@pytest.mark.parametrize(
    "camera", [Pinhole.from_fov(60, 90, 1.3), Equirectangular.partial(60, 90, 1.3, 0.9)]
)
def test_points_land_on_their_pixels(camera, kind: DepthKind) -> None:
    truth = room_range(camera.rays())
    points = camera.rays().reshape(-1, 3) * truth.reshape(-1, 1)
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    known = points_reference(points[order], EYE, camera, kind)
    expected = camera.convert(truth, DepthKind.RANGE, kind)
    seen = torch.isfinite(known.depth_m)
    assert seen.float().mean() > 0.95
    torch.testing.assert_close(known.depth_m[seen], expected[seen], rtol=1e-3, atol=1e-3)


def test_points_of_a_mounted_lidar_meet_the_room() -> None:
    points = lidar_points(outliers=0.0)
    known = points_reference(points, LIDAR_IN_CAMERA, CAMERA, DepthKind.RANGE)
    seen = torch.isfinite(known.depth_m)
    off = (known.depth_m / room_range(CAMERA.rays()) - 1).abs()[seen]
    assert seen.sum() > 700
    assert off.median() < 0.02
    assert off.quantile(0.95) < 0.15  # within a pixel of 3 degrees, where walls are seen aslant


def test_points_behind_nearer_ones_are_dropped() -> None:
    """A wall at 8 m whose points show through the gaps of a board at 2 m."""
    camera = Pinhole.from_fov(120, 160, 1.2)
    across = torch.linspace(-0.4, 0.4, 33)
    x, y = torch.meshgrid(across, across, indexing="ij")
    board = torch.stack((2 * x / 2, 2 * y / 2, torch.full_like(x, 2.0)), -1).reshape(-1, 3)
    wall = torch.stack((8 * x + 0.02, 8 * y + 0.02, torch.full_like(x, 8.0)), -1).reshape(-1, 3)
    known = points_reference(torch.cat((wall, board)), EYE, camera, DepthKind.Z)
    depth = known.depth_m
    before = depth[48:72, 60:100]
    assert torch.isfinite(before).any()
    assert (before[torch.isfinite(before)] == 2.0).all()
    assert (depth == 8.0).any()
    through = PointOptions(spacing=0.0)
    depth = points_reference(torch.cat((wall, board)), EYE, camera, DepthKind.Z, through).depth_m
    assert (depth[48:72, 60:100] == 8.0).any()


def test_a_single_near_point_hides_nothing() -> None:
    camera = Pinhole.from_fov(120, 160, 1.2)
    across = torch.linspace(-3, 3, 61)
    x, y = torch.meshgrid(across, across, indexing="ij")
    wall = torch.stack((x, y, torch.full_like(x, 8.0)), -1).reshape(-1, 3)
    fly = torch.tensor([[0.013, 0.01, 1.0]])
    plain = points_reference(wall, EYE, camera, DepthKind.Z).depth_m
    known = points_reference(torch.cat((fly, wall)), EYE, camera, DepthKind.Z).depth_m
    assert (torch.isfinite(plain) & (known != plain)).sum() <= 1


def test_hiding_works_across_the_seam() -> None:
    camera = Equirectangular(60, 120)
    angle = math.pi + torch.linspace(-0.06, 0.06, 9)
    ring = torch.stack((angle.sin(), torch.zeros(9), angle.cos()), -1)
    board = torch.cat([ring * 2.0 + torch.tensor((0.0, y, 0.0)) for y in (-0.05, 0.0, 0.05)])
    far = ring[3:6] * 9.0
    known = points_reference(torch.cat((board, far)), EYE, camera, DepthKind.RANGE)
    assert not (known.depth_m > 5).any()


def test_the_median_counts_of_points_on_one_pixel_in_any_order() -> None:
    camera = Equirectangular(10, 20)
    ray = camera.rays()[4, 13]
    for order in ((2.0, 2.1, 2.2), (2.2, 2.0, 2.1)):
        points = ray * torch.tensor(order)[:, None]
        known = points_reference(points, EYE, camera, DepthKind.RANGE)
        assert known.depth_m[4, 13] == pytest.approx(2.1)
        assert torch.isfinite(known.depth_m).sum() == 1


def test_points_without_sense_are_left_out() -> None:
    wild = torch.tensor(
        [[math.nan, 0, 1], [math.inf, 0, 0], [0, 0, 0], [0.0, 0, 0.1], [0, 0, 500], [0, 0, -3]]
    )
    known = points_reference(wild, EYE, Pinhole.from_fov(20, 20, 1.0), DepthKind.Z)
    assert not torch.isfinite(known.depth_m).any()
    empty = points_reference(torch.zeros(0, 3), EYE, CAMERA, DepthKind.RANGE)
    assert not torch.isfinite(empty.depth_m).any()
    with pytest.raises(ValueError, match="not rigid"):
        points_reference(wild, 2 * EYE, CAMERA, DepthKind.RANGE)
    with pytest.raises(ValueError, match="points"):
        points_reference(torch.zeros(5, 2), EYE, CAMERA, DepthKind.RANGE)


@pytest.mark.parametrize("space", list(DepthSpace))
def test_ground_gives_scale_and_shift(space: DepthSpace) -> None:
    seen = prediction(3.0, 0.3, space=space, noise=0.01)
    known = ground_reference(seen, GroundOptions(height_m=HEIGHT_M))
    fit = fit_prediction(seen, known.depth_m)
    assert fit.scale == pytest.approx(3.0, rel=0.03)
    assert fit.shift == pytest.approx(0.3, abs=0.06)


def test_ground_gives_scale_to_pinhole_z() -> None:
    camera = Pinhole.from_fov(60, 80, 1.4)
    z = camera.convert(room_range(camera.rays()), DepthKind.RANGE, DepthKind.Z)
    seen = replace(metric(z / 4, camera, DepthKind.Z), scale=ScaleKind.SCALE_INVARIANT)
    known = ground_reference(seen, GroundOptions(height_m=HEIGHT_M))
    assert fit_prediction(seen, known.depth_m).scale == pytest.approx(4.0, rel=1e-3)


def test_ground_of_a_tilted_camera_needs_its_up() -> None:
    tilt = math.radians(15)
    turn = torch.tensor(
        [[1, 0, 0], [0, math.cos(tilt), -math.sin(tilt)], [0, math.sin(tilt), math.cos(tilt)]]
    )
    depth = room_range(CAMERA.rays() @ turn.T)
    seen = metric(depth / 2, CAMERA, DepthKind.RANGE)
    up = tuple((torch.tensor([0.0, -1.0, 0.0]) @ turn).tolist())
    known = ground_reference(seen, GroundOptions(height_m=HEIGHT_M, up=up))
    assert fit_prediction(seen, known.depth_m).scale == pytest.approx(2.0, rel=1e-3)


def test_no_ground_is_refused() -> None:
    flat = replace(prediction(), values=torch.full((56, 112), 2.0))
    with pytest.raises(SourceError):
        ground_reference(flat, GroundOptions(height_m=HEIGHT_M))
    generator = torch.Generator().manual_seed(0)
    noise = replace(prediction(), values=torch.rand(56, 112, generator=generator))
    with pytest.raises(SourceError, match="ground plane"):
        ground_reference(noise, GroundOptions(height_m=HEIGHT_M, min_ground_ratio=0.5))
    up = Equirectangular(20, 40, latitude_min=-1.0, latitude_max=0.0)
    sky = metric(torch.ones(20, 40), up, DepthKind.RANGE)
    with pytest.raises(SourceError, match="too few"):
        ground_reference(sky)


@pytest.mark.parametrize("camera", [Pinhole.from_fov(200, 300, 1.2), Equirectangular(800, 1600)])
def test_an_object_of_known_size_gives_its_distance(camera) -> None:
    """A board of 1.2 x 1.6 m at 5 m, aside and below the axis."""
    corners = torch.tensor([[0.4, -0.6, 5.0], [1.6, -0.6, 5.0], [0.4, 1.0, 5.0], [1.6, 1.0, 5.0]])
    middle = torch.tensor([[1.0, -0.6, 5.0], [1.0, 1.0, 5.0], [1.0, 0.2, 5.0]])
    u, _ = camera.project(corners)
    _, v = camera.project(middle[:2])
    box = tuple(round(float(x)) for x in (u.min(), v[0], u.max(), v[1]))
    seen = metric(torch.ones(camera.height, camera.width), camera, DepthKind.RANGE)
    truth = float(middle[2].norm())
    for size in ({"height_m": 1.6}, {"width_m": 1.2}):
        known = object_reference(seen, [KnownObject(box, **size)])
        assert float(known.depth_m.nanmedian()) == pytest.approx(truth, rel=0.04)


def test_objects_are_checked() -> None:
    seen = prediction()
    with pytest.raises(SourceError, match="no object"):
        object_reference(seen, [])
    with pytest.raises(ValueError, match="leaves the image"):
        object_reference(seen, [KnownObject((100, 10, 130, 20), height_m=1.0)])
    with pytest.raises(ValueError, match="only one"):
        KnownObject((0, 0, 5, 5), height_m=1.0, width_m=1.0)
    with pytest.raises(ValueError, match="box"):
        KnownObject((5, 0, 5, 5), height_m=1.0)


def test_a_pinhole_model_is_a_reference_for_a_panorama() -> None:
    view = Pinhole.from_fov(120, 120, math.radians(80))
    side = torch.tensor([[0.0, 0, -1], [0, 1, 0], [1, 0, 0]])  # looks along +x of the panorama
    z = view.convert(room_range(view.rays() @ side), DepthKind.RANGE, DepthKind.Z)
    known = model_reference(prediction(), metric(z, view, DepthKind.Z), to_other=side)
    seen = torch.isfinite(known.depth_m)
    off = (known.depth_m / room_range(CAMERA.rays()) - 1).abs()[seen]
    assert 0.05 < seen.float().mean() < 0.3
    assert off.median() < 0.02
    with pytest.raises(SourceError, match="not metric"):
        model_reference(prediction(), prediction())


def test_a_model_is_run_with_the_camera_of_the_image() -> None:
    calls = []

    def other(image, camera) -> Prediction:
        calls.append((tuple(image.shape), camera))
        return metric(room_range(camera.rays()), camera, DepthKind.RANGE)

    image = torch.zeros((112, 224, 3), dtype=torch.uint8)
    known = predicted_reference(prediction(2.0, 0.5), image, other)
    assert calls == [((112, 224, 3), Equirectangular(112, 224))]
    fit = fit_prediction(prediction(2.0, 0.5), known.depth_m)
    assert fit.scale == pytest.approx(2.0, rel=0.05)


def test_weights_are_less_where_the_source_is_worse_than_the_model() -> None:
    depth = torch.tensor([[2.0, 2.0, torch.nan]])
    known = Reference(depth, torch.tensor([[0.0, 0.4, 0.1]]), "points")
    weights = known.weights(0.0, 0.1)
    assert weights[0, 0] == 1.0
    assert weights[0, 1] == pytest.approx(0.04 / 0.2)
    assert weights[0, 2] == 0.0
