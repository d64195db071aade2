"""Metrics against the original evaluation code and against arithmetic."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from golden.evaluators import clamped_as_released, metrics_dav2

from depth_perception.evaluation.alignment import Alignment, align, scale_and_shift
from depth_perception.evaluation.metrics import Metrics, depth_metrics, mean_of
from depth_perception.evaluation.panda import clamp_metric


def read(golden_dir: Path, name: str) -> dict[str, torch.Tensor]:
    with np.load(golden_dir / "panda" / f"golden-{name}.npz") as file:
        return {key: torch.from_numpy(array) for key, array in file.items()}


def check(metrics: Metrics, expected: torch.Tensor) -> None:
    found = torch.tensor([*metrics.values()])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4, equal_nan=True)


@pytest.mark.parametrize("name", ["metrics_aligned", "metrics_aligned_negative"])
def test_scale_and_shift_protocol_matches_the_original(golden_dir: Path, name: str) -> None:
    g = read(golden_dir, name)
    gt, mask = g["gt"], g["mask"]
    pred = align(gt, g["pred"], mask, Alignment.SCALE_SHIFT)
    check(depth_metrics(gt[mask], pred[mask], strict=False), g["aligned"])


def test_fit_of_each_image_matches_the_original(golden_dir: Path) -> None:
    g = read(golden_dir, "metrics_aligned")
    scale, shift = scale_and_shift(g["gt"], g["pred"], g["mask"])
    torch.testing.assert_close(scale, g["scale"], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(shift, g["shift"], atol=1e-5, rtol=1e-4)


def test_without_mask_every_truth_counts(golden_dir: Path) -> None:
    g = read(golden_dir, "metrics_aligned")
    gt, mask = g["gt"], g["gt"] > 0
    pred = align(gt, g["pred"], mask, Alignment.SCALE_SHIFT)
    check(depth_metrics(gt[mask], pred[mask], strict=False), g["aligned_nomask"])


def test_median_after_the_fit_matches_the_original(golden_dir: Path) -> None:
    g = read(golden_dir, "metrics_aligned")
    gt, mask = g["gt"][g["mask"]], g["mask"]
    pred = align(g["gt"], g["pred"], mask, Alignment.SCALE_SHIFT)[mask]
    check(depth_metrics(gt, pred * (gt.median() / pred.median())), g["aligned_median"])


@pytest.mark.parametrize("protocol", ["aligned", "metric"])
def test_mean_over_images_matches_the_original(golden_dir: Path, protocol: str) -> None:
    g = read(golden_dir, f"metrics_{protocol}")
    rows = []
    for gt, pred, mask in zip(g["gt"], g["pred"], g["mask"], strict=True):
        if protocol == "aligned":
            pred = align(gt[None], pred[None], mask[None], Alignment.SCALE_SHIFT)[0]
        else:
            gt, pred = clamped_as_released(gt, pred)
        rows.append(depth_metrics(gt[mask], pred[mask], strict=False))
    assert len(rows) == 3
    check(mean_of(rows), g["evaluator_per_image"])


def test_metric_protocol_matches_the_original(golden_dir: Path) -> None:
    g = read(golden_dir, "metrics_metric")
    gt, pred = clamped_as_released(g["gt"], g["pred"])
    mask = g["mask"]
    check(depth_metrics(gt[mask], pred[mask]), g["plain"])
    everywhere = g["gt"] > 0
    check(depth_metrics(gt[everywhere], pred[everywhere]), g["nomask"])
    ratio = gt[mask].median() / pred[mask].median()
    check(depth_metrics(gt[mask], pred[mask] * ratio), g["median"])


def test_clamp_without_the_bug_touches_only_what_is_outside() -> None:
    truth = torch.tensor([0.05, 5.0, 12.0, 5.0])
    pred = torch.tensor([1.0, 12.0, 9.0, 0.0])
    assert clamp_metric(truth).tolist() == pytest.approx([0.1, 5, 10, 5])
    assert clamp_metric(pred).tolist() == pytest.approx([1, 10, 9, 0.1])
    assert clamped_as_released(truth, pred)[0][1].item() == 10
    assert clamped_as_released(truth, pred)[1][1].item() == 12


def test_depth_anything_metrics_match_the_original(golden_dir: Path) -> None:
    g = read(golden_dir, "metrics_dav2")
    numbers = torch.tensor([*metrics_dav2(g["gt"], g["pred"]).values()])
    torch.testing.assert_close(numbers, g["values"], atol=1e-6, rtol=1e-5)


def test_negative_predictions_are_wrong_unless_the_original_is_wanted() -> None:
    truth, pred = torch.tensor([2.0, 2.0]), torch.tensor([2.0, -1.0])
    strict = depth_metrics(truth, pred)
    assert strict["a3"] == pytest.approx(0.5)
    assert strict["log10"] == pytest.approx(0.5 * math.log10(2000))
    original = depth_metrics(truth, pred, strict=False)
    assert original["a3"] == pytest.approx(1)
    assert math.isnan(original["log10"])
    assert strict["mae"] == original["mae"] == pytest.approx(1.5)


def test_arithmetic_of_a_uniform_error() -> None:
    truth = torch.tensor([1.0, 2.0, 4.0])
    metrics = depth_metrics(truth, 1.3 * truth)
    assert metrics["abs_rel"] == pytest.approx(0.3)
    assert metrics["mae"] == pytest.approx(0.7)
    assert metrics["log_rms"] == pytest.approx(math.log10(1.3))
    assert (metrics["a1"], metrics["a2"]) == pytest.approx((0, 1))


def test_weights_count_as_repeated_pixels() -> None:
    truth, pred = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 2.0])
    weighted = depth_metrics(truth, pred, torch.tensor([1.0, 3.0]))
    repeated = depth_metrics(truth[[0, 1, 1, 1]], pred[[0, 1, 1, 1]])
    assert weighted == pytest.approx(repeated)


def test_alignments_recover_what_they_may() -> None:
    generator = torch.Generator().manual_seed(2)
    truth = 1 + 5 * torch.rand(2, 1, 6, 12, generator=generator)
    mask = torch.ones_like(truth, dtype=torch.bool)
    factors = torch.tensor([2.0, 0.1]).view(2, 1, 1, 1)
    torch.testing.assert_close(align(truth, truth * factors, mask, Alignment.MEDIAN), truth)
    shifted = truth * factors + 3
    torch.testing.assert_close(
        align(truth, shifted, mask, Alignment.SCALE_SHIFT), truth, atol=1e-3, rtol=1e-4
    )
    assert align(truth, shifted, mask, Alignment.NONE) is shifted


def test_a_constant_prediction_has_no_fit() -> None:
    truth = torch.rand(1, 1, 4, 8)
    scale, shift = scale_and_shift(truth, torch.zeros_like(truth), truth > 0)
    assert (scale.item(), shift.item()) == (0, 0)


def test_a_constant_is_aligned_to_the_mean_of_what_is_known() -> None:
    truth = torch.tensor([2.0, 4.0, 9.0, 1.0]).expand(2, 1, 3, 4)
    mask = (truth < 9) & torch.tensor([True, False]).view(2, 1, 1, 1)  # the second knows nothing
    aligned = align(truth, torch.full((2, 1, 3, 4), 1.79), mask, Alignment.SCALE_SHIFT)
    torch.testing.assert_close(aligned[0], torch.full((1, 3, 4), 7 / 3))
    assert not aligned[1].any()


def test_nothing_to_compare_is_an_error() -> None:
    with pytest.raises(ValueError, match="compare"):
        depth_metrics(torch.empty(0), torch.empty(0))
    with pytest.raises(ValueError, match="no image"):
        mean_of([])


def test_scale_and_shift_of_a_nearly_constant_prediction() -> None:
    torch.manual_seed(0)
    pred = (100 + 1e-4 * torch.rand(1, 1, 64, 128, dtype=torch.float64)).float()
    target = 3 * (pred.double() - 100) + 2
    scale, _ = scale_and_shift(target, pred.double(), torch.ones_like(pred, dtype=torch.bool))
    torch.testing.assert_close(scale, torch.full_like(scale, 3), atol=0, rtol=1e-5)
    scale, shift = scale_and_shift(target.float(), pred, torch.ones_like(pred, dtype=torch.bool))
    torch.testing.assert_close(scale, torch.full_like(scale, 3), atol=0, rtol=2e-3)
    assert scale.dtype == shift.dtype == torch.float32
