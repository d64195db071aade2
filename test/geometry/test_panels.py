"""Pinhole panels cut out of panoramas."""

from __future__ import annotations

import math

import pytest
import torch
from published.panel_rings import ring

from depth_perception.geometry import (
    DepthKind,
    Equirectangular,
    Panel,
    Pinhole,
    SamplingGrid,
    pixel_centres,
)

PANORAMA = Equirectangular(512, 1024)
FRONT = Panel("front", 0.0, 0.0, math.radians(90), 60, 80)
TILTED = Panel("tilted", math.radians(140), math.radians(-35), math.radians(75), 48, 64)
PANELS = [FRONT, TILTED, Panel("up", 0.3, math.radians(85), math.radians(100), 40, 40)]


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_sphere_around_the_camera(panel, mode):
    z = panel.cut_depth(torch.full((512, 1024), 3.0), PANORAMA, mode=mode)
    points = panel.camera.unproject(z, DepthKind.Z)
    torch.testing.assert_close(points.norm(dim=-1), torch.full_like(z, 3.0), atol=1e-4, rtol=0)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
def test_plane_in_any_direction(panel):
    normal = panel.rotation.float() @ torch.tensor([0.3, -0.2, 0.9])  # 5 m ahead of the panel
    ranges = 5.0 / (PANORAMA.rays() @ normal)
    ranges = torch.where(ranges > 0, ranges, torch.nan)
    z = panel.cut_depth(ranges, PANORAMA, mode="bilinear")
    expected = 5.0 / (panel.camera.rays() @ torch.tensor([0.3, -0.2, 0.9]))
    expected = panel.camera.convert(expected, DepthKind.RANGE, DepthKind.Z)
    seen = torch.isfinite(z)
    assert seen.float().mean() > 0.95
    assert ((z - expected).abs() / expected)[seen].max() < 1e-4


def test_nearest_depth_keeps_the_range_of_the_pixel_below():
    ranges = 1 + torch.rand(512, 1024, generator=torch.Generator().manual_seed(2))
    z = TILTED.cut_depth(ranges, PANORAMA)
    distance = TILTED.camera.convert(z, DepthKind.Z, DepthKind.RANGE)
    directions = TILTED.camera.rays() @ TILTED.rotation.float().T
    u, v = PANORAMA.project(directions)
    torch.testing.assert_close(distance, ranges[v.long(), u.long()], atol=1e-5, rtol=0)


def test_bilinear_depth_invents_nothing_between_two_surfaces():
    ranges = torch.full((512, 1024), 2.0)
    ranges[:, 512:] = 8.0
    ranges[:200] = torch.nan
    z = FRONT.cut_depth(ranges, PANORAMA, mode="bilinear")
    distance = FRONT.camera.convert(z, DepthKind.Z, DepthKind.RANGE)
    known = distance[torch.isfinite(distance)]
    assert ((known - 2).abs() < 1e-4).logical_or((known - 8).abs() < 1e-4).all()
    assert torch.isfinite(distance).any()
    assert torch.isnan(distance[0]).all()


def test_image_lands_where_the_camera_projects_it():
    """A picture that shows its own direction must show the panel's directions."""
    rays = PANORAMA.rays().permute(2, 0, 1)
    for panel in PANELS:
        picture = panel.cut_image(rays, PANORAMA)
        seen = torch.nn.functional.normalize(picture, dim=0).permute(1, 2, 0)
        back = seen @ panel.rotation.float()
        u, v = panel.camera.project(back)
        expected_u, expected_v = pixel_centres(panel.height, panel.width)
        error = torch.hypot(u - expected_u, v - expected_v)
        assert error.median() < 0.01
        assert error.quantile(0.98) < 0.05


def test_panel_across_the_seam_equals_the_rolled_panorama():
    image = torch.rand(3, 512, 1024, generator=torch.Generator().manual_seed(3))
    back = Panel("back", math.pi, 0.1, 1.2, 30, 40).cut_image(image, PANORAMA)
    front = Panel("front", 0.0, 0.1, 1.2, 30, 40).cut_image(image.roll(512, -1), PANORAMA)
    torch.testing.assert_close(back, front, atol=1e-3, rtol=0)


def test_partial_panorama_leaves_the_rest_unknown():
    partial = Equirectangular.partial(100, 200, math.radians(100), math.radians(50))
    panel = Panel("wide", 0.0, 0.0, math.radians(120), 60, 80)
    grid = panel.grid(partial)
    picture = panel.cut_image(torch.full((3, 100, 200), 255, dtype=torch.uint8), partial)
    depth = panel.cut_depth(torch.full((100, 200), 2.0), partial)
    assert 0.1 < grid.valid.float().mean() < 0.9
    assert torch.equal(picture[0] > 0, grid.valid)
    assert torch.equal(torch.isfinite(depth), grid.valid)


def test_z_depth_of_a_pinhole_can_be_cut_too():
    source = Pinhole.from_fov(120, 160, math.radians(100))
    panel = Panel("left", math.radians(-20), 0.0, math.radians(30), 20, 30)
    wall = panel.cut_depth(torch.full((120, 160), 4.0), source, DepthKind.Z, "bilinear")
    points = panel.camera.unproject(wall, DepthKind.Z) @ panel.rotation.float().T
    assert torch.isfinite(wall).all()
    torch.testing.assert_close(points[..., 2], torch.full_like(wall, 4.0), atol=2e-3, rtol=0)


def test_intrinsics_are_exact():
    camera = FRONT.camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((40, 40, 40, 30))


def test_grids_are_kept():
    assert FRONT.grid(PANORAMA) is Panel("front", 0, 0, math.radians(90), 60, 80).grid(PANORAMA)
    assert isinstance(FRONT.grid(PANORAMA), SamplingGrid)


def test_ring_looks_all_around():
    names = [panel.name for panel in ring(4, 1.6, 10, 10)]
    assert names == ["front", "right", "back", "left"]
    forward = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    right = ring(4, 1.6, 10, 10)[1]
    assert (right.rotation @ forward).tolist() == pytest.approx([1, 0, 0], abs=1e-9)
    assert [panel.name for panel in ring(3, 1.6, 10, 10)] == ["panel_0", "panel_1", "panel_2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("p", math.nan, 0.0, 1.0, 4, 4), "must be finite"),
        (("p", 0.0, 0.0, math.pi, 4, 4), "horizontal_fov"),
        (("p", 0.0, 0.0, 1.0, 0, 4), "must be positive"),
    ],
)
def test_impossible_panels_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Panel(*arguments)


def test_wrong_use_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        ring(0, 1.0, 4, 4)
    with pytest.raises(ValueError, match="'nearest' or 'bilinear'"):
        FRONT.cut_depth(torch.ones(512, 1024), PANORAMA, mode="cubic")
    with pytest.raises(ValueError, match="camera grid is"):
        FRONT.cut_depth(torch.ones(5, 5), PANORAMA)
