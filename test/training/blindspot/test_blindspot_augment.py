"""Changes of stereo pairs against monodepth's loader."""

from __future__ import annotations

import pytest
import torch
from golden.blindspot_reference import case
from published.blindspot_published import area_resized

from depth_perception.geometry import Equirectangular
from depth_perception.geometry.stereo import SphericalStereo
from depth_perception.training.blindspot.data import StereoAugmentation, recolored
from depth_perception.training.blindspot.photometric import stereo_loss


def test_colours_and_resizing_match_the_original():
    golden = case("monodepth-dataloader-tf")
    gamma, brightness = (float(golden.arrays[f"in_{n}"]) for n in ("gamma", "brightness"))
    channels = golden.arrays["in_color"].tolist()
    for side in ("left", "right"):
        image = golden.batch(f"seed_{side}")[0]
        golden.assert_close(recolored(image, gamma, brightness, channels), f"out_aug_{side}")
    left = golden.batch("seed_left")[0]
    golden.assert_close(area_resized(left, 32, 64), "out_area_resize")


def pair():
    generator = torch.Generator().manual_seed(4)
    return torch.rand(2, 3, 16, 32, generator=generator, dtype=torch.float64)


def test_nothing_happens_with_probability_zero():
    left, right = pair()
    kept = StereoAugmentation(mirror=0, color=0)(left, right, torch.Generator())
    assert torch.equal(kept[0], left)
    assert torch.equal(kept[1], right)


def test_mirrored_views_are_still_a_pair():
    left, right = pair()
    disparity = 0.02 + 0.05 * left[None, :2]
    a, b = StereoAugmentation(mirror=1, color=0)(left, right, torch.Generator())
    geometry = SphericalStereo(Equirectangular(16, 32))
    before = stereo_loss(left[None], right[None], [disparity], geometry).total
    after = stereo_loss(a[None], b[None], [disparity.flip(-1).flip(1)], geometry).total
    torch.testing.assert_close(after, before)


def test_both_views_change_alike_and_as_the_generator_says():
    left, _ = pair()
    augment = StereoAugmentation(mirror=0, color=1)
    first = augment(left, left, torch.Generator().manual_seed(1))
    again = augment(left, left, torch.Generator().manual_seed(1))
    other = augment(left, left, torch.Generator().manual_seed(2))
    assert torch.equal(first[0], first[1])
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], left)


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match=r"1\.2"):
        StereoAugmentation(mirror=1.2)
    with pytest.raises(ValueError, match="gamma"):
        StereoAugmentation(gamma=(0.0, 1.0))
