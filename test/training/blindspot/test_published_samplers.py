"""The samplers of the blind-spot system against the originals."""

from __future__ import annotations

import math

import pytest
import torch
from golden.blindspot_reference import case
from published.blindspot_published import CompatEquirectangular, CompatRectilinear


def picture_and_disparity(golden):
    image = golden.arrays["in_image_nhwc"].permute(0, 3, 1, 2)
    return image, golden.arrays["in_disparity_nhw1"].permute(0, 3, 1, 2)


@pytest.mark.parametrize("name", ["rect-sampler", "rect-sampler-edge"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_rectilinear_sampler_matches_the_original(name, side):
    golden = case(name)
    image, disparity = picture_and_disparity(golden)
    pair = CompatRectilinear(side == "left", golden.options["wrap_mode"])
    warped = pair.warp(image, disparity).image
    golden.assert_close(warped.permute(0, 2, 3, 1), f"out_{side}")


@pytest.mark.parametrize("name", ["erp-sampler-fov82", "erp-sampler-fov120", "erp-sampler-edge"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_equirectangular_sampler_matches_the_original(name, side):
    golden = case(name)
    image, disparity = picture_and_disparity(golden)
    pair = CompatEquirectangular(
        side == "left", golden.options["wrap_mode"], math.radians(golden.options["fov_degrees"])
    )
    x, y = pair.positions(disparity)
    golden.assert_close(x, f"out_{side}_x")
    golden.assert_close(y, f"out_{side}_y")
    clear = golden.arrays[f"out_{side}_row_in_range"].bool() & ((y - y.round()).abs() > 1e-4)
    assert clear.float().mean() > 0.5
    warped = pair.warp(image, disparity).image
    golden.assert_close(warped.permute(0, 2, 3, 1), f"out_{side}", where=clear)


def test_an_unknown_border_is_refused():
    with pytest.raises(ValueError, match="'mirror'"):
        CompatRectilinear(border="mirror").warp(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4))


def test_swapping_goes_the_other_way():
    image, disparity = torch.rand(1, 1, 4, 8), torch.full((1, 1, 4, 8), 1 / 8)
    forth = CompatRectilinear().warp(image, disparity).image
    back = CompatRectilinear().swapped.warp(image, disparity).image
    torch.testing.assert_close(forth[..., 1:], image[..., :-1])
    torch.testing.assert_close(back[..., :-1], image[..., 1:])
