"""Random changes keep picture and range together and stay within bounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from depth_perception.training.panda.augment import AugmentRecipe, augment, jitter, turn

OFF = AugmentRecipe(
    yaw=False, flip=0, jitter=0, brightness=0, contrast=0, saturation=0, hue=0, noise=0
)


def pictures(seed: int = 0) -> torch.Tensor:
    return torch.rand(4, 3, 8, 16, generator=torch.Generator().manual_seed(seed))


def drawn(recipe: AugmentRecipe, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rgb = pictures()
    return augment(rgb, 10 * rgb[:, :1], recipe, torch.Generator().manual_seed(seed))


def test_turn_is_a_roll_and_then_a_mirror() -> None:
    maps = pictures()
    shift = torch.tensor([0, 3, 15, 5])
    mirror = torch.tensor([False, False, True, True])
    expected = [m.roll(int(s), -1) for m, s in zip(maps, shift, strict=True)]
    expected = [
        m.flip(-1) if flip else m for m, flip in zip(expected, mirror.tolist(), strict=True)
    ]
    assert torch.equal(turn(maps, shift, mirror), torch.stack(expected))


def test_ranges_move_with_the_picture() -> None:
    rgb, range_m = drawn(replace(OFF, yaw=True, flip=0.5))
    assert torch.equal(range_m, 10 * rgb[:, :1])
    moved = [not torch.equal(a, b) for a, b in zip(rgb, pictures(), strict=True)]
    assert sum(moved) >= 3, "every image is turned by itself"


def test_everything_off_changes_nothing() -> None:
    rgb, range_m = drawn(OFF)
    assert torch.equal(rgb, pictures())
    assert torch.equal(range_m, 10 * pictures()[:, :1])


def test_the_generator_decides() -> None:
    recipe = AugmentRecipe(jitter=1, gamma=0.2, noise=0.1)
    first, again, other = drawn(recipe, 1)[0], drawn(recipe, 1)[0], drawn(recipe, 2)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue", "gamma"])
def test_each_colour_change_alone(name: str) -> None:
    recipe = replace(OFF, jitter=1.0, **{name: 0.3})
    rgb = 0.3 + 0.3 * pictures()  # far enough from the ends not to be clipped
    changed = jitter(rgb, recipe, torch.Generator().manual_seed(3))
    assert not torch.allclose(changed, rgb, atol=1e-3)
    luma = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    before, after = (rgb * luma).sum(1), (changed * luma).sum(1)
    if name in ("saturation", "hue"):
        torch.testing.assert_close(after, before, atol=2e-3, rtol=0)
    if name == "brightness":
        ratio = after / before
        torch.testing.assert_close(ratio, ratio[:, :1, :1].expand_as(ratio), atol=2e-3, rtol=0)
    if name == "contrast":
        torch.testing.assert_close(after.mean((1, 2)), before.mean((1, 2)), atol=2e-3, rtol=0)


def test_jitter_of_probability_zero_is_none() -> None:
    rgb = pictures()
    recipe = replace(AugmentRecipe(), jitter=0.0)
    torch.testing.assert_close(
        jitter(rgb, recipe, torch.Generator().manual_seed(0)), rgb, atol=1e-3, rtol=0
    )
