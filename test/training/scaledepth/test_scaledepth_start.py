"""What ScaleDepth starts from before it has learned anything."""

from __future__ import annotations

import math

import pytest
import torch

from depth_perception.systems.scaledepth.config import ScaleDepthConfig
from depth_perception.systems.scaledepth.network import ScaleDepth


@pytest.fixture(scope="module")
def network() -> ScaleDepth:
    torch.manual_seed(0)
    widths = (32, 64, 128, 256)
    config = ScaleDepthConfig(depths=(1, 1, 1, 1), widths=widths, pixel_layers=1, query_layers=2)
    return ScaleDepth(config).requires_grad_(False)


def test_projections_start_as_the_originals(network: ScaleDepth) -> None:
    pixels = network.pixels
    for project, _ in pixels.inputs:
        fan = sum(project.weight.shape[:2])
        assert_uniform(project.weight, math.sqrt(6 / fan))
        assert not project.bias.any()
    for conv in (pixels.lateral[0], pixels.merge[0], pixels.features):
        assert_uniform(conv.weight, math.sqrt(3 / conv.weight[0].numel()))
    assert not pixels.features.bias.any()


def assert_uniform(weight: torch.Tensor, bound: float) -> None:
    assert float(weight.abs().max()) <= bound
    assert float(weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_matrices_start_as_the_originals(network: ScaleDepth) -> None:
    layer = network.queries.layers[1]
    matrices = [
        network.pixels.layers[0].mlp[0].weight,
        layer.mlp[0].weight,
        layer.cross.in_proj_weight,
        layer.mutual.out_proj.weight,
    ]
    for weight in matrices:
        assert float(weight.std()) == pytest.approx(math.sqrt(2 / sum(weight.shape)), rel=0.02)
        assert float(weight.abs().max()) > 3.5 * float(weight.std())  # normal, not uniform
    for name in ("content", "position", "level"):
        assert float(getattr(network.queries, name).weight.std()) == pytest.approx(1, rel=0.1)
    assert float(network.pixels.level.weight.std()) == pytest.approx(1, rel=0.1)


def test_points_start_in_rings_around_their_token(network: ScaleDepth) -> None:
    attention = network.pixels.layers[0].attention
    assert not attention.offsets.weight.any()
    assert not attention.weights.weight.any()
    offsets = attention.offsets.bias.view(8, 3, 4, 2)
    reach = offsets.abs().amax(-1)
    torch.testing.assert_close(reach, torch.arange(1.0, 5).expand(8, 3, 4))
    angles = torch.atan2(offsets[:, 0, 0, 1], offsets[:, 0, 0, 0]) % (2 * math.pi)
    expected = torch.arange(8) * (2 * math.pi / 8)
    torch.testing.assert_close(angles, expected, atol=1e-5, rtol=0)
