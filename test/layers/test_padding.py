"""Convolutions that see across the seam."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depth_perception.layers.padding import (
    SphereConv2d,
    pad_around,
    pad_sphere,
    padded_conv,
    padded_deconv,
)


def test_padding_goes_round() -> None:
    x = torch.arange(4.0).reshape(1, 1, 1, 4)
    assert pad_around(x, 1).flatten().tolist() == [3, 0, 1, 2, 3, 0]
    assert pad_around(x, 5).flatten().tolist() == [3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert pad_around(x[..., :1], 2).flatten().tolist() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(1, 1, 1), (3, 1, 1), ((3, 9), 1, 1), (7, 2, 1), (3, 1, 16)]
)
def test_turning_the_input_turns_the_output(kernel, stride: int, dilation: int) -> None:
    torch.manual_seed(0)
    rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
    padding = (dilation * (rows - 1) // 2, dilation * (columns - 1) // 2)
    layer = nn.Conv2d(2, 3, kernel, stride, padding, dilation)
    x = torch.randn(2, 2, 6, 12)
    plain = padded_conv(layer, x, True)
    assert plain.shape == layer(x).shape
    turned = padded_conv(layer, x.roll(4 * stride, -1), True)
    assert torch.equal(turned, plain.roll(4, -1))
    assert torch.equal(padded_conv(layer, x, False), layer(x))
    if columns > 1:
        assert not torch.equal(plain, layer(x))


def test_only_the_sides_differ_from_zeros() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    x = torch.randn(1, 1, 5, 9)
    plain, around = layer(x), padded_conv(layer, x, True)
    torch.testing.assert_close(around[..., 1:-1], plain[..., 1:-1])
    assert (around[..., 0] != plain[..., 0]).all()


def test_turning_goes_through_transposed_convolutions() -> None:
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(2, 3, 4, 2, 1)
    x = torch.randn(1, 2, 4, 6)
    plain = padded_deconv(layer, x, True)
    assert plain.shape == (1, 3, 8, 12)
    torch.testing.assert_close(plain[..., 1:-1], layer(x)[..., 1:-1])
    assert torch.equal(padded_deconv(layer, x.roll(2, -1), True), plain.roll(4, -1))
    assert not torch.equal(padded_deconv(layer, x.roll(2, -1), False), layer(x).roll(4, -1))


def test_the_sphere_continues_beyond_its_poles() -> None:
    x = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert pad_sphere(x, 1, 1)[0, 0].tolist() == [
        [1, 2, 3, 0, 1, 2],
        [3, 0, 1, 2, 3, 0],
        [7, 4, 5, 6, 7, 4],
        [11, 8, 9, 10, 11, 8],
        [9, 10, 11, 8, 9, 10],
    ]
    assert pad_sphere(x, 2, 0)[0, 0, :2].tolist() == [[6, 7, 4, 5], [2, 3, 0, 1]]
    assert pad_sphere(x[..., :3], 1, 0)[0, 0, 0].tolist() == [2, 0, 1], "half of 3 is 1"


@pytest.mark.parametrize("stride", [1, 2])
def test_convolutions_of_the_sphere_turn_with_it(stride: int) -> None:
    torch.manual_seed(0)
    layer, x = SphereConv2d(2, 3, 3, stride, 1), torch.randn(1, 2, 6, 12)
    plain = padded_conv(layer, x, False)
    assert plain.shape == nn.Conv2d.forward(layer, x).shape == (1, 3, 6 // stride, 12 // stride)
    assert torch.equal(padded_conv(layer, x, True), plain)
    assert torch.equal(layer(x.roll(4 * stride, -1)), plain.roll(4, -1))
