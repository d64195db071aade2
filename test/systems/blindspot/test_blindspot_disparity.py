"""Disparity, depth and the authors' way of evaluation."""

from __future__ import annotations

import math

import pytest
import torch
from golden.blindspot_reference import case
from published.blindspot_published import scaled_disparity
from systems.blindspot.test_blindspot_network import network_of

from depth_perception.geometry import Equirectangular
from depth_perception.systems.blindspot.config import PANORAMA_BASELINE_M
from depth_perception.systems.blindspot.disparity import merge_ramps, range_factor
from depth_perception.systems.blindspot.input import angular_view, authors_view, lanczos_planes
from depth_perception.systems.blindspot.network import BlindSpotVgg


@pytest.fixture(scope="module")
def network() -> BlindSpotVgg:
    return network_of(case("vgg-evaluate-50x400"))


@pytest.mark.parametrize("name", ["vgg-evaluate-75x512", "vgg-evaluate-50x400"])
def test_evaluation_equals_the_original_step_by_step(network: BlindSpotVgg, name: str) -> None:
    golden = case(name)
    options, pixels = golden.options, torch.from_numpy(golden.pictures()[0])
    height, width = pixels.shape[:2]
    size = (options["input_height"], options["input_width"])
    view = authors_view(height, width, size, 128)
    assert view.rows == options["minor_height"]
    planes = view.fill(lanczos_planes(pixels, view))
    planes = torch.cat((planes, planes.flip(-1)))
    assert torch.equal(planes, golden.arrays["in_network_input"])
    disparities = network(planes, circular=True)[0][:, 0]
    golden.assert_close(disparities, "out_disp_s0_left")
    mean = 0.5 * (disparities[0] + disparities[1].flip(-1))
    golden.assert_close(mean, "out_disp_mean")
    full = torch.nn.functional.interpolate(
        view.restore(mean[None, None]), (height, width), mode="bilinear"
    )[0, 0]
    turns = {"network_turn_px": view.columns, "image_turn_px": width}
    scaled = scaled_disparity(full, baseline_m=options["stereo_baseline"], **turns)
    golden.assert_close(scaled, "out_scaled_disp", rtol=1e-4)
    factor = range_factor("authors", baseline_m=options["stereo_baseline"], **turns)
    golden.assert_close(factor / full, "out_depth", rtol=1e-4)


def test_merging_equals_the_original() -> None:
    golden = case("post-process")
    plain, mirrored = golden.arrays["in_disp"]
    golden.assert_close((plain + mirrored.flip(-1)) / 2, "out_panoramic")
    golden.assert_close(merge_ramps(plain, mirrored.flip(-1)), "out_monodepth_blend")


def test_formulas_agree_where_they_must() -> None:
    def factor(formula: str, network_turn_px: float, image_turn_px: float) -> float:
        return range_factor(
            formula, baseline_m=0.5, network_turn_px=network_turn_px, image_turn_px=image_turn_px
        )

    # at the density of the training pictures, 512 columns in 82.5 degrees, nothing is to correct
    density = 512 * 360 / 82.5
    assert factor("consistent", density, 2048) == pytest.approx(factor("training", density, 2048))
    # a point with the parallax of its range
    assert factor("training", 1, 1) / 0.1 == pytest.approx(0.5 / (0.1 * math.radians(82.5)))
    for width in (1024, 2048):
        ratio = factor("authors", 1024, width) / factor("consistent", 1024, width)
        assert ratio == pytest.approx(2 * math.pi * 512 / width)
    with pytest.raises(ValueError, match="formula"):
        factor("relative", 1, 1)


def test_the_way_of_the_authors_takes_crops_that_fit() -> None:
    # the crop of the paper: 300 of 1024 rows of a panorama 2048 wide
    view = authors_view(300, 2048, (256, 1024), 128)
    assert (view.rows, view.columns, view.pad_top, view.size) == (208, 1024, 48, (256, 1024))
    with pytest.raises(ValueError, match=r"authors_size=\(768, 1024\)"):
        authors_view(1024, 2048, (256, 1024), 128)
    with pytest.raises(ValueError, match="multiples of 128"):
        authors_view(300, 2048, (200, 1024), 128)


def test_views_of_full_turns_need_no_padding_at_the_seam() -> None:
    view = angular_view(
        Equirectangular(1024, 2048),
        turn_px=512,
        multiple=128,
        latitudes=(math.radians(-15.5), math.radians(37.3)),
    )
    assert (view.columns, view.pad_right) == (512, 0)
    assert view.rows == round(256 / 0.7191)
    per_row = 180 / view.rows
    assert -15.5 - per_row < view.top * per_row - 90 <= -15.5
    assert 37.3 <= view.bottom * per_row - 90 < 37.3 + per_row
    assert view.size == (128, 512)
    seen = view.seen(1024, torch.device("cpu"))[:, 0].nonzero()
    assert 90 - 15.5 - 1 < float(seen[0]) * 180 / 1024 < 90 - 15.5 + 1
    assert 90 + 37.3 - 1 < float(seen[-1] + 1) * 180 / 1024 < 90 + 37.3 + 1


def test_partial_views_are_padded_and_come_back() -> None:
    camera = Equirectangular.partial(60, 200, math.radians(200), math.radians(60))
    view = angular_view(camera, turn_px=360, multiple=64, latitudes=(-0.3, 0.4), anisotropy=1.0)
    assert (view.columns, view.rows, view.pad_right) == (200, 60, 56)
    picture = torch.arange(1.0, 60 * 200 + 1).reshape(1, 1, 60, 200)
    filled = view.fill(picture)
    assert filled.shape[-2:] == view.size == (64, 256)
    assert (filled[..., : view.pad_top, :] == 0).all()
    back = view.restore(filled)
    assert torch.equal(
        back[..., view.top : view.bottom, :], picture[..., view.top : view.bottom, :]
    )
    assert torch.equal(back[..., 0, :], picture[..., view.top, :])
    with pytest.raises(ValueError, match="latitudes_deg"):
        angular_view(camera, turn_px=360, multiple=64, latitudes=(0.6, 0.9))


def test_the_default_baseline_is_that_of_the_authors() -> None:
    stated = case("vgg-evaluate-50x400").options["stereo_baseline"]
    assert stated == PANORAMA_BASELINE_M
