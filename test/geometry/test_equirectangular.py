"""The equirectangular camera."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.geometry import Equirectangular

FULL = Equirectangular(32, 64)


def test_axes():
    def see(u, v):
        return FULL.directions(torch.tensor(u).double(), torch.tensor(v).double()).tolist()

    assert see(32.0, 16.0) == pytest.approx([0, 0, 1], abs=1e-9)  # the centre looks forward
    assert see(48.0, 16.0) == pytest.approx([1, 0, 0], abs=1e-9)  # right of it is right
    assert see(32.0, 32.0) == pytest.approx([0, 1, 0], abs=1e-9)  # the bottom is down
    assert see(0.0, 16.0) == pytest.approx([0, 0, -1], abs=1e-9)  # the borders are behind


def test_pixels_are_half_a_pixel_from_the_border():
    rays = FULL.rays(dtype=torch.float64)
    step = 2 * math.pi / 64
    first = torch.atan2(rays[16, 0, 0], rays[16, 0, 2]).item()
    assert first == pytest.approx(-math.pi + step / 2)
    assert torch.asin(rays[0, 0, 1]).item() == pytest.approx(-math.pi / 2 + step / 2)


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        (FULL, 4 * math.pi),
        (Equirectangular(7, 11), 4 * math.pi),
        (Equirectangular.partial(30, 30, math.pi / 2, math.pi / 3), math.pi / 2),
    ],
)
def test_solid_angles(camera, expected):
    angles = camera.solid_angles(dtype=torch.float64)
    assert angles.shape == (camera.height, 1)
    assert angles.sum().item() * camera.width == pytest.approx(expected, rel=1e-12)


def test_solid_angles_of_parts_add_up():
    left, right = FULL.crop(0, 0, 32, 24), FULL.crop(0, 24, 32, 40)
    total = sum(part.solid_angles().sum().item() * part.width for part in (left, right))
    assert total == pytest.approx(4 * math.pi, rel=1e-6)


def test_left_and_right_border_are_neighbours():
    rays = FULL.rays(dtype=torch.float64)
    inside = (rays[16, 10] - rays[16, 11]).norm()
    across = (rays[16, 0] - rays[16, -1]).norm()
    torch.testing.assert_close(inside, across)


@pytest.mark.parametrize("longitude", [-math.pi, math.pi, math.nextafter(math.pi, 4), 3 * math.pi])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_of_a_full_turn_lie_in_the_image(longitude, dtype):
    angle = torch.tensor(longitude, dtype=dtype)
    for offset in (-1e-7, 0.0, 1e-7):
        point = torch.stack((torch.sin(angle + offset), 0 * angle, torch.cos(angle + offset)))
        u, _ = FULL.project(point)
        assert 0 <= u < 64


def test_crop_across_the_seam_projects_into_itself():
    crop = FULL.crop(0, 60, 32, 8)
    u, v = crop.project(FULL.rays()[10, [60, 63, 0, 3]])
    torch.testing.assert_close(u, torch.tensor([0.5, 3.5, 4.5, 7.5]), atol=1e-4, rtol=0)
    torch.testing.assert_close(v, torch.full((4,), 10.5), atol=1e-4, rtol=0)


def test_a_point_outside_a_partial_view_projects_outside_the_image():
    camera = Equirectangular.partial(20, 40, math.pi / 2, math.pi / 4)
    u, v = camera.project(torch.tensor([[1.0, 0.0, 0.1], [0.0, 1.0, 0.1], [-1.0, 0.0, -1.0]]))
    assert u[0] > 40
    assert v[1] > 20
    assert u[2] < 0


def test_the_camera_centre_projects_nowhere():
    u, v = FULL.project(torch.zeros(2, 3))
    assert u.isnan().all()
    assert v.isnan().all()


def test_what_is_full():
    assert FULL.is_full_turn
    assert FULL.is_full_turn
    belt = FULL.crop(8, 0, 16, 64)
    assert belt.is_full_turn
    assert belt.is_full_turn
    assert not FULL.crop(0, 0, 32, 63).is_full_turn


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((1.0, 1.0, -1.0, 1.0), "longitude_max - longitude_min"),
        ((-4.0, 4.0, -1.0, 1.0), "longitude_max - longitude_min"),
        ((-1.0, 1.0, 0.5, -0.5), "latitudes must satisfy"),
        ((-1.0, 1.0, -2.0, 0.0), "latitudes must satisfy"),
        ((-1.0, math.nan, -1.0, 1.0), "longitude_max - longitude_min"),
        ((-1.0, 1.0, -1.0, math.nan), "latitudes must satisfy"),
        ((-math.inf, 1.0, -1.0, 1.0), "longitude_max - longitude_min"),
    ],
)
def test_impossible_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        Equirectangular(10, 20, *bounds)
