"""Warping one view of a stereo pair into the other: closed forms, gradients, symmetries."""

from __future__ import annotations

import math

import pytest
import torch
from published.stereo import occluded, warp_range

from depth_perception.geometry import Equirectangular
from depth_perception.geometry.stereo import RIGHT, UP, RectilinearStereo, SphericalStereo

TURNED = (0.6, 0.0, -0.8)


def texture(points):
    """Smooth colours (..., 3) of points in space."""
    x, y, z = points.unbind(-1)
    waves = (2 * x + y, z - 1.5 * y + x * z, x * y + 2 * z)
    return torch.stack([0.5 + 0.4 * torch.sin(w) for w in waves], -1)


def inside_a_sphere(camera, position, radius=2.0, centre=(0.3, -0.2, 0.4)):
    """Picture (1, 3, H, W) and range (1, 1, H, W) of a camera in a painted sphere, float64.

    The range solves |position + r d - centre| = radius.
    """
    rays = camera.rays(dtype=torch.float64)
    offset = torch.tensor(position, dtype=torch.float64) - torch.tensor(centre, dtype=torch.float64)
    half = rays @ offset
    range_m = -half + (half.square() - offset.square().sum() + radius**2).sqrt()
    colours = texture(offset + rays * range_m[..., None])
    return colours.permute(2, 0, 1)[None], range_m[None, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("direction", [RIGHT, UP, TURNED])
def test_no_disparity_is_the_identity(direction, dtype):
    image = torch.rand(2, 3, 32, 64, dtype=dtype)
    for camera in (Equirectangular(32, 64), Equirectangular.partial(32, 64, 1.44, 0.72)):
        pair = SphericalStereo(camera, direction)
        warped = pair.warp(image, torch.zeros(2, 1, 32, 64, dtype=dtype))
        tolerance = 1e-4 if dtype == torch.float32 else 1e-12
        torch.testing.assert_close(warped.image, image, atol=tolerance, rtol=0)
        assert warped.valid.all()
    assert warped.image.dtype == dtype


def test_half_precision_keeps_its_type_but_not_its_geometry():
    image = torch.rand(1, 3, 64, 128).half()
    pair = SphericalStereo(Equirectangular(64, 128))
    warped = pair.warp(image, torch.zeros(1, 1, 64, 128).half()).image
    assert warped.dtype == torch.float16
    torch.testing.assert_close(warped, image, atol=2e-3, rtol=0)


@pytest.mark.parametrize("direction", [RIGHT, UP, TURNED])
def test_a_painted_sphere_is_reproduced(direction):
    baseline = 0.26
    camera = Equirectangular(128, 256)
    here, range_here = inside_a_sphere(camera, (0.0, 0.0, 0.0))
    other, range_other = inside_a_sphere(camera, tuple(baseline * c for c in direction))
    unwarped = (other - here).abs().mean()
    pair = SphericalStereo(camera, direction)
    warped = pair.warp(other, pair.range(range_here, baseline))
    error = (warped.image - here).abs()
    assert warped.valid.all()
    assert error.mean() < 2e-4 < 0.01 * unwarped
    assert error.max() < 5e-3
    torch.testing.assert_close(warp_range(pair, other, range_here, baseline).image, warped.image)

    # The disparity that the other view must have is the one it has.
    own = pair.swapped.range(range_other, baseline)
    there = pair.warp(own, pair.range(range_here, baseline))
    torch.testing.assert_close(there.image, there.disparity, atol=1e-5, rtol=2e-3)

    # And back.
    back = pair.swapped.warp(here, own)
    assert (back.image - other).abs().mean() < 2e-4


def test_the_error_shrinks_with_the_pixels():
    errors = []
    for height in (32, 64, 128):
        camera = Equirectangular(height, 2 * height)
        here, range_m = inside_a_sphere(camera, (0.0, 0.0, 0.0))
        other, _ = inside_a_sphere(camera, (0.26, 0.0, 0.0))
        warped = warp_range(SphericalStereo(camera), other, range_m, 0.26).image
        errors.append(float((warped - here).abs().mean()))
    assert errors[1] < 0.35 * errors[0]
    assert errors[2] < 0.35 * errors[1]


def test_a_partial_panorama_knows_what_it_does_not_see():
    camera = Equirectangular.partial(64, 128, math.radians(120), math.radians(60))
    here, range_m = inside_a_sphere(camera, (0.0, 0.0, 0.0))
    other, _ = inside_a_sphere(camera, (0.26, 0.0, 0.0))
    warped = warp_range(SphericalStereo(camera), other, range_m, 0.26)
    assert 0.8 < warped.valid.float().mean() < 0.98
    inner = warped.valid.clone()
    inner[..., 0, :] = inner[..., -1, :] = False
    assert ((warped.image - here).abs() * inner).max() < 0.02
    assert not warped.valid[..., 32, 0]  # the left end left the other view


@pytest.mark.parametrize("direction", [RIGHT, UP])
def test_points_move_against_the_camera(direction):
    """Straight ahead: left in the right view, down in the view from above; see 3D60."""
    camera = Equirectangular(64, 128)
    pair = SphericalStereo(camera, direction)
    u, v, _, ratio = pair.positions(torch.full((1, 1, 64, 128), 0.1))
    ahead = (0, 32, 64)
    assert float(ratio[ahead]) == pytest.approx(math.hypot(1, 0.1), abs=1e-2)
    moved = (float(u[ahead]) - 64.5, float(v[ahead]) - 32.5)
    pixels = math.atan(0.1) * 64 / math.pi
    expected = (-pixels, 0) if direction == RIGHT else (0, pixels)
    assert moved == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("direction", [RIGHT, UP, TURNED])
def test_gradients(direction):
    generator = torch.Generator().manual_seed(3)
    pair = SphericalStereo(Equirectangular(6, 10), direction)

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    image = rand(2, 2, 6, 10).requires_grad_()
    disparity = (0.02 + 0.1 * rand(2, 1, 6, 10)).requires_grad_()

    def run(a, b):
        warped = pair.warp(a, b)
        return warped.image, warped.disparity

    assert torch.autograd.gradcheck(run, (image, disparity), eps=1e-7, atol=1e-5)
    range_m = (1 + rand(2, 1, 6, 10)).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda a, r: warp_range(pair, a, r, 0.3).image, (image, range_m), eps=1e-7, atol=1e-5
    )


def test_gradients_of_a_rectilinear_pair():
    image = torch.rand(1, 2, 3, 9, dtype=torch.float64, requires_grad=True)
    disparity = (0.02 + 0.2 * torch.rand(1, 1, 3, 9, dtype=torch.float64)).requires_grad_()
    for pair in (RectilinearStereo(), RectilinearStereo(False)):
        assert torch.autograd.gradcheck(
            lambda a, d, pair=pair: pair.warp(a, d).image, (image, disparity), eps=1e-7, atol=1e-5
        )


@pytest.mark.parametrize("direction", [RIGHT, UP, TURNED])
@pytest.mark.parametrize("columns", [1, 13, -20])
def test_rolling_the_input_rolls_the_output(direction, columns):
    image = torch.rand(1, 3, 16, 32, dtype=torch.float64)
    disparity = 0.1 * torch.rand(1, 1, 16, 32, dtype=torch.float64)
    pair = SphericalStereo(Equirectangular(16, 32), direction)
    warped = pair.warp(image, disparity)
    rolled = pair.rolled(columns).warp(image.roll(columns, -1), disparity.roll(columns, -1))
    torch.testing.assert_close(rolled.image, warped.image.roll(columns, -1))
    torch.testing.assert_close(rolled.disparity, warped.disparity.roll(columns, -1))
    if direction == UP:
        assert pair.rolled(columns).direction == pytest.approx(UP)


def test_mirroring_and_swapping_mirrors_the_warp():
    image = torch.rand(1, 3, 16, 32, dtype=torch.float64)
    disparity = 0.1 * torch.rand(1, 1, 16, 32, dtype=torch.float64)
    for pair in (SphericalStereo(Equirectangular(16, 32)), RectilinearStereo()):
        warped = pair.warp(image, disparity).image
        mirrored = pair.swapped.warp(image.flip(-1), disparity.flip(-1)).image
        torch.testing.assert_close(mirrored.flip(-1), warped)


def test_range_and_disparity_are_inverse():
    pair = SphericalStereo(Equirectangular(4, 8))
    range_m = 0.5 + 10 * torch.rand(1, 1, 4, 8)
    torch.testing.assert_close(pair.range(pair.range(range_m, 0.26), 0.26), range_m)
    assert float(pair.range(torch.tensor(1.0), 0.26)) == pytest.approx(0.26 / (2 * math.pi))


def test_unknown_ranges_are_not_valid_and_give_no_gradient():
    pair = SphericalStereo(Equirectangular(4, 8))
    range_m = torch.full((1, 1, 4, 8), 2.0)
    range_m[0, 0, 0, :3] = torch.tensor([0.0, -1.0, math.nan])
    range_m[0, 0, 1, 0] = math.inf
    range_m.requires_grad_()
    image = torch.rand(1, 3, 4, 8)
    warped = warp_range(pair, image, range_m, 0.26)
    assert (~warped.valid).nonzero()[:, 2:].tolist() == [[0, 0], [0, 1], [0, 2]]
    torch.testing.assert_close(warped.image[0, :, 1, 0], image[0, :, 1, 0], atol=1e-5, rtol=0)
    (warped.image.sum() + warped.disparity.sum()).backward()
    assert torch.isfinite(range_m.grad).all()


def test_a_point_at_the_other_camera_has_finite_gradients():
    """At the epipole with the range of the baseline the direction is undefined."""
    pair = SphericalStereo(Equirectangular(5, 6))
    disparity = torch.full((1, 1, 5, 6), 1 / (2 * math.pi), requires_grad=True)
    warped = pair.warp(torch.rand(1, 1, 5, 6), disparity)
    (warped.image.sum() + warped.disparity.sum()).backward()
    assert torch.isfinite(disparity.grad).all()
    assert not warped.valid.all()


def test_occlusion_behind_a_near_stripe():
    camera = Equirectangular(32, 64)
    spherical = SphericalStereo(camera)
    far = spherical.range(torch.full((1, 1, 32, 64), 10.0), 0.5)
    assert not occluded(spherical, far, far).any()
    near = far.clone()
    near[..., 30:34] = spherical.range(torch.tensor(1.0), 0.5)
    hidden = occluded(spherical, far, near)
    assert hidden[0, 0, 16, 30:33].all()
    assert hidden.float().mean() < 0.1


def test_weights_and_sensitivity():
    pair = SphericalStereo(Equirectangular(32, 64), UP)
    like = torch.zeros((), dtype=torch.float64)
    assert float(pair.weights(like).sum() * 64) == pytest.approx(4 * math.pi)
    rows = pair.sensitivity(like)[:, 0]
    latitude = (torch.arange(32, dtype=torch.float64) + 0.5) / 32 * math.pi - math.pi / 2
    torch.testing.assert_close(rows, latitude.cos())
    assert RectilinearStereo().weights(like) is None
    assert RectilinearStereo().sensitivity(like) is None


def test_a_shift_of_whole_pixels():
    image = torch.rand(1, 1, 4, 8)
    warped = RectilinearStereo().warp(image, torch.full((1, 1, 4, 8), 2 / 8))
    torch.testing.assert_close(warped.image[..., 2:], image[..., :-2])
    assert warped.valid[0, 0, 0].tolist() == [False] * 2 + [True] * 6


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="unit vector"):
        SphericalStereo(Equirectangular(4, 8), (1.0, 1.0, 0.0))
    with pytest.raises(ValueError, match=r"\(2, 4\)|4, 8"):
        SphericalStereo(Equirectangular(4, 8)).warp(torch.rand(1, 3, 4, 8), torch.rand(1, 1, 2, 4))
    with pytest.raises(ValueError, match="full turn"):
        SphericalStereo(Equirectangular.partial(4, 8, 1.0, 0.5)).rolled(1)
