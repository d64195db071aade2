"""The encoder: position embedding, taps, sizes."""

from __future__ import annotations

import pytest
import torch
from golden.reference import Case, case, case_id

from depth_perception.layers import VitEncoder
from depth_perception.systems import build_network

GRIDS = [(5, 10), (10, 20), (7, 7), (36, 72), (37, 74), (37, 37), (60, 40)]


@pytest.fixture
def encoder() -> VitEncoder:
    torch.manual_seed(0)
    encoder = VitEncoder(32, 3, 2, (0, 2), grid=(4, 8))
    torch.nn.init.normal_(encoder.pos_embed)
    return encoder.eval()


def test_position_embedding_follows_the_original_rule() -> None:
    reference = case("pos_embed")
    name = "core.pretrained.pos_embed"
    with torch.device("meta"):
        encoder = build_network("panda-small").encoder
    encoder.pos_embed = torch.nn.Parameter(reference.state()[name])
    for grid in GRIDS:
        with torch.no_grad():
            embedding = encoder.position_embedding(grid)[0, :, :12]
        reference.assert_close(embedding, f"pe_{grid[0]}x{grid[1]}")


@pytest.mark.parametrize(
    "reference", [case("net_tiny_70x140"), case("net_small_70x140")], ids=case_id
)
def test_tokens_and_taps_match_the_original(reference: Case) -> None:
    network = build_network(reference.model)
    names, state = network.official_names(), reference.state()
    network.load_state_dict({ours: state[official] for ours, official in names.items()})
    with torch.no_grad():
        reference.assert_close(network.encoder.embed(reference.arrays["x"]), "tokens")
        taps = network.encoder(reference.arrays["x"])
    assert len(taps) == 4
    for index, tap in enumerate(taps):
        reference.assert_close(tap.patches, f"feat{index}")
        if f"cls{index}" in reference.arrays:
            reference.assert_close(tap.class_token, f"cls{index}")


def test_native_rectangular_grid_is_used_as_it_is(encoder: VitEncoder) -> None:
    assert encoder.position_embedding((4, 8)) is encoder.pos_embed
    assert encoder.position_embedding((8, 4)).shape == (1, 33, 32)


def test_kept_positions_follow_the_parameter(encoder: VitEncoder) -> None:
    with torch.no_grad():
        first = encoder.position_embedding((6, 12))
        assert encoder.position_embedding((6, 12)) is first
        encoder.pos_embed.mul_(2)
        second = encoder.position_embedding((6, 12))
        torch.testing.assert_close(second, 2 * first)
        encoder.load_state_dict({**encoder.state_dict(), "pos_embed": torch.zeros(1, 33, 32)})
        assert not encoder.position_embedding((6, 12)).any()
        assert encoder.double().position_embedding((6, 12)).dtype == torch.float64


def test_kept_positions_do_not_stop_gradients(encoder: VitEncoder) -> None:
    images = torch.randn(1, 3, 84, 168)
    with torch.inference_mode():
        encoder(images)
    encoder(images)[-1].patches.square().sum().backward()
    assert encoder.pos_embed.grad is not None
    assert encoder.pos_embed.grad[:, 1:].abs().sum() > 0


def test_number_of_kept_positions_is_bounded(encoder: VitEncoder) -> None:
    with torch.no_grad():
        for columns in range(1, 30):
            encoder.position_embedding((3, columns))
    assert len(encoder._positions) <= 8


@pytest.mark.parametrize(("height", "width"), [(70, 141), (13, 14), (0, 14)])
def test_sizes_off_the_patch_grid_are_refused(encoder: VitEncoder, height: int, width: int) -> None:
    with pytest.raises(ValueError, match="multiples of 14"):
        encoder.grid_of(height, width)


@pytest.mark.parametrize("taps", [(), (1, 0), (0, 3), (0, 0)])
def test_taps_must_ascend_within_the_depth(taps: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="taps"):
        VitEncoder(32, 3, 2, taps)
