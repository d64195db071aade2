"""The figures that the demonstration prints."""

from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.demo.compare import compare, on_grid, relative_error, score_frame

TRUTH = np.array([[1.0, 2.0, 4.0, 8.0]], np.float32)


def test_exact_depth_scores_perfectly() -> None:
    score = score_frame(7, TRUTH, TRUTH)

    assert (score.stamp_ns, score.abs_rel, score.delta1, score.coverage) == (7, 0.0, 1.0, 1.0)


def test_figures_by_hand() -> None:
    predicted = np.array([[1.1, 1.0, 4.0, 10.4]], np.float32)  # +10 %, -50 %, 0, +30 %

    score = score_frame(0, predicted, TRUTH)

    assert score.abs_rel == pytest.approx((0.1 + 0.5 + 0.0 + 0.3) / 4, abs=1e-6)
    assert score.delta1 == 0.5


def test_delta1_counts_too_near_like_too_far() -> None:
    score = score_frame(0, TRUTH / np.float32(1.26), TRUTH)

    assert score.delta1 == 0.0
    assert score_frame(0, TRUTH / np.float32(1.24), TRUTH).delta1 == 1.0


@pytest.mark.parametrize("missing", [0.0, -1.0, math.nan, math.inf, 20.01])
def test_pixels_without_usable_truth_do_not_count(missing: float) -> None:
    truth, predicted = TRUTH.copy(), TRUTH.copy()
    truth[0, 0], predicted[0, 0] = missing, 500.0

    score = score_frame(0, predicted, truth)

    assert (score.abs_rel, score.delta1, score.coverage) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("hole", [math.nan, math.inf, 0.0, -3.0])
def test_holes_in_the_prediction_lower_the_coverage(hole: float) -> None:
    predicted = TRUTH.copy()
    predicted[0, 3] = hole

    score = score_frame(0, predicted, TRUTH)

    assert (score.abs_rel, score.coverage) == (0.0, 0.75)


def test_nothing_predicted_is_not_a_good_score() -> None:
    comparison = compare({1: np.full_like(TRUTH, math.nan)}, {1: TRUTH})

    assert math.isnan(comparison.abs_rel)
    assert comparison.coverage == 0.0
    assert not comparison.is_finite


def test_frames_are_matched_by_stamp_and_averaged() -> None:
    predicted = {30: TRUTH * np.float32(1.2), 10: TRUTH, 99: TRUTH * 7}
    truth = {10: TRUTH, 20: TRUTH, 30: TRUTH}

    comparison = compare(predicted, truth)

    assert [frame.stamp_ns for frame in comparison.frames] == [10, 30]
    assert comparison.abs_rel == pytest.approx(0.1, abs=1e-6)
    assert comparison.is_finite


def test_no_common_frame_is_not_finite() -> None:
    assert not compare({1: TRUTH}, {2: TRUTH}).is_finite


def test_relative_error_is_signed_and_nan_where_nothing_counts() -> None:
    truth = np.array([[1.0, 2.0, 0.0, 30.0]], np.float32)
    predicted = np.array([[1.5, 1.0, 3.0, 30.0]], np.float32)

    error = relative_error(predicted, truth)

    np.testing.assert_allclose(error, [[0.5, -0.5, math.nan, math.nan]])


def test_grid_change_reads_the_nearest_pixel() -> None:
    coarse = np.array([[1, 2], [3, 4]], np.float32)

    fine = on_grid(coarse, 4, 4)

    np.testing.assert_array_equal(fine[:2, :2], np.ones((2, 2)))
    np.testing.assert_array_equal(fine[2:, 2:], np.full((2, 2), 4))
    np.testing.assert_array_equal(on_grid(fine, 2, 2), coarse)
