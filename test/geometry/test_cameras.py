"""Properties that every camera keeps."""

from __future__ import annotations

import math
import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.geometry import Camera, DepthKind, Equirectangular, Pinhole, pixel_centres

FULL = Equirectangular(32, 64)
PARTIAL = Equirectangular.partial(40, 60, math.radians(200), math.radians(75))
SEAM_CROP = FULL.crop(5, 50, 20, 30)
NARROW = Equirectangular.partial(24, 36, math.radians(120), math.radians(80))
PINHOLE = Pinhole(48, 64, 50.0, 55.0, 30.0, 26.0)
CAMERAS = {
    "full": FULL,
    "partial": PARTIAL,
    "crop across the seam": SEAM_CROP,
    "crop of a partial": PARTIAL.crop(3, 7, 20, 40),
    "pinhole": PINHOLE,
    "crop of a pinhole": PINHOLE.crop(4, 6, 30, 50),
    "resized pinhole": PINHOLE.resize(96, 32),
}
sizes = st.integers(1, 300)
angles = st.floats(0.05, 2 * math.pi)


@pytest.fixture(params=CAMERAS.values(), ids=CAMERAS.keys())
def camera(request):
    return request.param


def assert_round_trip(camera):
    u, v = pixel_centres(camera.height, camera.width, dtype=torch.float64)
    u2, v2 = camera.project(3.7 * camera.directions(u, v))
    assert ((u2 - u).abs() / camera.width).max() < 1e-6
    assert ((v2 - v).abs() / camera.height).max() < 1e-6


def test_project_inverts_directions(camera):
    assert_round_trip(camera)


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, angles, st.floats(0.05, math.pi), st.floats(-1, 1), st.floats(-1, 1))
def test_round_trip_of_any_panorama(height, width, horizontal, vertical, turn, tilt):
    longitude = turn * math.pi
    latitude = tilt * (math.pi - vertical) / 2
    assert_round_trip(
        Equirectangular(
            height,
            width,
            longitude - horizontal / 2,
            longitude + horizontal / 2,
            max(latitude - vertical / 2, -math.pi / 2),
            min(latitude + vertical / 2, math.pi / 2),
        )
    )


@settings(deadline=None, max_examples=60)
@given(sizes, sizes, st.floats(0.05, 3.0), st.floats(-2, 3), st.floats(-2, 3))
def test_round_trip_of_any_pinhole(height, width, fov, cx, cy):
    focal = Pinhole.from_fov(height, width, fov).fx
    assert_round_trip(Pinhole(height, width, focal, 1.3 * focal, cx * width, cy * height))


def test_float32_round_trip_stays_within_a_thousandth_of_a_pixel(camera):
    u, v = camera.project(camera.rays())
    expected_u, expected_v = pixel_centres(camera.height, camera.width)
    assert (u - expected_u).abs().max() < 1e-3
    assert (v - expected_v).abs().max() < 1e-3


def test_rays_have_unit_length(camera):
    torch.testing.assert_close(camera.rays().norm(dim=-1), torch.ones(camera.height, camera.width))


def test_unproject_then_project_returns_the_pixel_and_the_range(camera):
    generator = torch.Generator().manual_seed(3)
    size = (camera.height, camera.width)
    depth = 0.5 + 9 * torch.rand(size, generator=generator, dtype=torch.float64)
    points = camera.unproject(depth)
    u, v = camera.project(points)
    expected_u, expected_v = pixel_centres(*size, dtype=torch.float64)
    torch.testing.assert_close(points.norm(dim=-1), depth)
    torch.testing.assert_close(u, expected_u, atol=1e-6 * camera.width, rtol=0)
    torch.testing.assert_close(v, expected_v, atol=1e-6 * camera.height, rtol=0)


@pytest.mark.parametrize("camera", [NARROW, PINHOLE], ids=["panorama", "pinhole"])
def test_range_to_z_and_back(camera):
    depth = torch.linspace(0.1, 80, camera.height * camera.width, dtype=torch.float64)
    depth = depth.reshape(camera.height, camera.width)
    z = camera.convert(depth, DepthKind.RANGE, DepthKind.Z)
    assert (z < depth).all()
    torch.testing.assert_close(camera.convert(z, DepthKind.Z, DepthKind.RANGE), depth)
    points = camera.unproject(z, DepthKind.Z)
    torch.testing.assert_close(points[..., 2], z)
    torch.testing.assert_close(camera.unproject(depth), points)
    assert camera.convert(depth, DepthKind.RANGE, DepthKind.RANGE) is depth


@pytest.mark.parametrize("camera", [FULL, PARTIAL, SEAM_CROP], ids=["full", "partial", "behind"])
def test_z_is_refused_where_it_is_undefined(camera):
    depth = torch.ones(camera.height, camera.width)
    with pytest.raises(ValueError, match="use range"):
        camera.convert(depth, DepthKind.RANGE, DepthKind.Z)
    with pytest.raises(ValueError, match="use range"):
        camera.unproject(depth, DepthKind.Z)


def test_resize_keeps_the_view(camera):
    larger = camera.resize(3 * camera.height, 3 * camera.width)
    torch.testing.assert_close(larger.rays()[1::3, 1::3], camera.rays())
    torch.testing.assert_close(camera.rays(larger.height, larger.width), larger.rays())
    assert larger.resize(camera.height, camera.width).horizontal_fov == pytest.approx(
        camera.horizontal_fov
    )


def test_crop_keeps_the_rays(camera):
    part = camera.crop(3, 5, 10, 12)
    torch.testing.assert_close(part.rays(), camera.rays()[3:13, 5:17], atol=1e-6, rtol=0)


def test_crop_then_resize_equals_resize_then_crop(camera):
    one = camera.crop(2, 4, 10, 12).resize(20, 24)
    other = camera.resize(2 * camera.height, 2 * camera.width).crop(4, 8, 20, 24)
    torch.testing.assert_close(one.rays(), other.rays(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "rectangle", [(-1, 0, 5, 5), (0, -1, 5, 5), (0, 0, 500, 5), (80, 0, 30, 5)]
)
def test_crop_outside_is_refused(camera, rectangle):
    with pytest.raises(ValueError, match="leaves the"):
        camera.crop(*rectangle)


def test_partial_panorama_has_no_seam_to_cross():
    with pytest.raises(ValueError, match="leaves the"):
        PARTIAL.crop(0, 50, 10, 20)


def test_wrong_grid_is_refused(camera):
    with pytest.raises(ValueError, match="camera grid is"):
        camera.unproject(torch.ones(3, 4))


def test_rays_are_kept_and_usable_in_training():
    fresh = Equirectangular(7, 13)
    with torch.inference_mode():
        rays = fresh.rays()
    assert not rays.is_inference()
    assert fresh.rays() is rays
    depth = torch.ones(7, 13, requires_grad=True)
    fresh.unproject(depth).sum().backward()
    torch.testing.assert_close(depth.grad, rays.sum(-1))


@pytest.mark.parametrize("size", [(0, 4), (4, 0), (-1, 4)])
def test_sizes_must_be_positive(size):
    with pytest.raises(ValueError, match="must be positive"):
        Equirectangular(*size)
    with pytest.raises(ValueError, match="must be positive"):
        Pinhole(*size, 1.0, 1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="must be positive"):
        FULL.rays(*size)


@pytest.mark.parametrize("camera", [Equirectangular(600, 7), Pinhole.from_fov(513, 5, 1.0)])
def test_rays_of_high_images_have_no_joints(camera: Camera) -> None:
    u, v = pixel_centres(camera.height, camera.width, dtype=torch.float64)
    assert torch.equal(camera.rays(dtype=torch.float64), camera.directions(u, v))
    assert camera.rays() is camera.rays()


def test_few_large_ray_maps_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depth_perception.geometry.camera._LARGE_GRID_PX", 100)
    first = weakref.ref(Equirectangular(10, 11).rays())
    assert first() is not None
    for width in (12, 13):
        Equirectangular(10, width).rays()
    assert first() is None
