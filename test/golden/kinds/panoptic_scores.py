"""Cases of panoptic scores and of the panoptic data set; further kinds of PanopticDepth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from golden.cases import Case, Comparison
from golden.evaluators import PanopticPair, absolute_relative, dvpq, dvpq_counts
from golden.kinds import has
from golden.kinds.panopticdepth import KINDS, THINGS, unpacked

from depth_perception.data.cityscapes import train_ids
from depth_perception.data.panoptic import VOID_CLASS, PanopticFrame
from depth_perception.evaluation.panoptic import (
    CITYSCAPES_DVPS,
    CITYSCAPES_PQ,
    SEMKITTI_DVPS,
    PanopticCounts,
    match_segments,
    panoptic_quality,
)
from depth_perception.training.panopticdepth.augment import (
    centre_cropped,
    farther,
    ground_truth_of,
    mirrored,
    resize_ratio,
    resized,
    scaled_size,
)


def cityscapes_sequences(case: Case) -> list[list[PanopticPair]]:
    """Stored maps by sequence and frame."""
    segments = case["in_pred_class"] * 1000 + case["in_pred_id"]
    stacks = (segments, case["in_gt"], case["in_depth_pred"], case["in_depth_gt"])
    return [
        [PanopticPair(*maps) for maps in zip(*frames, strict=True)]
        for frames in zip(*stacks, strict=True)
    ]


def semkitti_frames(case: Case) -> list[PanopticPair]:
    """Stored maps by frame."""
    segments, truth = (
        case[f"in_{name}_class"].long() * 2**20 + case[f"in_{name}_id"] for name in ("pred", "gt")
    )
    stacks = (segments, truth, case["in_depth_pred"], case["in_depth_gt"])
    return [PanopticPair(*maps) for maps in zip(*stacks, strict=True)]


def _window_and_threshold(array: str) -> tuple[int, float]:
    window, threshold = array.rsplit("_k", 1)[1].split("_lambda")
    return int(window), float(threshold)


@KINDS.add("DVPQ of Cityscapes", has("in_gt", "per_class_k1_lambda-1"))
def dvpq_cityscapes(case: Case) -> Iterator[Comparison]:
    sequences = cityscapes_sequences(case)
    for array in case.arrays:
        if array.startswith("dvpq_"):
            frames, threshold = _window_and_threshold(array)
            quality = dvpq(sequences, CITYSCAPES_DVPS, frames=frames, threshold=threshold)
            yield case.compare(array, quality.pq)
            tag = array.removeprefix("dvpq_")
            if f"per_class_{tag}" in case:
                yield case.compare(f"per_class_{tag}", quality.per_class)
        elif array.startswith("seq0_iou_lambda"):
            tag = array.removeprefix("seq0_iou_")
            threshold = float(tag.removeprefix("lambda"))
            counts = dvpq_counts(sequences[0], CITYSCAPES_DVPS, threshold=threshold)
            for name in ("iou", "tp", "fn", "fp"):
                whole = case.arrays[f"seq0_{name}_{tag}"]  # the last class is void
                found = getattr(counts, name)
                yield case.compare(f"seq0_{name}_{tag}", found, expected=whole[: len(found)])
            if threshold > 0:
                error = absolute_relative(sequences[0])
                yield case.compare(f"seq0_abs_rel_{tag}", error)


@KINDS.add("DVPQ of SemKITTI", has("in_gt_class", "counts_k1_lambda0"))
def dvpq_semkitti(case: Case) -> Iterator[Comparison]:
    pairs = semkitti_frames(case)
    for array in case.arrays:
        if not array.startswith("dvpq_"):
            continue
        tag = array.removeprefix("dvpq_")
        frames, threshold = _window_and_threshold(array)
        options = {"frames": frames, "threshold": threshold}
        yield case.compare(array, dvpq([pairs], SEMKITTI_DVPS, **options).pq)
        counts = dvpq_counts(pairs, SEMKITTI_DVPS, **options)
        found = torch.stack((counts.iou, counts.tp, counts.fn, counts.fp))
        yield case.compare(f"counts_{tag}", found)
        if threshold > 0 and frames == 1:
            each = [absolute_relative([pair]) for pair in pairs]
            yield case.compare(f"abs_rel_{tag}", np.mean(each))


@KINDS.add("PQ of COCO", has("in_gt_crowd", "PQ"))
def pq_coco(case: Case) -> Iterator[Comparison]:
    counts = PanopticCounts.none(19)
    for index, pred in enumerate(case["in_pred"]):
        official = [int(s) for image, s in case["in_gt_crowd"] if image == index]
        crowds = train_ids(torch.tensor(official)).tolist()
        truth = train_ids(case["in_gt_id"][index])
        counts += match_segments(pred, truth, CITYSCAPES_PQ, crowds)
    quality = panoptic_quality(counts, CITYSCAPES_PQ)
    for name in ("pq", "sq", "rq"):
        for suffix, value in zip(("", "_th", "_st"), getattr(quality, name), strict=True):
            yield case.compare(f"{name.upper()}{suffix}", value)


def stored_frame(case: Case) -> PanopticFrame:
    """The stored frame of a data set."""
    classes = case["in_vps"] // 1000
    return PanopticFrame(
        case["in_image_rgb"].permute(2, 0, 1),
        torch.where(classes > 18, VOID_CLASS, classes).to(torch.uint8),
        case["in_vps"] % 1000,
        case["in_depth_raw"].float() / 256,
        "stored",
    )


def rescaled(
    frame: PanopticFrame, scale: float, crop: tuple[int, int], *, bounded: bool = True
) -> PanopticFrame:
    """A frame resized by a scale of the crop, and cropped in the middle."""
    native = frame.classes.shape
    size = scaled_size(native, crop, scale)
    changed = centre_cropped(resized(frame, size), crop)
    return farther(changed, resize_ratio(native, size), bounded=bounded)


@KINDS.add("data set", has("in_vps", "plain.image"))
def data_set(case: Case) -> Iterator[Comparison]:
    for tag in case.options:
        frame = stored_frame(case)
        crop = tuple(case.arrays[f"{tag}.sem_seg"].shape)
        if tag == "flip":
            frame = mirrored(frame)
        elif tag != "plain":
            scale = int(tag.removesuffix("_unbounded")[-2:]) / 10
            frame = rescaled(frame, scale, crop, bounded="unbounded" not in tag)
        yield case.compare(f"{tag}.image", frame.rgb.flip(0))
        yield case.compare(f"{tag}.sem_seg", frame.classes)
        yield case.compare(f"{tag}.depth", frame.depth_m)
        truth = ground_truth_of(frame, THINGS)
        yield case.compare(f"{tag}.classes", truth.labels)
        yield case.compare(f"{tag}.boxes", truth.boxes)
        array = f"{tag}.masks_packed"
        yield case.compare(array, truth.masks, expected=unpacked(case.arrays[array], crop[1]))
