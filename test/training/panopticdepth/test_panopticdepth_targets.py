"""Targets of PanopticDepth against the original's."""

from __future__ import annotations

import pytest
import torch
from golden.panopticdepth_reference import Case, case, unpacked

from depth_perception.training.panopticdepth.targets import (
    GroundTruth,
    PanopticTargets,
    gaussian_radius,
    panoptic_targets,
)

LEVELS = 5


def truth_of(golden: Case) -> GroundTruth:
    return GroundTruth(
        golden["in_sem_seg"],
        unpacked(golden["in_masks_packed"], golden["in_sem_seg"].shape[1]),
        golden["in_classes"].long(),
        golden["in_boxes"],
        golden["in_depth"],
    )


def targets_of(golden: Case) -> PanopticTargets:
    return panoptic_targets(
        truth_of(golden),
        size=tuple(golden.entry["input"]["image"]),
        mask_size=tuple(golden.options["inst_shape"]),
        level_sizes=[tuple(size) for size in golden.options["feature_shapes"]],
        things=8,
        classes=19,
    )


def test_targets_equal_the_original() -> None:
    golden = case("gt")
    targets = targets_of(golden)
    golden.assert_close(targets.depth_m[None, None], "depth")
    slots = golden.options["TENSOR_DIM"]
    assert sum(len(level.objects) for level in targets.levels) > LEVELS
    for number, level in enumerate(targets.levels):
        golden.assert_close(level.centres[None], f"center_{number}")
        golden.assert_close(level.stuff[None], f"sem_scores_{number}")
        used = torch.zeros(1, slots)
        used[0, : len(level.objects)] = 1
        golden.assert_close(used, f"index_mask_{number}")
        where = used[0] == 1
        width = golden.options["feature_shapes"][number][1]
        flat = (level.places[:, 0] * width + level.places[:, 1]).float()
        limits = golden.tolerance("index")
        torch.testing.assert_close(flat, golden[f"index_{number}"][0, where], **limits)
        labels = targets.labels[level.objects].float()
        torch.testing.assert_close(labels, golden[f"class_{number}"][0, where], **limits)
        masks = torch.full((slots, *targets.masks.shape[1:]), 255.0)
        masks[where] = targets.masks[level.objects]
        golden.assert_close(masks[None], f"inst_{number}")
        count = len(level.present)
        assert golden[f"sem_index_{number}"].sum() == golden[f"sem_index_{number}"][0, :count].sum()
        assert golden[f"sem_index_{number}"].sum() == count
        soft = targets.stuff[level.present]
        torch.testing.assert_close(soft, golden[f"sem_labels_{number}"][0, :count], **limits)
        binary = (level.stuff[level.present] > 0).float()
        torch.testing.assert_close(binary, golden[f"sem_masks_{number}"][0, :count], **limits)


def test_a_picture_of_nothing() -> None:
    truth = GroundTruth(
        torch.full((64, 96), 255, dtype=torch.uint8),
        torch.zeros((0, 64, 96), dtype=torch.bool),
        torch.zeros(0, dtype=torch.int64),
        torch.zeros((0, 4)),
        torch.zeros((64, 96)),
    )
    targets = panoptic_targets(
        truth,
        size=(64, 96),
        mask_size=(16, 24),
        level_sizes=[(8, 12), (4, 6), (2, 3), (1, 2), (1, 1)],
        things=8,
        classes=19,
    )
    assert targets.masks.shape == (0, 16, 24)
    for level in targets.levels:
        assert len(level.objects) == len(level.present) == 0
        assert not level.centres.any()
        assert not level.stuff.any()


def test_objects_belong_to_every_level_of_their_size() -> None:
    masks = torch.zeros((2, 128, 256), dtype=torch.bool)
    masks[0, 10:76, 20:86] = True  # 65 pixels between its ends: two levels
    masks[1, 100:104, 200:230] = True
    truth = GroundTruth(
        torch.where(masks.any(0), 13, 0).to(torch.uint8),
        masks,
        torch.tensor([2, 2]),
        torch.tensor([[20.0, 10.0, 85.0, 75.0], [200.0, 100.0, 229.0, 103.0]]),
        torch.zeros((128, 256)),
    )
    sizes = [(16, 32), (8, 16), (4, 8), (2, 4), (1, 2)]
    targets = panoptic_targets(
        truth, size=(128, 256), mask_size=(32, 64), level_sizes=sizes, things=8, classes=19
    )
    assert [level.objects.tolist() for level in targets.levels] == [[0, 1], [0], [], [], []]
    # rows 10..75 cover pixels 2..18 of stride 4, columns 20..85 the pixels 5..21
    assert targets.levels[0].places.tolist() == [[5, 6], [12, 26]]
    assert targets.levels[0].centres[2, 5, 6] == 1


def test_radius_and_levels_are_checked() -> None:
    assert gaussian_radius(0, 0) == 0
    assert gaussian_radius(20, 30) > gaussian_radius(5, 5)
    with pytest.raises(ValueError, match="there are 5 levels, got 1"):
        panoptic_targets(
            GroundTruth(*[torch.zeros(1)] * 5),
            size=(1, 1),
            mask_size=(1, 1),
            level_sizes=[(1, 1)],
            things=8,
            classes=19,
        )
