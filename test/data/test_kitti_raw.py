"""KITTI raw: pairs, calibration, lidar, and the writer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden.blindspot_reference import case
from golden.fill import noise_image

from depth_perception.data.kitti_raw import (
    KittiCalibration,
    KittiRaw,
    find_pairs,
    read_calibration,
    read_lidar,
    read_pairs,
    resized,
    write_calibration,
    write_kitti_raw,
)
from depth_perception.data.stereo import StereoFrame
from depth_perception.geometry import DepthKind, Equirectangular, Pinhole
from depth_perception.io.images import write_image

CAMERA = Pinhole(12, 20, 15.0, 14.0, 10.3, 5.8)


def golden_calibration():
    arrays = case("kitti-metrics").arrays
    names = ("P2", "P3", "R_rect", "velo_R", "velo_T")
    return KittiCalibration(*(arrays[f"in_{name}"].double().numpy() for name in names))


def test_pairs_match_the_original_loader(tmp_path):
    golden = case("kitti-loader")
    source = golden.entry["input"]
    images = {}
    for name, seed in source["files"].items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images[path] = seed
        write_image(path, noise_image(source["height"], source["width"], seed))
    for day in tmp_path.iterdir():
        write_calibration(day, golden_calibration())
        (day / "calib_imu_to_velo.txt").write_text("R: 1\n")
    pairs = find_pairs(tmp_path)
    for side in ("left", "right"):
        seeds = torch.tensor([images[getattr(pair, side)] for pair in pairs], dtype=torch.int32)
        assert torch.equal(seeds, golden.arrays[f"out_{side}_seed"])
    frame = KittiRaw(pairs, size=(32, 64))[0]
    golden.assert_close(frame.left.float() / 255, "out_left_0")
    golden.assert_close(frame.right.float() / 255, "out_right_0")
    assert frame.camera.fx == pytest.approx(72 * 64 / 155)
    assert frame.baseline_m == pytest.approx(0.53)
    assert not frame.depth_m.any()


def test_lidar_depth_and_baseline_match_the_original():
    golden = case("kitti-metrics")
    calibration = golden_calibration()
    points = golden.arrays["in_velodyne"].numpy()
    forward = torch.from_numpy(calibration.depth(points, 40, 120))
    golden.assert_close(forward, "out_velo_depth")
    camera = torch.from_numpy(calibration.depth(points, 40, 120, of_camera=True))
    golden.assert_close(camera, "out_cam_depth")
    measured = torch.tensor([calibration.focal_px, calibration.baseline_m])
    golden.assert_close(measured, "out_focal_baseline")


def frames(count=2):
    generator = torch.Generator().manual_seed(2)
    for _ in range(count):
        pictures = torch.randint(0, 256, (2, 3, 12, 20), generator=generator, dtype=torch.uint8)
        depth = 2 + 10 * torch.rand(12, 20, generator=generator)
        depth[0, :5] = 0
        yield StereoFrame(*pictures, depth, DepthKind.Z, CAMERA, 0.5)


def test_what_is_written_can_be_read(tmp_path):
    listing = write_kitti_raw(tmp_path, frames())
    pairs = read_pairs(listing, tmp_path)
    assert pairs == find_pairs(tmp_path)
    reader = KittiRaw(pairs, truth=True)
    assert len(reader) == 2
    for frame, written in zip((reader[0], reader[1]), frames(), strict=True):
        assert torch.equal(frame.left, written.left)
        assert torch.equal(frame.right, written.right)
        assert frame.baseline_m == pytest.approx(0.5)
        assert frame.camera.to_k() == pytest.approx(CAMERA.to_k())
        # The evaluation of Eigen et al. subtracts one from the rounded positions.
        torch.testing.assert_close(frame.depth_m[:-1, :-1], written.depth_m[1:, 1:])
        assert frame.kind is DepthKind.Z
        assert (frame.range_m >= frame.depth_m).all()
    assert KittiRaw(pairs)[1].left.shape == (3, 12, 20)


def test_depth_of_the_camera_is_less_than_that_of_the_lidar_behind_it(tmp_path):
    files = read_pairs(write_kitti_raw(tmp_path, frames()), tmp_path)
    plain = read_calibration(files[0].day)
    write_calibration(files[0].day, replace(plain, translation=np.array([0, 0, -0.27])))
    lidar, camera = (KittiRaw(files, truth=True, of_camera=c)[0].depth_m for c in (False, True))
    known = lidar > 0
    assert known.any()
    torch.testing.assert_close(lidar[known] - 0.27, camera[known])


def test_lists_with_the_other_kind_of_picture(tmp_path):
    listing = write_kitti_raw(tmp_path, frames())
    other = tmp_path / "other.txt"
    other.write_text(listing.read_text().replace(".png", ".jpg") + "\n")
    assert read_pairs(other, tmp_path) == read_pairs(listing, tmp_path)
    other.write_text("a b c\n")
    with pytest.raises(ValueError, match="line 1"):
        read_pairs(other, tmp_path)
    with pytest.raises(FileNotFoundError, match="no list"):
        read_pairs(tmp_path / "none.txt", tmp_path)


def test_incomplete_sets_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="DATE/DRIVE"):
        find_pairs(tmp_path)
    write_kitti_raw(tmp_path, frames())
    pairs = find_pairs(tmp_path)
    pairs[1].lidar.write_bytes(b"12345678")
    with pytest.raises(ValueError, match="points of four"):
        KittiRaw(pairs, truth=True)[1]
    pairs[1].lidar.unlink()
    with pytest.raises(FileNotFoundError, match="no lidar points"):
        read_lidar(pairs[1].lidar)
    write_image(pairs[1].right, np.zeros((11, 20, 3), np.uint8))
    with pytest.raises(ValueError, match="its partner"):
        KittiRaw(pairs)[1]
    pairs[1].right.unlink()
    with pytest.raises(FileNotFoundError, match="no partner"):
        find_pairs(tmp_path)
    text = (pairs[0].day / "calib_cam_to_cam.txt").read_text()
    (pairs[0].day / "calib_cam_to_cam.txt").write_text(text.replace("P_rect_03", "P_rect_09"))
    with pytest.raises(ValueError, match="P_rect_03"):
        KittiRaw(pairs)[0]
    (pairs[0].day / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(FileNotFoundError, match="calib_cam_to_cam"):
        read_calibration(pairs[0].day)


def test_wrong_arguments_are_refused(tmp_path):
    with pytest.raises(ValueError, match="original size"):
        KittiRaw((), size=(4, 8), truth=True)
    with pytest.raises(ValueError, match="no frames"):
        write_kitti_raw(tmp_path, [])
    panorama = torch.zeros(3, 4, 8, dtype=torch.uint8)
    frame = StereoFrame(
        panorama, panorama, torch.ones(4, 8), DepthKind.RANGE, Equirectangular(4, 8), 0.26
    )
    with pytest.raises(ValueError, match="is not a horizontal pinhole pair"):
        write_kitti_raw(tmp_path, [frame])
    with pytest.raises(ValueError, match=r"rectify must be \(3, 3\)"):
        KittiCalibration(np.eye(3, 4), np.eye(3, 4), np.eye(2), np.eye(3), np.zeros(3))


def test_resizing_keeps_a_picture_of_that_size():
    image = noise_image(8, 16, 1)
    assert torch.equal(resized(image, (8, 16)), torch.from_numpy(image).permute(2, 0, 1))
    assert math.isclose(resized(image, (4, 8)).float().mean(), image.mean(), abs_tol=3)
