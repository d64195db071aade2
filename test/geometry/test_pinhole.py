"""The pinhole camera."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.geometry import DepthKind, Pinhole

CAMERA = Pinhole(48, 64, 50.0, 55.0, 30.0, 26.0)


def test_from_fov_sees_that_angle():
    camera = Pinhole.from_fov(100, 200, math.pi / 2)
    assert camera.fx == camera.fy == pytest.approx(100)
    assert camera.horizontal_fov == pytest.approx(math.pi / 2)
    assert camera.vertical_fov == pytest.approx(2 * math.atan(0.5))


def test_k_matrix_has_its_first_pixel_centre_at_zero():
    camera = Pinhole.from_k(10, 20, [7.0, 0, 9.5, 0, 8.0, 4.5, 0, 0, 1])
    assert (camera.cx, camera.cy) == (10.0, 5.0)
    assert camera.to_k() == [7.0, 0, 9.5, 0, 8.0, 4.5, 0, 0, 1]


def test_k_projects_as_opencv_does():
    point = torch.tensor([0.3, -0.2, 2.0], dtype=torch.float64)
    u, v = CAMERA.project(point)
    k = torch.tensor(CAMERA.to_k(), dtype=torch.float64).reshape(3, 3)
    expected = k @ point
    assert u.item() == pytest.approx((expected[0] / expected[2]).item() + 0.5)
    assert v.item() == pytest.approx((expected[1] / expected[2]).item() + 0.5)


def test_points_behind_project_nowhere():
    u, v = CAMERA.project(torch.tensor([[0.0, 0.0, -1.0], [1.0, 1.0, 0.0]]))
    assert u.isnan().all()
    assert v.isnan().all()


def test_a_wall_of_constant_z_is_flat():
    points = CAMERA.unproject(torch.full((48, 64), 4.0), DepthKind.Z)
    torch.testing.assert_close(points[..., 2], torch.full((48, 64), 4.0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Pinhole(4, 4, 0.0, 1.0, 2.0, 2.0), "focal lengths"),
        (lambda: Pinhole(4, 4, 1.0, math.inf, 2.0, 2.0), "focal lengths"),
        (lambda: Pinhole(4, 4, 1.0, 1.0, math.nan, 2.0), "principal point"),
        (lambda: Pinhole.from_fov(4, 4, math.pi), "horizontal_fov"),
        (lambda: Pinhole.from_k(4, 4, [1.0, 2.0]), "9 row-major"),
    ],
)
def test_impossible_intrinsics_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
