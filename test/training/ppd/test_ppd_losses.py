"""Targets and losses of Pixel-Perfect Depth against the original."""

from __future__ import annotations

import pytest
import torch
from golden.ppd_reference import case

from depth_perception.systems.ppd.flow import ends_of, noised
from depth_perception.systems.ppd.transformer import SpDit, SpDitConfig
from depth_perception.training.ppd.losses import (
    gradient_loss,
    gradient_losses,
    normalised_target,
    velocity_loss,
)


def test_losses_match_the_original() -> None:
    reference = case("loss")
    prediction, target = reference["in_prediction"], reference["in_target"]
    mask = reference["in_mask"] > 0
    # the velocity loss of noise 0 compares with minus the target
    loss = velocity_loss(prediction, torch.zeros_like(target), -target, mask)
    reference.assert_close(loss, "out_masked_mse")
    scales = torch.stack(gradient_losses(prediction, target, mask))
    reference.assert_close(scales, "out_grad_scales")
    reference.assert_close(gradient_loss(prediction, target, mask), "out_grad_total")


def test_targets_match_the_original() -> None:
    reference = case("gt-normalisation")
    target = normalised_target(reference["in_depth"], reference["in_mask"] > 0)
    reference.assert_close(target, "out_latent")
    assert target.min() >= -1
    assert target.max() <= 0.5


def test_a_training_step_matches_the_original() -> None:
    reference = case("train-step")
    network = SpDit(SpDitConfig(dim=64, depth=4, heads=4))
    network.load_state_dict({k.removeprefix("dit."): v for k, v in reference.state().items()})
    image, mask, noise = (reference[f"in_{name}"] for name in ("image", "mask", "noise"))
    mask, times = mask > 0, reference["in_timesteps"]
    target = normalised_target(reference["in_depth"], mask)
    latent = noised(target, noise, times)
    x = torch.cat((latent, image - 0.5), 1)
    velocity = network(x, reference["in_semantics"], times)
    clean, _ = ends_of(velocity, latent, times)
    pretrain = velocity_loss(velocity, noise, target, mask)
    finetune = pretrain + 0.2 * gradient_loss(clean, target, mask)
    reference.assert_close(pretrain, "out_loss_pretrain")
    reference.assert_close(finetune, "out_loss_finetune")
    reference.assert_close(clean + 0.5, "out_depth")
    finetune.backward()
    assert network.proj_fusion[0].weight.grad.abs().sum() > 0


def test_images_without_depth_are_named() -> None:
    depth, mask = torch.ones(2, 1, 4, 4), torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[1] = False
    with pytest.raises(ValueError, match="image 1"):
        normalised_target(depth, mask)
