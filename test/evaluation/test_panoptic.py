"""Panoptic quality against the published evaluators, and on maps that can be counted by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from golden.evaluators import PanopticPair, absolute_relative, dvpq, dvpq_counts
from golden.panopticdepth_reference import case
from torch import Tensor

from depth_perception.data.cityscapes import train_ids
from depth_perception.evaluation.panoptic import (
    CITYSCAPES_DVPS,
    CITYSCAPES_PQ,
    SEMKITTI_DVPS,
    PanopticCounts,
    depth_steps,
    match_segments,
    panoptic_quality,
)
from depth_perception.segment_classes import CITYSCAPES

EXACT = {"rel": 1e-9, "abs": 1e-9}


@cache
def golden(name: str) -> dict[str, Tensor]:
    return case(name).arrays


def cityscapes_sequences() -> list[list[PanopticPair]]:
    arrays = golden("dvpq-cityscapes")
    segments = arrays["in_pred_class"] * 1000 + arrays["in_pred_id"]
    stacks = (segments, arrays["in_gt"], arrays["in_depth_pred"], arrays["in_depth_gt"])
    return [
        [PanopticPair(*maps) for maps in zip(*frames, strict=True)]
        for frames in zip(*stacks, strict=True)
    ]


def semkitti_frames() -> list[PanopticPair]:
    arrays = golden("dvpq-semkitti")
    segments = arrays["in_pred_class"].long() * 2**20 + arrays["in_pred_id"]
    truth = arrays["in_gt_class"].long() * 2**20 + arrays["in_gt_id"]
    stacks = (segments, truth, arrays["in_depth_pred"], arrays["in_depth_gt"])
    return [PanopticPair(*maps) for maps in zip(*stacks, strict=True)]


def test_pq_equals_that_of_the_coco_tools() -> None:
    arrays = golden("pq-coco")
    counts = PanopticCounts.none(19)
    for index in range(len(arrays["in_pred"])):
        official = [int(s) for image, s in arrays["in_gt_crowd"] if image == index]
        crowds = train_ids(torch.tensor(official)).tolist()
        truth = train_ids(arrays["in_gt_id"][index])
        counts += match_segments(arrays["in_pred"][index], truth, CITYSCAPES_PQ, crowds)
    quality = panoptic_quality(counts, CITYSCAPES_PQ)
    for name in ("pq", "sq", "rq"):
        suffixes = ("", "_th", "_st")
        expected = [float(arrays[f"{name.upper()}{suffix}"]) for suffix in suffixes]
        assert getattr(quality, name) == pytest.approx(expected, **EXACT)


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
@pytest.mark.parametrize("threshold", [-1, 0.5, 0.25, 0.1])
def test_dvpq_equals_the_evaluator_for_cityscapes(frames: int, threshold: float) -> None:
    arrays = golden("dvpq-cityscapes")
    quality = dvpq(cityscapes_sequences(), CITYSCAPES_DVPS, frames=frames, threshold=threshold)
    tag = f"k{frames}_lambda{threshold}"
    assert quality.pq == pytest.approx(arrays[f"dvpq_{tag}"].tolist(), **EXACT)
    if frames == 1:
        torch.testing.assert_close(
            quality.per_class, arrays[f"per_class_{tag}"], atol=1e-9, rtol=1e-9
        )


@pytest.mark.parametrize("threshold", [-1, 0.25])
def test_counts_of_a_sequence_equal_the_evaluator_for_cityscapes(threshold: float) -> None:
    arrays = golden("dvpq-cityscapes")
    counts = dvpq_counts(cityscapes_sequences()[0], CITYSCAPES_DVPS, threshold=threshold)
    for name in ("iou", "tp", "fn", "fp"):
        expected = arrays[f"seq0_{name}_lambda{threshold}"][:19]
        torch.testing.assert_close(getattr(counts, name), expected, atol=1e-9, rtol=1e-9)
    if threshold > 0:
        found = absolute_relative(cityscapes_sequences()[0])
        assert found == pytest.approx(float(arrays[f"seq0_abs_rel_lambda{threshold}"]), **EXACT)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("threshold", [0, 0.5, 0.25, 0.1])
def test_dvpq_equals_the_evaluator_for_semkitti(frames: int, threshold: float) -> None:
    arrays, pairs = golden("dvpq-semkitti"), semkitti_frames()
    tag = f"k{frames}_lambda{threshold}"
    quality = dvpq([pairs], SEMKITTI_DVPS, frames=frames, threshold=threshold)
    assert quality.pq == pytest.approx(arrays[f"dvpq_{tag}"].tolist(), **EXACT)
    counts = dvpq_counts(pairs, SEMKITTI_DVPS, frames=frames, threshold=threshold)
    found = torch.stack((counts.iou, counts.tp, counts.fn, counts.fp))
    torch.testing.assert_close(found, arrays[f"counts_{tag}"], atol=1e-9, rtol=1e-9)
    if threshold > 0 and frames == 1:
        expected = float(arrays[f"abs_rel_{tag}"])
        per_frame = [absolute_relative([pair]) for pair in pairs]
        assert np.mean(per_frame) == pytest.approx(expected, **EXACT)


def test_the_mean_over_all_classes_is_not_that_over_the_occurring_ones() -> None:
    truth = torch.full((4, 8), 3000)
    truth[:, 4:] = 11001
    all_of_them = panoptic_quality(match_segments(truth, truth, CITYSCAPES_DVPS), CITYSCAPES_DVPS)
    assert all_of_them.pq == pytest.approx((200 / 19, 100 / 8, 100 / 11))
    occurring = replace(CITYSCAPES_DVPS, averaged="occurring")
    quality = panoptic_quality(match_segments(truth, truth, occurring), occurring)
    assert quality.pq == quality.sq == quality.rq == (100, 100, 100)
    assert quality.occurs.nonzero()[:, 0].tolist() == [3, 11]


def test_wrong_depth_takes_pixels_from_their_segment() -> None:
    truth = torch.zeros((10, 10), dtype=torch.int64)
    far = torch.full((10, 10), 10 * 256)
    near = far.clone()
    near[:3] = 8 * 256  # wrong by 20 %
    far[9] = 0  # unknown: whatever is predicted there is good
    near[9] = 1
    pair, rules = (
        PanopticPair(truth, truth, near, far),
        replace(CITYSCAPES_DVPS, averaged="occurring"),
    )
    found = {t: dvpq([[pair]], rules, threshold=t).pq for t in (0.0, 0.25, 0.1)}
    assert (found[0.0][0], found[0.25][0]) == (100, 100)
    assert found[0.1][0] == pytest.approx(70)
    assert math.isnan(found[0.1][1])


def test_nothing_predicted_and_nothing_true() -> None:
    void = torch.full((4, 4), 32000)
    nothing = torch.full((4, 4), -1)
    car = torch.full((4, 4), 13001)
    missed = match_segments(nothing, car, CITYSCAPES_PQ)
    assert (missed.fn.sum(), missed.fp.sum(), missed.tp.sum()) == (1, 0, 0)
    unjudged = match_segments(car, void, CITYSCAPES_PQ)
    assert (unjudged.fn.sum(), unjudged.fp.sum(), unjudged.tp.sum()) == (0, 0, 0)
    assert all(math.isnan(v) for v in panoptic_quality(unjudged, CITYSCAPES_PQ).pq)


def test_depth_steps_are_cut_off() -> None:
    assert depth_steps(torch.tensor([0.0, 0.999 / 256, 1.0, 300.0])).tolist() == [0, 0, 256, 65535]


def test_bad_arguments_are_named() -> None:
    flat = torch.zeros((4, 4), dtype=torch.int64)
    with pytest.raises(ValueError, match=r"segments are \(4, 4\), ground truth \(2, 4\)"):
        match_segments(flat, flat[:2], CITYSCAPES_PQ)
    with pytest.raises(ValueError, match="needs depth"):
        dvpq([[PanopticPair(flat, flat)]], CITYSCAPES_DVPS, threshold=0.5)
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        dvpq_counts([], CITYSCAPES_DVPS, frames=0)
    with pytest.raises(ValueError, match="ignored_class 3"):
        replace(CITYSCAPES_DVPS, ignored_class=3)


def test_the_things_of_the_rules_are_those_of_cityscapes() -> None:
    things = tuple(i for i, entry in enumerate(CITYSCAPES) if entry.is_thing)
    assert things == CITYSCAPES_DVPS.things == CITYSCAPES_PQ.things
    assert len(CITYSCAPES) == CITYSCAPES_DVPS.classes
