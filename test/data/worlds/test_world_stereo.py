"""Views of one place from three viewpoints."""

from __future__ import annotations

import pytest
import torch

from depth_perception.data.worlds import make_world
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.data.worlds.stereo import Triplet, render_triplet
from depth_perception.geometry import Equirectangular

CAMERA = Equirectangular(48, 96)


@pytest.fixture(scope="module")
def triplet() -> Triplet:
    world = make_world("room", 3)
    triplet = render_triplet(world, CAMERA, frame_pose(world, 0, 2), 0.2)
    assert triplet is not None
    return triplet


@pytest.mark.parametrize(("name", "offset"), [("right", (0.2, 0, 0)), ("up", (0, -0.2, 0))])
def test_a_surface_lies_at_the_same_place_in_both_views(triplet, name, offset) -> None:
    other = getattr(triplet, name)
    points = triplet.centre.range_m[..., None] * CAMERA.rays() - torch.tensor(offset)
    u, v = (pixels.long() for pixels in CAMERA.project(points))
    u, v = u.remainder(CAMERA.width), v.clamp(0, CAMERA.height - 1)
    expected = points.norm(dim=-1)
    error = (other.range_m[v, u] / expected - 1).abs().quantile(0.8)
    unmoved = (other.range_m / triplet.centre.range_m - 1).abs().quantile(0.8)
    assert error < unmoved / 3  # pixels are not met in their centres
    assert unmoved > 0.04


def test_views_share_an_orientation(triplet) -> None:
    for view in (triplet.right, triplet.up):
        assert torch.equal(view.pose[:3, :3], triplet.centre.pose[:3, :3])
        moved = (view.pose[:3, 3] - triplet.centre.pose[:3, 3]).norm()
        assert moved == pytest.approx(triplet.baseline_m)


def test_no_viewpoint_lies_behind_a_surface() -> None:
    world = make_world("room", 3)
    assert render_triplet(world, CAMERA, frame_pose(world, 0, 2), 8.0) is None
    with pytest.raises(ValueError, match="baseline_m"):
        render_triplet(world, CAMERA, frame_pose(world, 0, 2), 0.0)
