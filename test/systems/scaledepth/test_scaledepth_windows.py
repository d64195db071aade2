"""ScaleDepth on whole pictures, windows and mirrored pictures."""

from __future__ import annotations

import math

import cv2
import pytest
import torch
from golden.fill import noise_image
from golden.scaledepth_reference import case, slide_windows
from systems.scaledepth.test_scaledepth_network import network_of

from depth_perception.systems.scaledepth.network import ScaleDepth
from depth_perception.systems.scaledepth.windows import (
    Windows,
    fitted_size,
    joint_factors,
    scaledepth_input,
    scene_depth,
)

OWN = Windows(scale="own")


@pytest.fixture(scope="module")
def network() -> ScaleDepth:
    return network_of(case("infer-nyu-whole"))


def kitti_crop(pixels: torch.Tensor) -> torch.Tensor:
    """The 352 x 1216 pixels at the bottom that the KITTI evaluation looks at."""
    top, left = pixels.shape[0] - 352, int((pixels.shape[1] - 1216) / 2)
    return pixels[top : top + 352, left : left + 1216]


@pytest.mark.parametrize(
    "name", ["infer-nyu-whole", "infer-nyu-slideflip", "infer-kitti-whole", "infer-kitti-slideflip"]
)
def test_inference_equals_the_original(network: ScaleDepth, name: str) -> None:
    golden = case(name)
    options = golden.entry["options"]
    pixels = torch.from_numpy(golden.images[0])
    if "kitti" in name:
        pixels = kitti_crop(pixels)
    whole = options["test_cfg"]["mode"] == "whole"
    height, width = options["network_input"][1:]
    resized = cv2.resize(pixels.numpy(), (width, height), interpolation=cv2.INTER_LINEAR)
    images = torch.from_numpy(resized).permute(2, 0, 1)[None].float()
    with torch.inference_mode():
        depth = scene_depth(
            network,
            images,
            windows=None if whole else OWN,
            flip=not whole,
            head_size=tuple(options["img_shape_meta"]) if whole else None,
            batch=2,
        ).depth_m
        if whole:
            size = tuple(options["output_size"])
            depth = torch.nn.functional.interpolate(depth, size, mode="bilinear")
    golden.assert_close(depth[0, 0, ::2, ::2], "depth")


def test_input_is_resized_as_by_the_original() -> None:
    pixels = case("infer-nyu-whole").images[0]
    resized = cv2.resize(pixels, (631, 480), interpolation=cv2.INTER_LINEAR)
    ours = scaledepth_input(torch.from_numpy(pixels), (480, 631))[0].permute(1, 2, 0)
    # OpenCV computes with 11 bits
    assert (ours - torch.from_numpy(resized)).abs().max() <= 1
    unchanged = scaledepth_input(torch.from_numpy(pixels), pixels.shape[:2])[0]
    assert (unchanged.permute(1, 2, 0).numpy() == pixels).all()


def test_pictures_of_the_evaluation_are_resized_as_by_the_original() -> None:
    golden = case("data-pipeline")
    source = golden.entry["input"]["resize"]
    height, width = source["height"], source["width"]
    pixels = torch.from_numpy(noise_image(height, width, source["seed"]))
    sizes = {
        "resize_2000x48_keep": fitted_size(height, width, 2000, 48),
        "resize_48_keep": fitted_size(height, width, 48, 48),
        "resize_70x40": (40, 70),
    }
    for name, size in sizes.items():
        ours = scaledepth_input(pixels, size)[0].permute(1, 2, 0)
        golden.assert_close(ours, name, check_dtype=False)


def test_windows_are_those_of_the_original() -> None:
    for size, expected in slide_windows().items():
        height, width = map(int, size.split("x"))
        assert OWN.boxes(height, width) == [tuple(box) for box in expected]


def test_joint_factors_undo_the_scale_of_each_window() -> None:
    torch.manual_seed(0)
    windows = Windows(64, 96, 40)
    boxes = windows.boxes(120, 200)
    truth = 1 + 5 * torch.rand(2, 1, 120, 200)
    spoiled = 0.5 + torch.rand(len(boxes), 2)
    parts = torch.stack([truth[..., t:b, le:r] for t, b, le, r in boxes])
    parts = parts * spoiled[..., None, None, None]
    even = spoiled * joint_factors(parts, boxes)
    torch.testing.assert_close(even, even[:1].expand_as(even), atol=0, rtol=1e-4)
    # and the factors themselves have a geometric mean of 1
    torch.testing.assert_close(even[0], spoiled.log().mean(0).exp(), atol=0, rtol=1e-4)


def test_joint_windows_have_no_seams(network: ScaleDepth) -> None:
    torch.manual_seed(1)
    images = 255 * torch.rand(1, 3, 96, 160)
    steps = {}
    with torch.inference_mode():
        for scale in ("own", "joint"):
            windows = Windows(64, 64, 48, scale)
            result = scene_depth(network, images, windows=windows)
            depth = result.depth_m[0, 0].log()
            steps[scale] = float((depth[:, 1:] - depth[:, :-1]).abs().amax())
            assert math.isfinite(steps[scale])
            assert result.depth_m.shape == (1, 1, 96, 160)
    assert steps["joint"] < steps["own"]


def test_batches_are_made_of_single_images(network: ScaleDepth) -> None:
    torch.manual_seed(2)
    images = 255 * torch.rand(3, 3, 64, 96)
    for windows in (None, Windows(64, 64, 32), Windows(64, 64, 32, "own")):
        with torch.inference_mode():
            together = scene_depth(network, images, windows=windows, flip=True, batch=2)
            single = [scene_depth(network, i[None], windows=windows, flip=True) for i in images]
        alone = torch.cat([s.depth_m for s in single])
        torch.testing.assert_close(together.depth_m, alone, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.scale_m, torch.cat([s.scale_m for s in single]))
        assert together.class_probabilities.shape == (3, 28)
        sums = together.class_probabilities.sum(-1)
        torch.testing.assert_close(sums, torch.ones(3))


def test_flip_makes_mirrored_images_alike(network: ScaleDepth) -> None:
    torch.manual_seed(3)
    images = 255 * torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        plain = scene_depth(network, images, flip=True)
        mirrored = scene_depth(network, images.flip(-1), flip=True)
    torch.testing.assert_close(plain.depth_m, mirrored.depth_m.flip(-1), atol=1e-6, rtol=1e-5)


def test_what_cannot_be_run_is_named(network: ScaleDepth) -> None:
    with pytest.raises(ValueError, match="20 x 40"):
        scene_depth(network, torch.zeros(1, 3, 20, 40))
    with pytest.raises(ValueError, match="head_size"):
        scene_depth(network, torch.zeros(1, 3, 64, 64), windows=OWN, head_size=(64, 64))
    with pytest.raises(ValueError, match="gaps"):
        Windows(64, 64, 65)
    with pytest.raises(ValueError, match="at least 32"):
        Windows(16, 64, 8)
