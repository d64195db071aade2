"""Spherical metrics against OmniDepth's and SphericalViewSynthesis' programs."""

from __future__ import annotations

import math

import pytest
import torch
from golden.blindspot_reference import case
from golden.evaluators import omnidepth_report, spiral

from depth_perception.evaluation.alignment import Alignment, align
from depth_perception.evaluation.metrics import depth_metrics
from depth_perception.evaluation.spherical import (
    mean_squares,
    view_synthesis_metrics,
)
from depth_perception.geometry.projections import latitude_weights


def omnidepth_inputs():
    arrays = case("omnidepth-metrics").arrays
    return arrays["in_gt"], arrays["in_pred"], arrays["in_mask"].bool()


def test_omnidepth_numbers_match_the_original():
    golden = case("omnidepth-metrics")
    target, pred, mask = omnidepth_inputs()
    assert (pred[mask] < 0).any()
    golden.assert_close(torch.tensor(mean_squares(target[mask], pred[mask])), "out_raw")
    images = [mean_squares(t[m], p[m]) for t, p, m in zip(target, pred, mask, strict=True)]
    golden.assert_close(torch.tensor(images), "out_per_image_raw")
    report = omnidepth_report(target, pred, mask)
    golden.assert_close(torch.tensor([*report.values()]), "out_report")


def test_our_alignment_has_the_same_medians():
    golden = case("omnidepth-metrics")
    target, pred, mask = omnidepth_inputs()
    aligned = align(target, pred, mask, Alignment.MEDIAN)
    golden.assert_close((aligned / pred)[:, 0, 0, 0], "out_median_scale")


@pytest.mark.parametrize(
    ("array", "options"),
    [
        ("out_plain", {}),
        ("out_weighted", {"weights": latitude_weights(32)}),
        (
            "out_weighted_sampled",
            {"weights": latitude_weights(32), "sampled": spiral(16, 32, 0.25)},
        ),
        ("out_median", {"median": True}),
    ],
)
def test_view_synthesis_numbers_match_the_original(array, options):
    golden = case("sphere-metrics")
    maps = [golden.arrays[f"in_{name}"][:, 0] for name in ("gt", "pred", "invalid")]
    rows = [
        [*view_synthesis_metrics(target, pred, invalid == 0, **options).values()]
        for target, pred, invalid in zip(*maps, strict=True)
    ]
    golden.assert_close(torch.tensor(rows), array)


def test_spiral_matches_the_original():
    expected = case("sphere-metrics").arrays["out_spiral_mask"][0, 0].bool()
    assert torch.equal(spiral(16, 32, 0.25), expected)
    with pytest.raises(ValueError, match="too few"):
        spiral(2, 4, 0.25)


def test_where_ours_are_stricter():
    """A negative prediction counts as right there, and weights shrink the errors."""
    target, pred = torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 2.0])
    assert mean_squares(target, pred)[4] == 1
    assert depth_metrics(target, pred)["a1"] == 0.5
    target = torch.ones(64, 128)
    everywhere = torch.ones_like(target, dtype=torch.bool)
    weights = latitude_weights(128)
    published = view_synthesis_metrics(target, 1.5 * target, everywhere, weights=weights)
    assert published["abs_rel"] == pytest.approx(0.5 * 2 / math.pi, rel=1e-3)
    ours = depth_metrics(target.flatten(), 1.5 * target.flatten(), weights.flatten())
    assert ours["abs_rel"] == pytest.approx(0.5)


def test_nothing_known_is_refused():
    target, pred, mask = omnidepth_inputs()
    with pytest.raises(ValueError, match="none of"):
        omnidepth_report(target, pred, mask & False)
    with pytest.raises(ValueError, match="no pixel"):
        view_synthesis_metrics(target[0, 0], pred[0, 0], mask[0, 0] & False)
    partly = omnidepth_report(target[:2], pred[:2], [mask[0], mask[1] & False])
    assert partly == omnidepth_report(target[:1], pred[:1], mask[:1])
