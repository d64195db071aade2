"""Deformable convolution: the original's numbers, torchvision's, and those in plain PyTorch."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
import torch.nn.functional as F
from golden.panopticdepth_reference import case
from torch import nn

from depth_perception.systems.panopticdepth import deform_conv
from depth_perception.systems.panopticdepth.deform_conv import DeformConv, modulated_conv

GOLDEN = case("losses-unit")


def arguments(seed: int = 0, *, reach: float = 3.0, batch: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "x": noise(batch, 5, 9, 13),
        "offsets": reach * noise(batch, 18, 9, 13),
        "weights": noise(batch, 9, 9, 13).sigmoid(),
        "kernel": noise(4, 5, 3, 3),
        "bias": noise(4),
    }


@pytest.mark.parametrize("fused", [True, False])
def test_equals_the_original(fused: bool) -> None:
    names = {"x": "x", "offsets": "offset", "weights": "mask", "kernel": "weight", "bias": "bias"}
    inputs = {ours: GOLDEN[f"in_dcn_{theirs}"] for ours, theirs in names.items()}
    GOLDEN.assert_close(modulated_conv(**inputs, fused=fused), "dcn")


@pytest.mark.parametrize("reach", [0.3, 3.0, 40.0])
@pytest.mark.parametrize("tile", [1, 2000, 1 << 25])
def test_plain_pytorch_equals_the_fused_kernel(reach: float, tile: int) -> None:
    given = arguments(reach=reach)
    fused = modulated_conv(**given, fused=True)
    with mock.patch.object(deform_conv, "_TILE_VALUES", tile):
        torch.testing.assert_close(modulated_conv(**given, fused=False), fused, atol=2e-5, rtol=0)


def test_gradients_of_both_ways_agree() -> None:
    found = []
    for fused in (True, False):
        given = {name: value.double().requires_grad_() for name, value in arguments(1).items()}
        modulated_conv(**given, fused=fused).square().sum().backward()
        found.append({name: value.grad for name, value in given.items()})
    for name, gradient in found[0].items():
        torch.testing.assert_close(found[1][name], gradient, atol=1e-8, rtol=1e-8)


def test_without_offsets_it_is_a_convolution() -> None:
    given = arguments() | {"offsets": torch.zeros(2, 18, 9, 13), "weights": torch.ones(2, 9, 9, 13)}
    expected = F.conv2d(given["x"], given["kernel"], given["bias"], padding=1)
    for fused in (True, False):
        torch.testing.assert_close(
            modulated_conv(**given, fused=fused), expected, atol=2e-5, rtol=1e-5
        )


@pytest.mark.parametrize("fused", [True, False])
def test_positions_stay_exact_in_half_precision(fused: bool) -> None:
    """Columns beyond 256 have no places between them in half precision."""
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((1, 1, 3, 600), generator=generator)
    offsets = torch.full((1, 18, 3, 600), 0.25)
    kernel = torch.zeros(1, 1, 3, 3)
    kernel[..., 1, 1] = 1.0
    weights = torch.ones(1, 9, 3, 600)
    exact = modulated_conv(x, offsets, weights, kernel, fused=fused)
    half = modulated_conv(
        x.bfloat16(), offsets.bfloat16(), weights.bfloat16(), kernel.bfloat16(), fused=fused
    )
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), exact, atol=1e-2, rtol=1e-2)


def test_without_torchvision_the_plain_way_runs() -> None:
    given = arguments()
    fused = modulated_conv(**given, fused=True)
    with mock.patch.object(deform_conv, "deform_conv2d", None):
        torch.testing.assert_close(modulated_conv(**given), fused, atol=2e-5, rtol=0)
        with pytest.raises(ImportError, match="torchvision"):
            modulated_conv(**given, fused=True)
    layer = DeformConv(5, 4, norm=None)
    assert layer(given["x"]).shape == (2, 4, 9, 13)


@pytest.mark.parametrize("norm", [None, nn.BatchNorm2d])
def test_held_still_it_is_an_ordinary_convolution(norm: type[nn.Module] | None) -> None:
    torch.manual_seed(0)
    layer, again = (DeformConv(5, 4, norm=norm) for _ in range(2))
    layer.hold_still()
    x = torch.randn(2, 5, 9, 13)
    moved = layer.offsets(x)
    assert not moved.any()
    slow = layer.conv(x, moved[:, :18], moved[:, 18:].sigmoid())
    torch.testing.assert_close(layer(x), slow, atol=1e-5, rtol=1e-5)
    assert not again.is_still
    again.load_state_dict(layer.state_dict())
    assert again.is_still
    again.load_state_dict(DeformConv(5, 4, norm=norm).state_dict())
    assert not again.is_still
