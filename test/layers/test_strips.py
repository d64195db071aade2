"""Enlarged maps a strip at a time."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depth_perception.bench.measure import peak_bytes
from depth_perception.layers import DptHead, SphereConv2d, resize_map, strips
from depth_perception.layers.padding import padded_conv


@pytest.mark.parametrize("kind", [nn.Conv2d, SphereConv2d])
@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("size", [(70, 63), (17, 21), (41, 18)])
def test_strips_equal_the_whole(
    circular: bool,
    size: tuple[int, int],
    kind: type[nn.Conv2d],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 10, 9).contiguous(memory_format=torch.channels_last)
    conv, after = kind(5, 4, 3, padding=1), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 1, 1))
    monkeypatch.setattr(strips, "_STRIP_VALUES", 1)
    with torch.no_grad():
        expected = padded_conv(conv, resize_map(x, size, circular), circular)
        found = strips.enlarged_conv(x, size, conv, circular)
        finished = strips.enlarged_conv(x, size, conv, circular, after)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(finished, after(expected), atol=1e-5, rtol=1e-5)


def test_gradients_see_the_whole_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_VALUES", 1)
    monkeypatch.setattr(strips, "_strip_conv", None)  # would fail if it was called
    x = torch.randn(1, 2, 3, 4, requires_grad=True)
    strips.enlarged_conv(x, (40, 8), nn.Conv2d(2, 1, 3, padding=1)).sum().backward()
    assert x.grad is not None
    assert bool((x.grad != 0).any())


def test_the_head_needs_less_memory_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    head = DptHead(8, 16, (4, 6, 8, 10)).eval().requires_grad_(False)
    grid = (16, 24)
    taps = [torch.randn(1, grid[0] * grid[1], 8) for _ in range(4)]

    def run() -> torch.Tensor:
        with torch.no_grad():
            return head(taps, grid)

    whole, whole_bytes = run(), peak_bytes(run, torch.device("cpu"))
    monkeypatch.setattr(strips, "_STRIP_VALUES", 1)
    torch.testing.assert_close(run(), whole, atol=1e-5, rtol=1e-5)
    assert peak_bytes(run, torch.device("cpu")) < 0.6 * whole_bytes
