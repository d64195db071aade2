"""Losses against values and gradients of the original training code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from depth_perception.training.panda import losses
from depth_perception.training.panda.losses import draw_rectangles, epnl

CASES = {
    "l1": (losses.l1, {}),
    "l1_w2": (losses.l1, {"weight": 2.0}),
    "l2": (losses.l2, {}),
    "berhu": (losses.berhu, {}),
    "silog": (losses.silog, {}),
    "silog_vf05_w2": (losses.silog, {"variance_focus": 0.5, "weight": 2.0}),
    "rmselog": (losses.rmselog, {}),
    "scale_invariant": (losses.scale_invariant, {}),
    "gradient": (losses.gradient, {}),
    "gradient_scale1": (losses.gradient, {"scales": 1}),
    "l1norm": (losses.l1norm, {}),
    "dav2_silog": (losses.dav2_silog, {}),
}
ORIGINAL = [loss for name, (loss, _) in CASES.items() if name not in ("l1_w2", "silog_vf05_w2")]
ALL = [*ORIGINAL, losses.log_l1, losses.relative_l1]


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, torch.Tensor]:
    with np.load(golden_dir / "panda" / "golden-losses.npz") as file:
        return {name: torch.from_numpy(array) for name, array in file.items()}


@pytest.fixture(scope="module")
def epnl_golden(golden_dir: Path) -> dict[str, torch.Tensor]:
    with np.load(golden_dir / "panda" / "golden-epnl.npz") as file:
        return {name: torch.from_numpy(array) for name, array in file.items()}


@pytest.mark.parametrize("name", CASES)
def test_value_and_gradient_match_the_original(golden: dict[str, torch.Tensor], name: str) -> None:
    loss, options = CASES[name]
    pred = golden["pred"].clone().requires_grad_()
    value = loss(golden["target"], pred, golden["mask"], **options)
    value.backward()
    torch.testing.assert_close(value.detach(), golden[f"value_{name}"], atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(pred.grad, golden[f"grad_{name}"], atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("name", ["l1", "l2", "berhu", "rmselog", "l1norm"])
def test_truth_without_depth_is_ignored(golden: dict[str, torch.Tensor], name: str) -> None:
    loss, options = CASES[name]
    value = loss(golden["target_with_zeros"], golden["pred"], golden["mask"], **options)
    torch.testing.assert_close(value, golden[f"value_zeros_{name}"], atol=1e-6, rtol=1e-5)


def test_epnl_matches_the_original(epnl_golden: dict[str, torch.Tensor]) -> None:
    g = epnl_golden
    pred = g["pred"].clone().requires_grad_()
    value = epnl(g["target"], pred, g["mask"], weight=5.0, rectangles=g["random_masks"])
    value.backward()
    torch.testing.assert_close(value.detach(), g["value"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(pred.grad, g["grad"], atol=1e-8, rtol=1e-3)


def test_epnl_draws_the_rectangles_of_the_original(epnl_golden: dict[str, torch.Tensor]) -> None:
    height, width = epnl_golden["target"].shape[-2:]
    drawn = draw_rectangles(height, width, np.random.RandomState(7))
    assert torch.equal(drawn, epnl_golden["random_masks"])


def test_epnl_says_when_an_image_is_too_small() -> None:
    with pytest.raises(ValueError, match="larger images"):
        draw_rectangles(56, 112, np.random.RandomState(0))


@pytest.mark.parametrize("loss", [*ALL, epnl], ids=lambda f: f.__name__)
def test_without_valid_pixels_nothing_is_learned(loss) -> None:
    pred = torch.full((1, 1, 96, 192), 0.5, requires_grad=True)
    options = {"rng": np.random.RandomState(0)} if loss is epnl else {}
    value = loss(torch.zeros_like(pred), pred, torch.zeros_like(pred, dtype=torch.bool), **options)
    assert value.item() == 0
    if value.requires_grad:
        value.backward()
        assert torch.equal(pred.grad, torch.zeros_like(pred))


@pytest.mark.parametrize("loss", ALL, ids=lambda f: f.__name__)
def test_a_perfect_prediction_costs_almost_nothing(loss) -> None:
    generator = torch.Generator().manual_seed(1)
    target = 0.1 + 0.8 * torch.rand(2, 1, 28, 56, generator=generator)
    pred = target.clone().requires_grad_()
    value = loss(target, pred, torch.ones_like(target, dtype=torch.bool))
    if loss is not losses.l1norm:  # it compares with a normalised target
        assert value.item() < 1e-4
    value.backward()
    assert torch.isfinite(pred.grad).all()


def test_relative_l1_is_the_mean_relative_error() -> None:
    target = torch.tensor([1.0, 2.0, 4.0, 0.0]).view(1, 1, 1, 4)
    pred = torch.tensor([2.0, 1.0, 4.0, 9.0]).view(1, 1, 1, 4)
    everywhere = torch.ones_like(target, dtype=torch.bool)
    assert losses.relative_l1(target, pred, everywhere).item() == pytest.approx(0.5)


def test_epnl_without_rectangles_compares_the_whole_image() -> None:
    torch.manual_seed(0)
    target, pred = torch.rand(2, 2, 1, 8, 16)
    mask, none = torch.ones(2, 1, 8, 16, dtype=torch.bool), torch.zeros(0, 8, 16, dtype=torch.bool)
    expected = epnl(target, pred, mask, rectangles=torch.ones(1, 8, 16, dtype=torch.bool))
    torch.testing.assert_close(epnl(target, pred, mask, rectangles=none), expected)
    assert expected > 0
