"""Deformable attention and sine encodings against the original's."""

from __future__ import annotations

import pytest
import torch
from golden.fill import fill_tensor
from golden.scaledepth_reference import case
from systems.scaledepth.test_scaledepth_network import network_of

from depth_perception.systems.scaledepth.deformable import (
    DeformableAttention,
    DeformableLayer,
    deformable_sample,
)
from depth_perception.systems.scaledepth.pixel_decoder import sine_positions

_OFFICIAL = {
    "offsets": "sampling_offsets",
    "weights": "attention_weights",
    "value": "value_proj",
    "out": "output_proj",
}


def test_sampling_equals_the_original() -> None:
    golden = case("op-msdeformattn")
    arrays = golden.arrays
    sizes = [tuple(size) for size in arrays["spatial_shapes"].tolist()]
    sampled = deformable_sample(
        arrays["value"], sizes, arrays["sampling_locations"], arrays["attention_weights"]
    )
    golden.assert_close(sampled, "output")


def test_attention_and_layer_equal_the_original() -> None:
    golden = case("op-msdeformattn")
    arrays = golden.arrays
    sizes = [tuple(size) for size in arrays["spatial_shapes"].tolist()]
    anchors = arrays["reference_points"][0, :, 0]
    assert (arrays["reference_points"] == anchors[None, :, None]).all()
    attention = DeformableAttention(32, 4).eval()
    for name, value in attention.state_dict().items():
        part, kind = name.split(".")
        value.copy_(
            fill_tensor(f"{_OFFICIAL[part]}.{kind}", value.shape, golden.entry["fill_seed"])
        )
    query, positions = arrays["query"], arrays["query_pos"]
    with torch.inference_mode():
        output = query + attention(query, positions, anchors, sizes)
        layer = network_of(golden).pixels.layers[0](query, positions, anchors, sizes)
    golden.assert_close(output, "module_output")
    golden.assert_close(layer, "encoder_layer_output")


def test_encodings_equal_the_original() -> None:
    golden = case("op-sinepe")
    golden.assert_close(sine_positions(5, 7, 32)[None], "pe16_5x7")
    golden.assert_close(sine_positions(3, 4, 256)[None], "pe128_3x4")
    with pytest.raises(ValueError, match="multiple of 4"):
        sine_positions(3, 4, 30)


def test_fresh_heads_look_around_their_token() -> None:
    attention = DeformableAttention(32, 4, maps=1, points=2)
    reach = attention.offsets.bias.detach().view(4, 2, 2)
    expected = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(reach[:, 0], expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(reach[:, 1], 2 * expected, atol=1e-6, rtol=0)


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    layer = DeformableLayer(32, 4, 16)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    tokens, sizes = torch.randn(1, 12 + 6 + 2, 32), [(3, 4), (2, 3), (1, 2)]
    layer(tokens, torch.randn(1, 20, 32), torch.rand(20, 2), sizes).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


def test_channels_must_be_shared_evenly() -> None:
    with pytest.raises(ValueError, match="5 heads"):
        DeformableAttention(32, 5)
