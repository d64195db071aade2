"""Low-rank adapters of the encoder."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from depth_perception.layers import LoraQkv, VitEncoder, add_lora, merge_lora
from depth_perception.systems import build_network


def _randomised(qkv: LoraQkv) -> LoraQkv:
    for layer in (qkv.linear_b_q, qkv.linear_b_v):
        nn.init.normal_(layer.weight)
    return qkv


def test_starts_equal_to_the_plain_projection() -> None:
    plain = nn.Linear(16, 48)
    tokens = torch.randn(2, 5, 16)
    torch.testing.assert_close(LoraQkv(plain, 4)(tokens), plain(tokens))


def test_keys_are_never_adapted() -> None:
    plain = nn.Linear(16, 48)
    tokens = torch.randn(2, 5, 16)
    change = (_randomised(LoraQkv(plain, 4))(tokens) - plain(tokens)).abs().amax(dim=(0, 1))
    assert not change[16:32].any()
    assert (change[:16] > 0).all()
    assert (change[32:] > 0).all()


def test_merged_projection_gives_the_same_values() -> None:
    adapted = _randomised(LoraQkv(nn.Linear(64, 192), 4))
    tokens = torch.randn(2, 5, 64)
    with torch.no_grad():
        before = adapted(tokens)
        merged = adapted.merged()
        torch.testing.assert_close(merged(tokens), before, atol=5e-6, rtol=1e-5)
    assert type(merged) is nn.Linear


def test_only_adapters_of_the_encoder_are_trained() -> None:
    network = build_network("panda-tiny")
    network(torch.randn(1, 3, 28, 56)).sum().backward()
    trained = {name for name, p in network.encoder.named_parameters() if p.requires_grad}
    assert trained
    assert all(".attn.qkv.linear_" in name for name in trained)
    assert all(p.requires_grad for p in network.head.parameters())
    # B starts at zero, so that the first gradient reaches B but not A
    block = network.encoder.blocks[0].attn.qkv
    assert block.linear_b_q.weight.grad.abs().sum() > 0
    assert network.encoder.blocks[0].attn.qkv.qkv.weight.grad is None


def test_merge_leaves_a_plain_encoder_alone() -> None:
    encoder = VitEncoder(16, 2, 2, (0, 1), grid=(2, 2))
    names = list(encoder.state_dict())
    merge_lora(encoder)
    assert list(encoder.state_dict()) == names
    add_lora(encoder, 2)
    assert list(encoder.state_dict()) != names
    merge_lora(encoder)
    assert list(encoder.state_dict()) == names


def test_rank_must_be_positive() -> None:
    with pytest.raises(ValueError, match="rank"):
        LoraQkv(nn.Linear(4, 12), 0)
