"""Panoptic scores over data sets: windows, means, depth, and what tables say of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from golden.panopticdepth_reference import case

from depth_perception.evaluation.panoptic import (
    CITYSCAPES_DVPS,
    PanopticCounter,
    PanopticResult,
    PanopticScore,
)
from depth_perception.evaluation.panoptic_sets import PANOPTIC_BENCHMARKS, segment_map
from depth_perception.evaluation.report import class_sheet, score_document, score_sheet
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind
from depth_perception.segment_classes import CITYSCAPES

NAMES = tuple(entry.name for entry in CITYSCAPES)


def score_of_the_reference(windows: tuple[int, ...]) -> PanopticScore:
    arrays = case("dvpq-cityscapes").arrays
    counter, rows = PanopticCounter(CITYSCAPES_DVPS, depth=True, windows=windows), []
    segments = arrays["in_pred_class"] * 1000 + arrays["in_pred_id"]
    for video, truths in enumerate(arrays["in_gt"]):
        for frame, truth in enumerate(truths):
            depth, true_depth = (arrays[f"in_depth_{n}"][video, frame] for n in ("pred", "gt"))
            result = PanopticResult(segments[video, frame], truth, depth / 256, true_depth / 256)
            rows.append(counter.row(result, str(video)))
    return PanopticScore.of(rows, CITYSCAPES_DVPS)


def test_frame_after_frame_equals_the_evaluator_for_cityscapes() -> None:
    arrays, windows = case("dvpq-cityscapes").arrays, (1, 2, 3, 4)
    score = score_of_the_reference(windows)
    assert score.windows == windows
    assert score.thresholds == (0.5, 0.25, 0.1)
    for window in windows:
        expected = [arrays[f"dvpq_k{window}_lambda{t}"].tolist() for t in (-1, 0.5, 0.25, 0.1)]
        found = [score.quality(t, window=window).pq for t in (0.0, 0.5, 0.25, 0.1)]
        for a, b in zip(found, expected, strict=True):
            assert a == pytest.approx(b, rel=1e-9)
        mean = torch.tensor(expected[1:]).double().mean(0).tolist()
        assert score.dpq(window=window) == pytest.approx(mean, rel=1e-6)


def test_tables_and_documents_hold_both_means_and_the_published_one() -> None:
    score = score_of_the_reference((1, 2))
    sheet = score_sheet(score, {"dpq": (58.3, 52.1, 62.8)})
    assert [row[0] for row in sheet.rows] == [
        "PQ", "SQ", "RQ", "DPQ 0.5", "DPQ 0.25", "DPQ 0.1", "DPQ mean",
        "2 frames: VPQ", "2 frames: DVPQ 0.5", "2 frames: DVPQ 0.25", "2 frames: DVPQ 0.1",
        "2 frames: DVPQ mean", "DVPQ, mean over windows",
    ]  # fmt: skip
    by_name = {row[0]: row[1:] for row in sheet.rows}
    assert by_name["DPQ mean"][6:] == ("58.3", "52.1", "62.8")
    assert by_name["PQ"][6:] == ("", "", "")
    for average, place in (("all", 0), ("occurring", 3)):
        expected = [f"{v:.1f}" for v in score.quality(averaged=average).pq]
        assert list(by_name["PQ"][place : place + 3]) == expected
    assert by_name["PQ"][:3] != by_name["PQ"][3:6], "all classes occur: a mean of the same"

    classes = {row[0]: row[1:] for row in class_sheet(score, NAMES).rows}
    quality = score.quality()
    for number, name in enumerate(NAMES):
        assert classes[name][0] == ("thing" if number >= 11 else "stuff")
        shown = f"{quality.per_class[number, 0]:.1f}" if quality.occurs[number] else ""
        assert classes[name][1] == shown

    content = json.loads(json.dumps(score_document(score, NAMES), allow_nan=False))
    assert content["occurring"]["dpq"]["things"] == score.dpq(averaged="occurring")[1]
    assert content["all"]["2 frames: DVPQ 0.25"]["all"] == score.quality(0.25, window=2).pq[0]
    assert content["published"] is None
    assert sum(entry["occurs"] for entry in content["classes"].values()) == quality.occurs.sum()


def test_depth_is_that_of_known_pixels_up_to_80_m() -> None:
    truth = torch.zeros((2, 4), dtype=torch.int64)
    true_depth = torch.tensor([[10.0, 20, 0, 90], [10, 10, 10, 80]])
    depth = torch.tensor([[11.0, 20, 7, 1], [10, 10, torch.nan, 80]])
    row = PanopticCounter(CITYSCAPES_DVPS, depth=True).row(
        PanopticResult(truth, truth, depth, true_depth)
    )
    assert row.depth["abs_rel"] == pytest.approx((0.1 + 1) / 6, abs=1e-4)
    nothing = PanopticResult(truth, truth, depth, 0 * true_depth)
    rows = [row, PanopticCounter(CITYSCAPES_DVPS, depth=True).row(nothing)]
    score = PanopticScore.of(rows, CITYSCAPES_DVPS)
    assert (score.frames, score.depth_frames) == (2, 1)
    assert score.depth == row.depth
    flat = PanopticCounter(CITYSCAPES_DVPS, depth=False).row(
        PanopticResult(truth, truth, None, depth)
    )
    assert set(flat.counts) == {(1, 0.0)}
    assert PanopticScore.of([flat], CITYSCAPES_DVPS).depth is None


def test_windows_end_with_their_video() -> None:
    truth = torch.zeros((2, 2), dtype=torch.int64)
    counter = PanopticCounter(CITYSCAPES_DVPS, depth=False, windows=(1, 3))
    frame = PanopticResult(truth, truth, None, truth.float())
    lengths = [[key[0] for key in counter.row(frame, video).counts] for video in "aaaabbb"]
    assert lengths == [[1], [1], [1, 3], [1, 3], [1], [1], [1, 3]]
    with pytest.raises(
        ValueError, match=r"windows must be different numbers of frames, got \(0,\)"
    ):
        PanopticCounter(CITYSCAPES_DVPS, depth=False, windows=(0,))


def test_classes_of_a_model_find_their_numbers_by_name() -> None:
    kitti = PANOPTIC_BENCHMARKS["semkitti-dvps"]
    numbers = dict(zip(NAMES, kitti.numbers(NAMES), strict=True))
    assert (numbers["car"], numbers["road"], numbers["traffic sign"]) == (0, 8, 18)
    assert numbers["bus"] == numbers["train"] == 4
    assert numbers["sky"] is None
    assert kitti.never_found(NAMES) == ("motorcyclist", "parking", "other-ground", "trunk")
    assert PANOPTIC_BENCHMARKS["cityscapes"].numbers(NAMES) == tuple(range(19))

    ids = torch.tensor([[1, 2, 0], [21, 22, 22]], dtype=torch.int32)
    mask, box = torch.ones((1, 1), dtype=torch.bool), (0, 0, 1, 1)
    of = {1: "road", 2: "sky", 21: "bus", 22: "train"}
    found = Prediction(
        values=torch.ones(2, 3),
        valid=torch.ones((2, 3), dtype=torch.bool),
        camera=Pinhole.from_fov(2, 3, 1.0),
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        instances=tuple(
            Instance(i, NAMES.index(name), name, 1.0, i > 20, box, mask) for i, name in of.items()
        ),
        segments=ids,
    )
    segments = segment_map(found, kitti.numbers(NAMES), kitti.rules)
    assert segments.tolist() == [
        [8 << 20, -1, -1],
        [(4 << 20) + 21, (4 << 20) + 22, (4 << 20) + 22],
    ]
    with pytest.raises(ValueError, match="has no segments"):
        segment_map(replace(found, segments=None), kitti.numbers(NAMES), kitti.rules)
