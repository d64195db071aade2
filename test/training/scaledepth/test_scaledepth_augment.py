"""Changes of photos: what has numbers of the original equals them, the rest keeps its promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from golden.scaledepth_reference import case

from depth_perception.data.photos import Photo
from depth_perception.training.scaledepth.data import (
    PhotoAugment,
    augmented,
    crop_box,
    depth_mixed,
    recoloured,
)

GOLDEN = case("data-pipeline")
STILL = PhotoAugment(flip=0, colour=0)


def photo(height: int = 40, width: int = 56, seed: int = 1) -> Photo:
    """A picture whose depth is its red channel, so that both can be followed together."""
    rgb = torch.from_numpy(noise_image(height, width, seed)).permute(2, 0, 1).contiguous()
    return Photo(rgb, rgb[0].float(), 8)


def test_crops_are_drawn_as_by_the_original() -> None:
    rng = np.random.RandomState(3)
    expected = GOLDEN.entry["options"]["randomcrop_352x512_on_480x640_numpy_seed3"]
    assert [list(crop_box((480, 640), (352, 512), rng)) for _ in expected] == expected


def test_depth_is_mixed_in_as_by_the_original() -> None:
    source = GOLDEN.entry["input"]["depthmix"]
    size = source["image"]["height"], source["image"]["width"]
    image = noise_image(*size, source["image"]["seed"])
    depth = noise_image(*size, source["depth"]["seed"])[..., 0] * np.float32(0.03)
    GOLDEN.assert_close(torch.from_numpy(depth), "depthmix_depth")
    changes = PhotoAugment(depth_mix=0.25, depth_mix_values="wrapped")
    rng = np.random.RandomState(5)
    mixed = np.stack([depth_mixed(image, depth, changes, rng) for _ in range(10)])
    GOLDEN.assert_close(
        torch.from_numpy(mixed).float(), "depthmix_prob0.25_seq_numpy_seed5", check_dtype=False
    )
    unchanged = (mixed == image).all((1, 2, 3))
    assert 0 < unchanged.sum() < 10


def test_scaled_depth_does_not_wrap() -> None:
    depth = np.linspace(0, 7.65, 50, dtype=np.float32)[None].repeat(8, 0)
    image = np.zeros((8, 50, 3), np.uint8)
    changes = PhotoAugment(depth_mix=1.0)
    mixed = depth_mixed(image, depth, changes, np.random.RandomState(0))
    band = mixed[0, :, 0][mixed[0, :, 0] > 0].astype(int)
    assert len(band) > 5
    assert (np.diff(band) > 0).all()


def test_picture_and_depth_are_cropped_and_mirrored_together() -> None:
    seen = set()
    for seed in range(30):
        changes = PhotoAugment(flip=0.5, colour=0)
        new = augmented(photo(), (32, 48), changes, np.random.RandomState(seed))
        assert new.rgb.shape == (3, 32, 48)
        assert new.depth_m.equal(new.rgb[0].float())
        assert new.scene == 8
        seen.add(new.rgb.numpy().tobytes())
    assert len(seen) > 20


def test_the_same_draw_gives_the_same_photo() -> None:
    changes = PhotoAugment(depth_mix=0.5, flip=0.5, colour=1.0)
    one, two, other = (
        augmented(photo(), (32, 48), changes, np.random.RandomState(seed)) for seed in (4, 4, 5)
    )
    assert one.rgb.equal(two.rgb)
    assert one.depth_m.equal(two.depth_m)
    assert not one.rgb.equal(other.rgb)


def test_small_photos_are_filled_with_unknown_depth() -> None:
    small = photo(20, 30)
    new = augmented(small, (32, 48), STILL, np.random.RandomState(0))
    assert new.rgb[:, :20, :30].equal(small.rgb)
    assert new.depth_m[:20, :30].equal(small.depth_m)
    assert new.depth_m[20:].sum() == new.depth_m[:, 30:].sum() == 0


def test_colours_change_within_their_limits_and_depth_stays() -> None:
    image = noise_image(24, 32, 7)
    assert recoloured(image, STILL, np.random.RandomState(0)) is image
    brighter = PhotoAugment(colour=1.0, gamma=0, contrast=0, hue=0, saturation=0, value=0)
    for seed in range(5):
        change = recoloured(image, brighter, np.random.RandomState(seed)).astype(int) - image
        inside = change[(image > 60) & (image < 195)]
        assert abs(np.median(inside)) <= 52
        assert np.ptp(inside) <= 8  # the way through HSV rounds
    turned = PhotoAugment(colour=1.0, gamma=0, contrast=0, brightness=0, saturation=0, value=0)
    new = recoloured(image, turned, np.random.RandomState(3))
    assert (new.max(-1).astype(int) - image.max(-1)).max() <= 1  # hue keeps the largest channel
    assert (new != image).mean() > 0.3
    grey = np.full((4, 4, 3), 90, np.uint8)
    assert (recoloured(grey, turned, np.random.RandomState(3)) == 90).all()


def test_probabilities_are_checked() -> None:
    with pytest.raises(ValueError, match="flip"):
        PhotoAugment(flip=1.5)
