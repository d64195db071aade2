"""Readers of rendered data sets, each on a folder in the layout of its data set."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
import pytest
import torch

from depth_perception.data import rendered
from depth_perception.data.worlds import FolderOptions, make_world, render, write_folder
from depth_perception.data.worlds.folder import frame_pose
from depth_perception.geometry import Equirectangular, Pinhole
from depth_perception.io.depth_files import write_depth

HEIGHT, WIDTH = 6, 8
DEPTH = np.linspace(1, 40, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
RED = np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.array([0, 0, 200], np.uint8)  # BGR


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), RED)
    return path


def hypersim(root: Path) -> rendered.Hypersim:
    picture(root / "a" / "rgb.png")
    write_depth(root / "a" / "depth.png", DEPTH)
    lists = {"val_rgb_paths": ["a/rgb.png"], "val_dpt_paths": ["a/depth.png"]}
    (root / "lists.json").write_text(json.dumps(lists))
    return rendered.Hypersim(root / "lists.json", "val")


def urbansyn(root: Path) -> rendered.UrbanSyn:
    picture(root / "rgb" / "rgb_0001.png")
    (root / "depth").mkdir()
    with OpenEXR.File({}, {"Y": DEPTH / np.float32(1e5)}) as file:
        file.write(str(root / "depth" / "depth_0001.exr"))
    return rendered.UrbanSyn(root)


def unrealstereo4k(root: Path) -> rendered.UnrealStereo4K:
    scene = root / "00003"
    picture(scene / "Image0" / "00000.png")
    focal, baseline = 20.0, 0.4
    disparity = focal * baseline / DEPTH
    disparity[0, 0], disparity[0, 1] = math.nan, 0
    (scene / "Disp0").mkdir()
    np.save(scene / "Disp0" / "00000.npy", disparity)
    for name, x in (("Extrinsics0", 1.0), ("Extrinsics1", 1.0 - baseline)):
        (scene / name).mkdir()
        lines = f"{focal} 0 4 0 {focal} 3 0 0 1\n1 0 0 {x} 0 1 0 0 0 0 1 0\n"
        (scene / name / "00000.txt").write_text(lines)
    return rendered.UnrealStereo4K(root)


def vkitti2(root: Path) -> rendered.VirtualKitti:
    frames = root / "Scene01" / "clone" / "frames"
    picture(frames / "rgb" / "Camera_0" / "rgb_00000.jpg")
    (frames / "depth" / "Camera_0").mkdir(parents=True)
    write_depth(frames / "depth" / "Camera_0" / "depth_00000.png", DEPTH, png_scale=100)
    return rendered.VirtualKitti(root)


def tartanair(root: Path) -> rendered.TartanAir:
    place = root / "abandonedfactory" / "Easy" / "P000"
    picture(place / "image_left" / "000000_left.png")
    (place / "depth_left").mkdir()
    np.save(place / "depth_left" / "000000_left_depth.npy", DEPTH)
    return rendered.TartanAir(root)


@pytest.mark.parametrize("write", [hypersim, urbansyn, vkitti2, tartanair])
def test_layouts_of_the_data_sets(tmp_path: Path, write) -> None:
    reader = write(tmp_path)
    assert len(reader) == 1
    frame = reader[0]
    assert (frame.rgb[0] > 190).all()
    assert (frame.rgb[1:] < 10).all()
    tolerance = 0.006 if write is vkitti2 else 6e-4
    torch.testing.assert_close(frame.depth_m, torch.from_numpy(DEPTH), atol=tolerance, rtol=0)


def test_disparity_becomes_depth(tmp_path: Path) -> None:
    frame = unrealstereo4k(tmp_path)[0]
    expected = torch.from_numpy(DEPTH).clone()
    expected[0, :2] = 20 * 0.4 / 1e-4
    torch.testing.assert_close(frame.depth_m, expected, atol=0, rtol=1e-5)


@pytest.mark.parametrize("reader", [rendered.UrbanSyn, rendered.VirtualKitti, rendered.TartanAir])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, reader) -> None:
    with pytest.raises(FileNotFoundError, match=f"no {reader.__name__} frames below"):
        reader(tmp_path)


def test_a_picture_without_depth_is_named(tmp_path: Path) -> None:
    picture(tmp_path / "rgb" / "rgb_0001.png")
    with pytest.raises(FileNotFoundError, match=r"depth_0001\.exr"):
        rendered.UrbanSyn(tmp_path)


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    hypersim(tmp_path)
    with pytest.raises(ValueError, match="no list test_rgb_paths, only val_rgb_paths"):
        rendered.Hypersim(tmp_path / "lists.json", "test")


def test_worlds_give_depth_along_the_axis(tmp_path: Path) -> None:
    camera, options = Pinhole.from_fov(24, 32, math.pi / 2), FolderOptions(frames_per_world=1)
    list(write_folder(tmp_path, [3], camera, options))
    world = make_world("any", 3)
    truth = render(world, camera, frame_pose(world, 0, 1)).z_m
    frame = rendered.PinholeWorlds(tmp_path)[0]
    assert frame.rgb.shape == (3, 24, 32)
    assert torch.isinf(frame.depth_m[torch.isinf(truth)]).all()
    torch.testing.assert_close(frame.depth_m, truth, atol=1e-3, rtol=0)


def test_panoramas_are_no_pinhole_frames(tmp_path: Path) -> None:
    options = FolderOptions(frames_per_world=1, shadows=False, antialias=False)
    list(write_folder(tmp_path, [3], Equirectangular(8, 16), options))
    with pytest.raises(ValueError, match="holds panoramas; write pinhole frames with"):
        rendered.PinholeWorlds(tmp_path)
