"""Losses of OmniDepth against the original, and what was mended."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from golden.blindspot_reference import case
from published.losses import as_published, spherical_berhu

from depth_perception.geometry import Equirectangular
from depth_perception.geometry.projections import latitude_weights
from depth_perception.training.omnidepth.losses import (
    RECTNET_LOSS,
    URESNET_LOSS,
    MultiScaleOptions,
    gradient_size,
    multi_scale_loss,
    squared_error,
)


def inputs(count):
    arrays = case("omnidepth-losses").arrays
    predictions = [arrays[f"in_pred_{n}x"].clone().requires_grad_() for n in (1, 2, 4)[:count]]
    return predictions, arrays["in_gt"], arrays["in_mask"].bool()


@pytest.mark.parametrize(
    ("name", "options"), [("rectnet", RECTNET_LOSS), ("uresnet", URESNET_LOSS)]
)
def test_totals_and_gradients_match_the_original(name, options):
    golden = case("omnidepth-losses")
    predictions, target, mask = inputs(len(options.error))
    total = multi_scale_loss(predictions, target, mask, as_published(options))
    golden.assert_close(total.detach()[None], f"out_total_{name}")
    total.backward()
    for n, prediction in zip((1, 2, 4), predictions, strict=False):
        golden.assert_close(prediction.grad, f"out_grad_{name}_{n}x")


def test_terms_match_the_original_and_the_mended_error_its_reference():
    golden = case("omnidepth-losses")
    predictions, target, mask = inputs(3)
    published = as_published(RECTNET_LOSS)
    masked = replace(published, masked=True)
    errors, gradients, mended = [], [], []
    for step, prediction in zip((1, 2, 4), predictions, strict=True):
        truth, known = target[..., ::step, ::step], mask[..., ::step, ::step]
        if step > 1:
            golden.assert_close(truth, f"out_gt_{step}x")
            golden.assert_close(known.float(), f"out_mask_{step}x")
        errors.append(squared_error(truth, prediction.detach(), known, published))
        gradients.append(gradient_size(prediction.detach(), known, published))
        mended.append(squared_error(truth, prediction.detach(), known, masked))
    golden.assert_close(torch.stack(errors), "out_l2")
    golden.assert_close(torch.stack(gradients), "out_gradient")
    golden.assert_close(torch.stack(mended), "out_masked_l2_fixed")


def test_berhu_matches_the_original():
    golden = case("sphere-weights")
    target, pred, mask = (golden.arrays[f"in_{n}"] for n in ("gt", "pred", "mask"))
    loss = spherical_berhu(target, pred, mask.bool(), latitude_weights(32), as_published=True)
    golden.assert_close(loss[None], "out_berhu")


def example():
    generator = torch.Generator().manual_seed(5)
    target = 1 + 4 * torch.rand(2, 1, 16, 32, generator=generator)
    mask = torch.rand(2, 1, 16, 32, generator=generator) > 0.3
    predictions = [
        target[..., ::n, ::n] + torch.rand(2, 1, 16 // n, 32 // n, generator=generator)
        for n in (1, 2)
    ]
    return predictions, target, mask


def test_unknown_pixels_have_no_say_in_the_error():
    predictions, target, mask = example()
    options = replace(RECTNET_LOSS, gradient=(0.0, 0.0))
    wrong = [
        torch.where(mask[..., ::n, ::n], p, 99.0) for n, p in zip((1, 2), predictions, strict=True)
    ]
    spoiled = torch.where(mask, target, torch.nan)
    torch.testing.assert_close(
        multi_scale_loss(wrong, spoiled, mask, options),
        multi_scale_loss(predictions, target, mask, options),
    )
    limits = Equirectangular(16, 32).solid_angles()
    torch.testing.assert_close(
        spherical_berhu(spoiled, wrong[0], mask, limits),
        spherical_berhu(target, predictions[0], mask, limits),
    )


def test_rolling_leaves_the_loss_but_not_the_published_one():
    predictions, target, mask = example()
    rolled = (
        [p.roll(s, -1) for p, s in zip(predictions, (6, 3), strict=True)],
        *(x.roll(6, -1) for x in (target, mask)),
    )
    for options, same in ((RECTNET_LOSS, True), (as_published(RECTNET_LOSS), False)):
        before = multi_scale_loss(predictions, target, mask, options)
        after = multi_scale_loss(*rolled, options)
        assert torch.isclose(before, after, rtol=1e-5) == same


def test_an_error_at_the_pole_weighs_little():
    target = torch.ones(1, 1, 32, 64)
    known = torch.ones_like(target, dtype=torch.bool)
    pole, middle = target.clone(), target.clone()
    pole[..., 0, 5] += 1
    middle[..., 16, 5] += 1
    by_area = [float(squared_error(target, p, known, RECTNET_LOSS)) for p in (pole, middle)]
    assert by_area[0] < 0.06 * by_area[1]
    plain = replace(RECTNET_LOSS, solid_angle=False)
    by_pixel = [float(squared_error(target, p, known, plain)) for p in (pole, middle)]
    assert by_pixel[0] == pytest.approx(by_pixel[1])


def test_nothing_known_is_no_loss():
    predictions, target, mask = example()
    predictions = [p.requires_grad_() for p in predictions]
    loss = multi_scale_loss(predictions, target, mask & False, RECTNET_LOSS)
    loss.backward()
    assert float(loss.detach()) == 0
    assert not any(p.grad.any() for p in predictions)
    nothing = spherical_berhu(target, predictions[0], mask & False, torch.ones(16, 1))
    assert float(nothing.detach()) == 0


def test_wrong_arguments_are_refused():
    predictions, target, mask = example()
    with pytest.raises(ValueError, match="3 scales, got 2"):
        multi_scale_loss(predictions, target, mask, URESNET_LOSS)
    with pytest.raises(ValueError, match="one weight for each scale"):
        MultiScaleOptions((1.0,), (1.0, 2.0))
    with pytest.raises(ValueError, match="negative"):
        MultiScaleOptions((1.0,), (-1.0,))
