"""The dense prediction head: stages against the original, and the circular seam."""

from __future__ import annotations

import pytest
import torch
from golden.reference import Case, case, case_id

from depth_perception.layers import DptHead, resize_map
from depth_perception.systems import build_network


@pytest.mark.parametrize(
    "reference", [case("net_tiny_70x140"), case("net_small_70x140")], ids=case_id
)
def test_stages_match_the_original(reference: Case) -> None:
    network = build_network(reference.model)
    names, state = network.official_names(), reference.state()
    network.load_state_dict({ours: state[official] for ours, official in names.items()})
    head = network.head
    paths: dict[str, torch.Tensor] = {}
    for index, block in enumerate(head.fuse):
        block.register_forward_hook(
            lambda _, __, output, index=index: paths.update({f"path_{index + 1}": output})
        )
    head.neck.register_forward_hook(lambda _, __, output: paths.update(head_conv1=output))
    with torch.no_grad():
        taps = [reference.arrays[f"feat{index}"] for index in range(4)]
        levels = head.levels(taps, (5, 10))
        logits = head(taps, (5, 10))
    for index, level in enumerate(levels):
        if f"layer{index + 1}_rn" in reference.arrays:
            reference.assert_close(level, f"layer{index + 1}_rn")
    sizes = [(2 * levels[0].shape[-2], 2 * levels[0].shape[-1])]
    sizes += [level.shape[-2:] for level in levels[:3]]
    for index, size in enumerate(sizes):  # the original enlarges within the block, ours after it
        paths[f"path_{index + 1}"] = resize_map(paths[f"path_{index + 1}"], size, circular=False)
    compared = [name for name in paths if name in reference.arrays]
    assert {"path_2", "path_3", "path_4"} <= set(compared)
    for name in compared:
        reference.assert_close(paths[name], name)
    torch.testing.assert_close(logits, reference.arrays["logit"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("width", "columns"), [(12, 2), (12, 6), (8, 4)])
def test_circular_head_turns_with_its_input(width: int, columns: int) -> None:
    torch.manual_seed(0)
    head = DptHead(8, 8, (4, 6, 8, 10)).eval()
    taps = [torch.randn(1, 5, width, 8) for _ in range(4)]

    def run(tokens: list[torch.Tensor], circular: bool) -> torch.Tensor:
        with torch.no_grad():
            return head([t.flatten(1, 2) for t in tokens], (5, width), circular=circular)

    turned = [tokens.roll(columns, 2) for tokens in taps]
    expected = run(taps, True).roll(14 * columns, -1)
    torch.testing.assert_close(run(turned, True), expected, atol=1e-5, rtol=1e-4)
    assert (run(turned, False) - run(taps, False).roll(14 * columns, -1)).abs().max() > 1e-2


def test_circular_seam_leaves_the_middle_nearly_alone() -> None:
    torch.manual_seed(0)
    head = DptHead(8, 8, (4, 6, 8, 10)).eval()
    smooth = torch.nn.functional.interpolate(torch.randn(1, 8, 3, 3), (6, 24), mode="bicubic")
    taps = [smooth.flatten(2).mT for _ in range(4)]
    with torch.no_grad():
        plain, circular = head(taps, (6, 24)), head(taps, (6, 24), circular=True)
    change = (plain - circular).abs().mean(dim=(0, 1, 2))
    middle = change[4 * 14 : -4 * 14].mean()
    assert middle < 0.1 * plain.std()
    assert change[:14].mean() > 3 * middle


def test_circular_resize_of_a_wave_has_no_kink_at_the_seam() -> None:
    angle = 2 * torch.pi * (torch.arange(16) + 0.5) / 16
    wave = torch.cos(angle).expand(1, 1, 4, 16)
    resized = resize_map(wave, (7, 28), circular=True)[0, 0, 0]
    exact = torch.cos(2 * torch.pi * (torch.arange(28) + 0.5) / 28)
    torch.testing.assert_close(resized, exact, atol=0.02, rtol=0)


def test_head_needs_four_levels() -> None:
    with pytest.raises(ValueError, match="four levels"):
        DptHead(8, 8, (4, 6, 8))
