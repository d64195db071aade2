"""The hybrid network: a convolutional pyramid under the transformer."""

from __future__ import annotations

import pytest
import torch

from depth_perception.layers import HybridEncoder
from depth_perception.systems import build_network


@pytest.fixture(scope="module")
def encoder() -> HybridEncoder:
    torch.manual_seed(0)
    return HybridEncoder(32, 2, 2, (0, 1), pyramid=(8, 16, 24), grid=(3, 6)).eval()


def test_maps_lie_on_multiples_of_the_patch_grid(encoder: HybridEncoder) -> None:
    taps, maps = encoder.with_maps(torch.randn(2, 3, 42, 84))
    assert [tuple(m.shape) for m in maps] == [(2, 16, 12, 24), (2, 24, 6, 12), (2, 32, 3, 6)]
    assert [tuple(tap.patches.shape) for tap in taps] == [(2, 18, 32)] * 2


def test_sizes_off_the_patch_grid_are_refused(encoder: HybridEncoder) -> None:
    with pytest.raises(ValueError, match="multiples of 14"):
        encoder(torch.zeros(1, 3, 32, 64))


def test_circular_pyramid_turns_with_the_image(encoder: HybridEncoder) -> None:
    images = torch.randn(1, 3, 42, 84)
    with torch.no_grad():
        maps = encoder.with_maps(images, circular=True)[1]
        turned = encoder.with_maps(images.roll(28, -1), circular=True)[1]
        plain = encoder.with_maps(images.roll(28, -1))[1]
    for before, after, step in zip(maps, turned, (8, 4, 2), strict=True):
        torch.testing.assert_close(after, before.roll(step, -1), atol=1e-5, rtol=1e-4)
    assert (plain.coarse - maps.coarse.roll(2, -1)).abs().max() > 1e-3


def test_every_parameter_but_the_two_kept_for_old_files_is_used() -> None:
    network = build_network("panda-tiny-metric")
    # residual units begin with a zero: move off it, so that what lies before gets a gradient
    for name, parameter in network.named_parameters():
        if name.endswith("conv2.weight"):
            torch.nn.init.normal_(parameter, std=0.01)
    network(torch.randn(2, 3, 42, 84)).log().sum().backward()
    unused = {name for name, p in network.named_parameters() if p.grad is None}
    assert all("mask_token" in name or "fuse.3.skip" in name for name in unused)
    assert network(torch.randn(1, 3, 28, 56), circular=True).shape == (1, 1, 28, 56)
