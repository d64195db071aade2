"""Stereo pairs as panoramas."""

from __future__ import annotations

import math

import pytest
import torch
from published.stereo import warp_range

from depth_perception.data.stereo import PanoramasOfPinholes, StereoFrame, as_panorama
from depth_perception.geometry import DepthKind, Equirectangular, Pinhole
from depth_perception.geometry.stereo import SphericalStereo


def wall(camera, x):
    """Picture and z-depth of a striped wall 3 m ahead, seen from ``x`` metres to the right."""
    points = 3 * camera.rays() / camera.rays()[..., 2:]
    stripes = torch.sin(4 * (points[..., 0] + x)) + torch.sin(3 * points[..., 1])
    gray = (127 + 60 * stripes).round().to(torch.uint8)
    return gray.expand(3, -1, -1), torch.full(gray.shape, 3.0)


def test_a_pinhole_pair_becomes_a_panorama_pair():
    pinhole = Pinhole.from_fov(120, 240, 1.4)
    left, depth = wall(pinhole, 0.0)
    right, _ = wall(pinhole, 0.5)
    frame = StereoFrame(left, right, depth, DepthKind.Z, pinhole, 0.5)
    camera = Equirectangular.partial(72, 144, 1.44, 0.72)
    pair = as_panorama(frame, camera)
    covered = pair.covered
    assert not covered[36, 0]
    assert 0.6 < covered.float().mean() < 1
    assert torch.equal(pair.depth_m > 0, covered)
    rays = camera.rays()
    expected = 3 / rays[..., 2]
    torch.testing.assert_close(pair.range_m[covered], expected[covered], atol=0.02, rtol=0)

    # The geometry of panoramas then holds.
    range_m = expected[None, None]
    both = torch.cat((pair.right.float(), covered[None].float()))[None]
    geometry = SphericalStereo(camera, pair.direction)
    warped = warp_range(geometry, both, range_m, pair.baseline_m)
    both = covered & warped.valid[0, 0] & (warped.image[0, 3] > 0.999)
    assert both.float().mean() > 0.4
    error = (warped.image[0, :3] - pair.left.float()).abs().mean(0)[both]
    assert error.mean() < 1.5  # of 255
    unwarped = (pair.right.float() - pair.left.float()).abs().mean(0)[both]
    assert unwarped.mean() > 20


def test_a_reader_gives_panoramas_of_twice_the_size():
    pinhole = Pinhole.from_fov(24, 48, 1.4)
    left, depth = wall(pinhole, 0.0)
    reader = [StereoFrame(left, left, depth, DepthKind.Z, pinhole, 0.5)]
    panoramas = PanoramasOfPinholes(reader, (82.5, 29.7), (16, 32))
    camera = Equirectangular.partial(32, 64, math.radians(82.5), math.radians(29.7))
    assert len(panoramas) == 1
    assert panoramas[0].camera == camera
    assert torch.equal(panoramas[0].left, as_panorama(reader[0], camera).left)
    assert panoramas[0].baseline_m == 0.5


def test_range_of_a_pinhole_frame():
    camera = Pinhole.from_fov(4, 8, math.pi / 2)
    picture = torch.zeros(3, 4, 8, dtype=torch.uint8)
    frame = StereoFrame(picture, picture, torch.ones(4, 8), DepthKind.Z, camera, 0.5)
    torch.testing.assert_close(frame.range_m, 1 / camera.rays()[..., 2])
    assert frame.rgb is frame.left
    assert frame.direction == pytest.approx((1, 0, 0))
