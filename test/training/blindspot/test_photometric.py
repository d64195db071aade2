"""Self-supervised stereo losses against the originals and their symmetries."""

from __future__ import annotations

import math

import pytest
import torch
from golden.blindspot_reference import case
from published.blindspot_published import (
    PORT,
    TENSORFLOW,
    CompatEquirectangular,
    CompatRectilinear,
)

from depth_perception.geometry import Equirectangular
from depth_perception.geometry.stereo import RIGHT, UP, RectilinearStereo, SphericalStereo
from depth_perception.training.blindspot.photometric import (
    PhotometricOptions,
    smoothness,
    ssim_dissimilarity,
    stereo_loss,
)

HALVES = 0.5 ** torch.arange(4)


def inputs(golden):
    arrays = golden.arrays
    disparities = [arrays[f"in_disp_s{i}"].clone().requires_grad_() for i in range(4)]
    return arrays["in_left"], arrays["in_right"], disparities


def loose(prefix):
    """Another processor may round a row of the equirectangular sampler the other way."""
    return 2e-3 if prefix == "out_erp_" else None


def check_sides(golden, loss, prefix):
    for name, side in (("left", loss.left), ("right", loss.right)):
        for key, value in (
            ("l1", side.l1),
            ("ssim", side.ssim),
            ("smooth", side.smoothness * HALVES),
            ("lr", side.consistency),
        ):
            golden.assert_close(value.detach(), f"{prefix}{key}_{name}", rtol=loose(prefix))


def test_the_port_is_repeated():
    golden = case("photometric-losses")
    left, right, disparities = inputs(golden)
    loss = stereo_loss(left, right, disparities, CompatRectilinear(), PORT)
    check_sides(golden, loss, "out_")
    golden.assert_close(loss.total.detach()[None], "out_total_left_only")


def test_the_port_with_both_sides_and_its_gradients():
    golden = case("photometric-losses")
    left, right, disparities = inputs(golden)
    options = PhotometricOptions(
        pyramid="nearest",
        ssim_border="cut",
        gradient_border="repeat",
        masked=False,
        solid_angle=False,
    )
    total = stereo_loss(left, right, disparities, CompatRectilinear(), options).total
    golden.assert_close(total.detach()[None], "out_total_both")
    total.backward()
    for i, disparity in enumerate(disparities):
        golden.assert_close(disparity.grad, f"out_grad_both_s{i}")


def test_maps_of_the_port():
    golden = case("photometric-losses")
    left, right, disparities = inputs(golden)
    disparity = [d.detach()[:, :1] for d in disparities]
    estimate = CompatRectilinear().warp(right, disparity[0]).image
    golden.assert_close(estimate, "out_left_est_s0")
    golden.assert_close(ssim_dissimilarity(estimate, left), "out_ssim_map_left_s0")
    golden.assert_close(left[..., ::4, ::4], "out_left_pyramid_s2")
    x, y = smoothness(disparity[1], left[..., ::2, ::2], "repeat")
    golden.assert_close(x + y, "out_smooth_map_left_s1")


@pytest.mark.parametrize(
    ("prefix", "pair"),
    [
        ("out_rect_", CompatRectilinear()),
        ("out_erp_", CompatEquirectangular(fov=math.radians(82.5))),
    ],
)
def test_the_tensorflow_original_is_repeated(prefix, pair):
    golden = case("photometric-losses-tf")
    left, right, disparities = inputs(case("photometric-losses"))
    loss = stereo_loss(left, right, disparities, pair, TENSORFLOW)
    check_sides(golden, loss, prefix)
    golden.assert_close(loss.total.detach()[None], f"{prefix}total", rtol=loose(prefix))


def test_area_pyramid():
    golden = case("photometric-losses-tf")
    left = case("photometric-losses").arrays["in_left"]
    for scale in (1, 2, 3):
        smaller = torch.nn.functional.interpolate(left, scale_factor=0.5**scale, mode="area")
        golden.assert_close(smaller, f"out_left_pyramid_area_s{scale}")


def scene(height=32, seed=0):
    """Random smooth pictures and disparities of three scales, float64."""
    generator = torch.Generator().manual_seed(seed)

    def smooth(channels, size):
        noise = torch.rand(1, channels, 4, 8, generator=generator, dtype=torch.float64)
        return torch.nn.functional.interpolate(noise, size=size, mode="bilinear")

    size = (height, 2 * height)
    disparities = [0.005 + 0.05 * smooth(2, (height >> i, 2 * height >> i)) for i in range(3)]
    return smooth(3, size), smooth(3, size), disparities


EVERYTHING = PhotometricOptions(epipoles=True, relative=True)


@pytest.mark.parametrize("options", [PhotometricOptions(), EVERYTHING])
@pytest.mark.parametrize("direction", [RIGHT, UP])
def test_rolling_the_pair_leaves_the_loss(direction, options):
    left, right, disparities = scene()
    pair = SphericalStereo(Equirectangular(32, 64), direction)
    loss = stereo_loss(left, right, disparities, pair, options)
    for columns in (4, 32, -20):  # whole pixels on every scale
        rolled = stereo_loss(
            left.roll(columns, -1),
            right.roll(columns, -1),
            [d.roll(columns >> i, -1) for i, d in enumerate(disparities)],
            pair.rolled(columns),
            options,
        )
        torch.testing.assert_close(rolled.total, loss.total)


@pytest.mark.parametrize("options", [PhotometricOptions(), EVERYTHING])
def test_mirroring_and_swapping_the_views_leaves_the_loss(options):
    left, right, disparities = scene()
    swapped = [d.flip(-1).flip(1) for d in disparities]
    for pair in (SphericalStereo(Equirectangular(32, 64)), RectilinearStereo()):
        loss = stereo_loss(left, right, disparities, pair, options)
        mirrored = stereo_loss(right.flip(-1), left.flip(-1), swapped, pair, options)
        torch.testing.assert_close(mirrored.total, loss.total)
        torch.testing.assert_close(mirrored.left.ssim, loss.right.ssim)


@pytest.mark.parametrize("direction", [RIGHT, UP])
def test_the_true_disparity_wins(direction):
    """In a painted sphere the truth has almost no loss, and disturbing it costs."""
    from geometry.test_stereo import inside_a_sphere

    camera, baseline = Equirectangular(64, 128), 0.26
    pair = SphericalStereo(camera, direction)
    left, range_left = inside_a_sphere(camera, (0.0, 0.0, 0.0))
    right, range_right = inside_a_sphere(camera, tuple(baseline * c for c in direction))
    truth = torch.cat([pair.range(r, baseline) for r in (range_left, range_right)], 1)
    losses = {
        factor: stereo_loss(left, right, [truth * factor], pair) for factor in (0.0, 0.8, 1.0, 1.2)
    }
    assert float(losses[1.0].left.l1) < 1e-3
    assert float(losses[1.0].left.consistency) < 1e-4
    assert losses[1.0].total == min(loss.total for loss in losses.values())
    assert losses[0.8].total < losses[0.0].total


@pytest.mark.parametrize("direction", [RIGHT, UP])
def test_descending_the_loss_finds_the_range(direction):
    """From a constant 3 m, without any truth, to the walls of a sphere of 2 m around (0.3, ..)."""
    from geometry.test_stereo import inside_a_sphere

    camera, baseline = Equirectangular(16, 32), 0.26
    pair = SphericalStereo(camera, direction)
    left, truth = inside_a_sphere(camera, (0.0, 0.0, 0.0))
    right, _ = inside_a_sphere(camera, tuple(baseline * c for c in direction))
    start = float(pair.range(torch.tensor(3.0), baseline))
    logs = torch.full((1, 2, 16, 32), math.log(start), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([logs], 0.08)

    def error():
        range_m = pair.range(logs.detach()[:, :1].exp(), baseline)
        weights = (pair.weights(range_m) * pair.sensitivity(range_m)).expand_as(truth)
        return float(((range_m - truth).abs() / truth * weights).sum() / weights.sum())

    before = error()
    for _ in range(40):
        optimizer.zero_grad()
        stereo_loss(left, right, [logs.exp()], pair).total.backward()
        optimizer.step()
    assert error() < 0.1 * before


def test_gradients_of_the_loss():
    left, right, disparities = scene(8)
    pair = SphericalStereo(Equirectangular(8, 16))
    options = PhotometricOptions(epipoles=True)

    def run(*maps):
        return stereo_loss(left, right, maps, pair, options).total

    maps = [d.clone().requires_grad_() for d in disparities[1:]]
    assert torch.autograd.gradcheck(run, maps, eps=1e-7, atol=1e-5, fast_mode=True)


def test_what_the_other_view_does_not_see_does_not_count():
    left, right, _ = scene()
    disparity = torch.full((1, 2, 32, 64), 0.25, dtype=torch.float64)
    spoiled = right.clone()
    spoiled[..., 48:] = 7  # never read with this disparity
    pair = RectilinearStereo()
    one, two = (stereo_loss(left, r, [disparity], pair) for r in (right, spoiled))
    torch.testing.assert_close(one.left.l1, two.left.l1)
    seen = left[..., 16:] - right[..., :48]
    torch.testing.assert_close(one.left.l1, seen.abs().mean()[None])


def test_what_the_pictures_do_not_cover_does_not_count():
    """Garbage beyond a pinhole view that was resampled to a panorama changes nothing."""
    left, right, disparities = scene()
    camera = Equirectangular.partial(32, 64, 1.4, 0.7)
    covered = torch.zeros(1, 1, 32, 64, dtype=torch.bool)
    covered[..., 4:-4, 8:-8] = True
    options = PhotometricOptions(smoothness=0)
    losses = []
    for fill in (0.0, 1.0):
        views = (torch.where(covered, view, fill) for view in (left, right))
        loss = stereo_loss(*views, disparities, SphericalStereo(camera), options, covered=covered)
        losses.append(loss.total)
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    with pytest.raises(ValueError, match="masked"):
        stereo_loss(left, right, disparities, CompatRectilinear(), PORT, covered=covered)


def test_nothing_visible_is_no_loss():
    left, right, _ = scene()
    disparity = torch.full((1, 2, 32, 64), 2.0, dtype=torch.float64, requires_grad=True)
    loss = stereo_loss(left, right, [disparity], RectilinearStereo())
    assert float(loss.total.detach()) == 0
    loss.total.backward()
    assert not disparity.grad.any()


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"1\.5"):
        PhotometricOptions(ssim_share=1.5)
    with pytest.raises(ValueError, match=r"-0\.1"):
        PhotometricOptions(smoothness=-0.1)
    with pytest.raises(ValueError, match="cubic"):
        PhotometricOptions(pyramid="cubic")
    with pytest.raises(ValueError, match="mirror"):
        PhotometricOptions(ssim_border="mirror")
    with pytest.raises(ValueError, match="does not support masks"):
        PhotometricOptions(ssim_border="cut")
    left = torch.rand(1, 3, 8, 16)
    with pytest.raises(ValueError, match="left and right"):
        stereo_loss(left, left, [torch.rand(1, 1, 8, 16)], RectilinearStereo())
    with pytest.raises(ValueError, match="8, 15"):
        stereo_loss(left, left[..., 1:], [torch.rand(1, 2, 8, 16)], RectilinearStereo())
