"""Readers of NYU and KITTI on small folders in their layout, and against the original."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from golden.scaledepth_reference import case

from depth_perception.data.photos import (
    KITTI_CROP,
    OUTDOOR_SCENE,
    UNKNOWN_SCENE,
    bottom_centre_box,
    kitti_photos,
    nyu_photos,
    scene_of_name,
    sunrgbd_samples,
)
from depth_perception.io.depth_files import DepthReadError
from depth_perception.io.images import ImageReadError

GOLDEN = case("data-pipeline")
OPTIONS = GOLDEN.entry["options"]


def write_pair(image: Path, depth: Path, samples: np.ndarray, seed: int = 0) -> np.ndarray:
    """A random picture and its depth; returns the picture, RGB."""
    image.parent.mkdir(parents=True, exist_ok=True)
    depth.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.random.default_rng(seed).integers(0, 256, (*samples.shape, 3), np.uint8)
    cv2.imwrite(str(image), rgb[..., ::-1])
    cv2.imwrite(str(depth), samples)
    return rgb


def test_depth_samples_become_the_metres_of_the_original(tmp_path: Path) -> None:
    samples = GOLDEN.arrays["depthload_png_uint16"].numpy().astype(np.uint16)[None]
    exact = {"atol": 1e-6, "rtol": 1e-6}
    root = tmp_path / "nyu"
    folders = root / "images" / "test", root / "annotations" / "test"
    write_pair(folders[0] / "office_1.png", folders[1] / "office_1.png", samples)
    (photo,) = nyu_photos(root, "test")
    torch.testing.assert_close(photo.depth_m[0], GOLDEN.arrays["depthload_nyu_1e-3"], **exact)
    write_pair(tmp_path / "input" / "a.png", tmp_path / "gt_depth" / "b.png", samples)
    (tmp_path / "list.txt").write_text("a.png b.png 721.5\n")
    reader = kitti_photos(tmp_path, "list.txt")
    reader.crop = None
    kitti = reader[0].depth_m[0]
    torch.testing.assert_close(kitti, GOLDEN.arrays["depthload_kitti_256"], **exact)
    sun = torch.from_numpy(sunrgbd_samples(samples)[0] / np.float32(1000))
    torch.testing.assert_close(sun, GOLDEN.arrays["depthload_sunrgbd_inpaint"], **exact)


def test_scenes_are_those_of_the_original() -> None:
    for name, scene in OPTIONS["nyu_category_id"].items():
        assert scene_of_name(Path(name).name) == scene, name
    assert scene_of_name("7.png") == scene_of_name("") == UNKNOWN_SCENE


def test_crops_of_kitti_are_those_of_the_original() -> None:
    for size, box in OPTIONS["kbcrop"].items():
        height, width = map(int, size.split("x"))
        top, bottom, left, right = bottom_centre_box(height, width)
        assert (top, left) == (box["top"], box["left"])
        assert (bottom - top, right - left) == (box["height"], box["width"]) == KITTI_CROP
    with pytest.raises(ValueError, match="300 x 1242"):
        bottom_centre_box(300, 1242)


def test_nyu_is_read_below_subfolders(tmp_path: Path) -> None:
    samples = np.arange(12, dtype=np.uint16).reshape(3, 4)
    images, depths = tmp_path / "images" / "train", tmp_path / "annotations" / "train"
    names = ("attic/attic_2", "kitchen_0001", "sub/living_room_0004_00012")
    written = [
        write_pair(images / f"{name}.png", depths / f"{name}.png", samples + index, index)
        for index, name in enumerate(names)
    ]
    photos = nyu_photos(tmp_path, "train")
    assert [photo.scene for photo in photos] == [UNKNOWN_SCENE, 6, 2]
    for index, (photo, rgb) in enumerate(zip(photos, written, strict=True)):
        assert photo.rgb.permute(1, 2, 0).numpy().tolist() == rgb.tolist()
        expected = torch.from_numpy((samples + index).astype(np.float32)) / 1000
        torch.testing.assert_close(photo.depth_m, expected)


def test_kitti_leaves_out_lines_without_depth_and_crops(tmp_path: Path) -> None:
    samples = np.zeros((375, 1242), np.uint16)
    samples[23, 13] = 512
    rgb = write_pair(tmp_path / "input/d/1.png", tmp_path / "gt_depth/d/1.png", samples)
    (tmp_path / "train.txt").write_text("d/1.png d/1.png 721.5\n\nd/2.png None 721.5\n")
    (photo,) = kitti_photos(tmp_path, "train.txt")
    assert photo.scene == OUTDOOR_SCENE == 27
    assert photo.depth_m.shape == KITTI_CROP
    assert photo.depth_m[0, 0] == 2
    assert photo.rgb[:, 0, 0].tolist() == rgb[23, 13].tolist()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="images"):
        nyu_photos(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        kitti_photos(tmp_path, "none.txt")
    (tmp_path / "bad.txt").write_text("a.png\n")
    with pytest.raises(ValueError, match="line 1"):
        kitti_photos(tmp_path, "bad.txt")
    (tmp_path / "lost.txt").write_text("a.png b.png\n")
    with pytest.raises(ImageReadError, match=r"a\.png"):
        kitti_photos(tmp_path, "lost.txt")[0]
    samples = np.zeros((352, 1216), np.uint16)
    write_pair(tmp_path / "input/a.png", tmp_path / "gt_depth/c.png", samples)
    with pytest.raises(DepthReadError, match=r"b\.png"):
        kitti_photos(tmp_path, "lost.txt")[0]
    cv2.imwrite(str(tmp_path / "gt_depth" / "b.png"), samples.astype(np.uint8))
    with pytest.raises(DepthReadError, match="uint8"):
        kitti_photos(tmp_path, "lost.txt")[0]
    cv2.imwrite(str(tmp_path / "gt_depth" / "b.png"), samples[1:])
    with pytest.raises(ValueError, match="but its image"):
        kitti_photos(tmp_path, "lost.txt")[0]
