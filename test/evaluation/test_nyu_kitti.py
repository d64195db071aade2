"""Protocols and numbers of NYU, KITTI and their relatives against the original."""

from __future__ import annotations

import pytest
import torch
from golden.fill import noise_image
from golden.scaledepth_reference import case

from depth_perception.evaluation.metrics import photo_metrics
from depth_perception.evaluation.nyu_kitti import (
    NYU_FOCAL_PX,
    PROTOCOLS,
    PhotoProtocol,
    crop_mask,
)

GOLDEN = case("metrics")
SETS = GOLDEN.entry["options"]["sets"]


def pair(height: int, width: int, k: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prediction and truth of one image of the case."""
    one = torch.from_numpy(noise_image(height, width, seed)).float()
    other = torch.from_numpy(noise_image(height, width, seed + 1)).float()
    truth = one[..., 0] * k / 255
    truth[one[..., 1] < 80] = 0
    pred = truth * (0.7 + other[..., 0] / 425) + other[..., 1] * k / 2550 + 0.01
    return pred, truth


@pytest.mark.parametrize("name", SETS)
def test_numbers_equal_the_original(name: str) -> None:
    options = SETS[name]
    rescale = options.get("focal_length_rescale", False)
    protocol = PhotoProtocol(
        min_depth_m=options["min_depth_eval"],
        max_depth_m=options["max_depth_eval"],
        crop=options.get("crop_type", "none").removesuffix("_crop"),
        clamp=options.get("depth_clamp", False),
        reference_focal_px=NYU_FOCAL_PX if rescale else None,
    )
    rows, counts = [], []
    for seed in GOLDEN.entry["input"]["seeds"]:
        pred, truth = pair(options["height"], options["width"], options["k"], seed)
        focal = GOLDEN.entry["options"]["focal_length"]
        rows.append([*protocol.metrics(pred, truth, focal_px=focal).values()])
        counts.append(int(protocol.mask(truth).sum()))
    assert torch.tensor(counts).equal(GOLDEN.arrays[f"{name}/mask_count"])
    GOLDEN.assert_close(torch.tensor(rows), f"{name}/per_image")
    GOLDEN.assert_close(torch.tensor(rows).mean(0), name)


def test_names_are_in_the_order_of_the_original() -> None:
    theirs = GOLDEN.entry["options"]["metric_order"]
    assert [*photo_metrics(torch.ones(2), torch.ones(2))] == [
        name.replace(".", "_") for name in theirs
    ]


def test_published_protocols_are_those_of_the_case() -> None:
    garg, sun = SETS["kitti-garg-clamp"], SETS["sunrgbd"]
    assert PROTOCOLS["kitti"].crop == garg["crop_type"].removesuffix("_crop")
    assert PROTOCOLS["kitti"].max_depth_m == garg["max_depth_eval"]
    assert PROTOCOLS["sunrgbd"].max_depth_m == sun["max_depth_eval"]
    assert PROTOCOLS["sunrgbd"].reference_focal_px == 519.163756
    assert PROTOCOLS["diml-outdoor"].min_depth_m == SETS["diml-garg"]["min_depth_eval"]


def test_images_without_truth_are_left_out() -> None:
    assert PhotoProtocol().metrics(torch.ones(4, 4), torch.zeros(4, 4)) is None
    limit = torch.full((4, 4), 10.0)  # the limit itself does not count, so truth clamped to it
    assert PhotoProtocol().metrics(torch.ones(4, 4), limit) is None  # drops out in the original too


def test_what_cannot_be_judged_is_named() -> None:
    with pytest.raises(ValueError, match="352, 1216"):
        crop_mask("eigen", 375, 1242)
    with pytest.raises(ValueError, match="focal_px"):
        PROTOCOLS["sunrgbd"].metrics(torch.ones(530, 730), torch.ones(530, 730))
    with pytest.raises(ValueError, match="must be below"):
        PhotoProtocol(min_depth_m=3, max_depth_m=2)
    with pytest.raises(ValueError, match="cannot compare"):
        photo_metrics(torch.ones(3), torch.ones(2))
