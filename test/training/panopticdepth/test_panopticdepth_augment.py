"""What happens to frames before PanopticDepth learns from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import Case, case, unpacked

from depth_perception.data.panoptic import VOID_CLASS, PanopticFrame
from depth_perception.training.panopticdepth.augment import (
    PanopticAugment,
    SsdColour,
    augmented,
    centre_cropped,
    farther,
    ground_truth_of,
    mirrored,
    random_cropped,
    recoloured,
    resize_ratio,
    resized,
    scaled_size,
    short_side_size,
)

THINGS = range(11, 19)
CROP = (48, 96)


def stored_frame(golden: Case) -> PanopticFrame:
    classes = golden["in_vps"] // 1000
    return PanopticFrame(
        golden["in_image_rgb"].permute(2, 0, 1),
        torch.where(classes > 18, VOID_CLASS, classes).to(torch.uint8),
        golden["in_vps"] % 1000,
        golden["in_depth_raw"].float() / 256,
        "stored",
    )


def rescaled(frame: PanopticFrame, scale: float, *, bounded: bool = True) -> PanopticFrame:
    native = frame.classes.shape
    size = scaled_size(native, CROP, scale)
    changed = centre_cropped(resized(frame, size), CROP)
    return farther(changed, resize_ratio(native, size), bounded=bounded)


@pytest.mark.parametrize("tag", ["plain", "flip", "crop12", "pad08", "pad08_unbounded"])
def test_loaded_frames_equal_the_original(tag: str) -> None:
    golden = case("data-dps")
    frame = stored_frame(golden)
    if tag == "flip":
        frame = mirrored(frame)
    elif tag == "crop12":
        frame = rescaled(frame, 1.2)
    elif tag.startswith("pad08"):
        frame = rescaled(frame, 0.8, bounded=tag == "pad08")
    bgr = frame.rgb.flip(0).int()
    assert (bgr - golden[f"{tag}.image"].int()).abs().max() <= golden.entry["atol"]["image"]
    assert torch.equal(frame.classes, golden[f"{tag}.sem_seg"])
    limits = {"atol": golden.entry["atol"]["depth"], "rtol": golden.entry["rtol"]}
    torch.testing.assert_close(frame.depth_m, golden[f"{tag}.depth"], **limits)
    truth = ground_truth_of(frame, THINGS)
    assert truth.labels.tolist() == golden[f"{tag}.classes"].tolist()
    assert torch.equal(truth.boxes, golden[f"{tag}.boxes"])
    width = frame.classes.shape[1]
    assert torch.equal(truth.masks, unpacked(golden[f"{tag}.masks_packed"], width))


def test_thin_objects_and_crowds_are_no_objects() -> None:
    frame = stored_frame(case("data-dps"))
    whole = ground_truth_of(frame, THINGS)
    segment = tuple(sorted({(13, 1), (15, 2), (15, 4), (15, 5), (18, 3)}))
    assert len(whole.labels) == len(segment)
    crowded = ground_truth_of(replace(frame, crowds=((15, 4),)), THINGS)
    assert len(crowded.labels) == len(segment) - 1
    assert torch.equal(crowded.classes, whole.classes)
    line = frame.instances.clone()
    line[:, 0] = 900
    thin = replace(frame, instances=line, classes=torch.full_like(frame.classes, 13))
    assert ground_truth_of(thin, THINGS).boxes[:, 0].min() > 0


def test_sizes_round_as_published() -> None:
    assert short_side_size((1024, 2048), 512, 4096) == (512, 1024)
    assert short_side_size((1024, 2048), 1024, 1800) == (900, 1800)
    assert scaled_size((60, 104), CROP, 1.2) == (58, 100)  # 57.6 and 99.84


def test_colours_change_within_their_limits() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    rng = np.random.default_rng(1)
    assert np.array_equal(recoloured(image, SsdColour(chance=0), rng), image)
    only = SsdColour(chance=1, contrast=0, saturation=0, hue=0)
    changed = recoloured(image, only, rng).astype(int)
    assert 0 < np.abs(changed - image).max() <= 34  # 32, and what a trip through HSV rounds off
    assert any(
        not np.array_equal(recoloured(image, SsdColour(), np.random.default_rng(seed)), image)
        for seed in range(3)
    )


def test_the_same_numbers_give_the_same_frame() -> None:
    frame = stored_frame(case("data-dps"))
    changes = PanopticAugment(short_sides=(64, 80), crop=(50, 70))
    first, again = (augmented(frame, changes, np.random.default_rng(5)) for _ in range(2))
    other = augmented(frame, changes, np.random.default_rng(6))
    assert first.rgb.shape == (3, 50, 70)
    assert first.depth_m.shape == first.classes.shape == first.instances.shape == (50, 70)
    assert torch.equal(first.rgb, again.rgb)
    assert torch.equal(first.depth_m, again.depth_m)
    assert not torch.equal(first.rgb, other.rgb)


def test_a_crop_takes_the_same_part_of_every_map() -> None:
    frame = stored_frame(case("data-dps"))
    marked = replace(frame, depth_m=frame.rgb[0].float(), instances=frame.rgb[0].int())
    part = random_cropped(marked, (20, 30), np.random.default_rng(2))
    assert torch.equal(part.rgb[0].float(), part.depth_m)
    assert torch.equal(part.rgb[0].int(), part.instances)
    small = random_cropped(marked, (500, 30), np.random.default_rng(2))
    assert small.rgb.shape == (3, 60, 30)


def test_a_scaled_crop_is_what_its_parts_make() -> None:
    frame = stored_frame(case("data-dps"))
    changes = PanopticAugment(scale=(0.8, 0.8), crop=CROP, flip=0, colour=None)
    found = augmented(frame, changes, np.random.default_rng(0))
    expected = rescaled(frame, 0.8)
    assert torch.equal(found.rgb, expected.rgb)
    assert torch.equal(found.depth_m, expected.depth_m)
    free = augmented(frame, replace(changes, bounded_depth=False), np.random.default_rng(0))
    assert free.depth_m.max() > found.depth_m.max()


def test_bad_options_are_named() -> None:
    with pytest.raises(ValueError, match=r"flip is a probability, got 2"):
        PanopticAugment(flip=2)
    with pytest.raises(ValueError, match="scale needs crop"):
        PanopticAugment(scale=(0.8, 1.2))
    with pytest.raises(ValueError, match="from a positive number up"):
        PanopticAugment(scale=(1.2, 0.8), crop=CROP)
    with pytest.raises(ValueError, match="sides must be positive"):
        PanopticAugment(crop=(0, 5))
    with pytest.raises(ValueError, match=r"chance is a probability, got -1"):
        SsdColour(chance=-1)
