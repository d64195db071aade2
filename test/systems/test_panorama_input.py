"""Images for networks that take plain RGB."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.fill import noise_image
from PIL import Image

from depth_perception.systems.image_input import plain_input


def test_same_size_is_left_alone() -> None:
    pixels = torch.from_numpy(noise_image(20, 40, 0))
    planes = plain_input(pixels, (20, 40), circular=True)
    assert torch.equal(planes[0].permute(1, 2, 0), pixels.float() / 255)


def test_resampling_is_that_of_pillow() -> None:
    picture = noise_image(60, 100, 1)
    resized = Image.fromarray(picture).resize((40, 30), Image.BICUBIC)
    ours = plain_input(torch.from_numpy(picture), (30, 40))[0].permute(1, 2, 0) * 255
    assert (ours - torch.from_numpy(np.array(resized))).abs().max() < 2  # Pillow rounds to bytes


@pytest.mark.parametrize("size", [(30, 40), (64, 160), (9, 2)])
def test_turning_the_picture_turns_the_planes(size: tuple[int, int]) -> None:
    pixels = torch.from_numpy(noise_image(50, 100, 2))
    half = size[1] // 2
    plain = plain_input(pixels, size, circular=True)
    assert plain.shape == (1, 3, *size)
    turned = plain_input(pixels.roll(50, 1), size, circular=True)
    torch.testing.assert_close(turned, plain.roll(half, -1), atol=1e-5, rtol=0)
    assert plain.min() >= 0
    assert plain.max() <= 1
