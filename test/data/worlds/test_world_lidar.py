"""The simulated lidar."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.data.worlds import make_world, render
from depth_perception.data.worlds.lidar import Lidar, scan
from depth_perception.geometry import Equirectangular

BODY = torch.tensor([[0.0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]).double()


def test_points_lie_on_what_the_camera_sees() -> None:
    world = make_world("room", 3)
    pose = world.pose(0.5)
    points = scan(world, Lidar(columns=90, noise_m=0.0), pose @ BODY)
    optical = points.double() @ BODY[:3, :3].T
    camera = Equirectangular(96, 192)
    truth = render(world, camera, pose, shadows=False).range_m
    u, v = camera.project(optical)
    seen = truth[v.long(), u.long()]
    off = (optical.norm(dim=-1) / seen - 1).abs()
    assert len(points) > 1000
    assert off.median() < 0.01


def test_beams_outliers_and_limits() -> None:
    world, lidar = make_world("room", 3), Lidar(beams=4, columns=50, noise_m=0.0, outliers=0.3)
    pose = world.pose(0.5) @ BODY
    rays = lidar.directions()
    assert rays.shape == (200, 3)
    torch.testing.assert_close(rays.norm(dim=-1), torch.ones(200))
    assert float(rays[:, 2].asin().min()) == pytest.approx(math.radians(-15), abs=1e-5)
    clean = scan(world, Lidar(beams=4, columns=50, noise_m=0.0), pose)
    wrong = scan(world, lidar, pose, seed=1)
    assert len(clean) == len(wrong) == 200  # a closed room
    share = ((clean - wrong).norm(dim=-1) > 1e-3).float().mean()
    assert 0.2 < share < 0.4
    torch.testing.assert_close(wrong, scan(world, lidar, pose, seed=1))
    assert not torch.equal(wrong, scan(world, lidar, pose, seed=2))
    near = scan(world, Lidar(beams=4, columns=50, noise_m=0.0, range_max_m=1.0), pose)
    assert len(near) < 200
    assert near.norm(dim=-1).max() <= 1.0


def test_bad_lidars_are_refused() -> None:
    with pytest.raises(ValueError, match="beams"):
        Lidar(beams=0)
    with pytest.raises(ValueError, match="outliers"):
        Lidar(outliers=1.5)
    with pytest.raises(ValueError, match="elevation"):
        Lidar(elevation_min=0.5)
