"""The benchmark numbers of Pixel-Perfect Depth against the original."""

from __future__ import annotations

import pytest
import torch
from golden.ppd_reference import Case, case

from depth_perception.evaluation.metrics import Metrics
from depth_perception.evaluation.relative import aligned_metrics, relative_metrics


def _assert_equal(found: Metrics, reference: Case, prefix: str, names: tuple) -> None:
    for field, name in zip(("d0_5", "d1", "d2", "d3", "abs_rel"), names, strict=True):
        reference.assert_close(torch.tensor(found[field]), f"out_{prefix}{name}")


NAMES = ("d0p5", "d1", "d2", "d3", "abs_rel")


def test_metrics_match_the_original() -> None:
    reference = case("metrics")
    mask = reference["in_mask"] > 0
    found = relative_metrics(reference["in_pred"], reference["in_gt"], mask)
    _assert_equal(found, reference, "", NAMES)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_whole_image_matches_the_original(seed: int) -> None:
    reference = case("evaluate-image")
    mask = reference["in_mask"] > 0
    found = aligned_metrics(reference["in_pred"], reference["in_gt"], mask, seed=seed)
    _assert_equal(found, reference, "relative_", NAMES)


def test_images_without_truth_are_refused() -> None:
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="no pixel"):
        relative_metrics(torch.ones(3, 4), torch.ones(3, 4), nothing)
    with pytest.raises(ValueError, match="0 samples"):
        aligned_metrics(torch.ones(3, 4), torch.ones(3, 4), nothing)
