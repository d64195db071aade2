"""Bags in and depth bags out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

import depth_perception as dp
from depth_perception.io.bags import image_topics, read_frames
from depth_perception.io.encodings import raw_pixels
from depth_perception.io.ply import read_ply

Infer = Callable[..., int]
STAMPS = (1_700_000_000_000_000_000, 1_700_000_000_500_000_000, 1_700_000_001_000_000_000)


def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (3, 32, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3", "file"])
def test_frames_are_named_by_stamp_and_equal_the_library(
    tmp_path: Path,
    infer: Infer,
    metric: list[str],
    image_bag: Callable[..., Path],
    storage: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = pictures()
    bag = image_bag("drive", {"/front/image": list(zip(STAMPS, frames, strict=True))}, storage)
    if storage == "file":
        bag = next(bag.glob("*.mcap"))
    assert infer(bag, *metric, "--raw", "npy") == 0
    folder = tmp_path / "out" / "drive"
    stems = ["1700000000_000000000", "1700000000_500000000", "1700000001_000000000"]
    assert sorted(p.name for p in folder.glob("*.png")) == [f"{stem}.png" for stem in stems]
    estimator = dp.load("panda-tiny-metric", metric[3], "cpu", height=28, output_size="network")
    for stem, image in zip(stems, frames, strict=True):
        expected = estimator(image).depth.numpy()
        np.testing.assert_array_equal(np.load(folder / f"{stem}_depth.npy"), expected)
    assert infer(bag, *metric, "--raw", "npy") == 0
    assert "0 done, 1 finished before, 0 failed (0 frames" in capsys.readouterr().out
    (folder / f"{stems[1]}.png").unlink()
    assert infer(bag, *metric, "--raw", "npy") == 0
    assert "1 done, 0 finished before, 0 failed (1 frames" in capsys.readouterr().out


def test_depth_bag_keeps_stamps_and_frames(
    tmp_path: Path,
    infer: Infer,
    metric: list[str],
    image_bag: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = pictures()
    bag = image_bag("drive", {"/image": list(zip(STAMPS, frames, strict=True))})
    target = tmp_path / "depth_bag"
    assert infer(bag, *metric, "--to-bag", target, "--resize", "--max-range", 10) == 0
    assert [(t.name, t.count, t.encoding) for t in image_topics(target)] == [
        ("/depth/image", 3, "32FC1")
    ]
    estimator = dp.load("panda-tiny-metric", metric[3], "cpu", height=28, output_size="input")
    written = list(read_frames(target, "/depth/image"))
    assert [frame.stamp_ns for frame in written] == list(STAMPS)
    assert {frame.frame_id for frame in written} == {"camera_optical_frame"}
    for frame, image in zip(written, frames, strict=True):
        m = frame.message
        depth = raw_pixels(m.height, m.width, m.encoding, m.step, m.is_bigendian, m.data)
        expected = estimator(image).depth.numpy()
        np.testing.assert_array_equal(depth, np.where(expected <= 10, expected, np.nan))

    assert infer(bag, *metric, "--to-bag", target, "--resize", "--max-range", 10) == 0
    assert "depth_bag exists and was kept" in capsys.readouterr().out
    options = ("--to-bag", target, "--resize", "--overwrite", "--max-range", 1e-6)
    assert infer(bag, *metric, *options) == 0
    first = next(read_frames(target, "/depth/image")).message
    assert np.isnan(np.frombuffer(first.data, np.float32)).all()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_topic_is_chosen_and_bad_messages_are_listed(
    tmp_path: Path,
    infer: Infer,
    tiny: list[str],
    image_bag: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    frames = list(zip(STAMPS, pictures(), strict=True))
    depth = [(STAMPS[0], np.ones((4, 8), np.float32))]
    bag = image_bag("two", {"/left": frames, "/right": frames, "/depth": depth})
    assert infer(bag, *tiny) == 1
    printed = capsys.readouterr().out
    assert "has 2 camera image topics" in printed
    assert "/left (3 x rgb8)" in printed
    assert "choose one with --topic" in printed
    assert infer(bag, *tiny, "--topic", "/up") == 1
    assert "has no image topic '/up'" in capsys.readouterr().out
    assert infer(bag, *tiny, "--topic", "left") == 0

    broken = [frames[0], (STAMPS[1], b"short"), frames[2]]
    bag = image_bag("broken", {"/image": broken, "/depth": depth})
    capsys.readouterr()
    assert infer(bag, *tiny) == 1
    printed = capsys.readouterr().out
    assert "/image at 1700000000_500000000: data holds 5 bytes" in printed
    assert len(list((tmp_path / "out" / "broken").glob("*.png"))) == 2


def test_equal_stamps_and_two_bags(
    tmp_path: Path, infer: Infer, tiny: list[str], image_bag: Callable[..., Path]
) -> None:
    frames = [(STAMPS[0], picture) for picture in pictures()]
    for folder in ("one", "two"):
        image_bag(f"{folder}/drive", {"/image": frames})
    listing = tmp_path / "bags.txt"
    listing.write_text("one/drive\ntwo/drive\n")
    assert infer(listing, *tiny) == 0
    assert len(list((tmp_path / "out" / "drive").glob("*.png"))) == 6
    assert infer(listing, *tiny, "--to-bag", tmp_path / "new") == 2


def camera_info(height: int, width: int, focal: float, d: tuple[float, ...] = ()) -> object:
    types = get_typestore(Stores.ROS2_HUMBLE).types
    header = types["std_msgs/msg/Header"](types["builtin_interfaces/msg/Time"](0, 0), "cam")
    roi = types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([focal, 0, width / 2, 0, focal, height / 2, 0, 0, 1.0]) * (focal > 0)
    p = np.array([*k[:3], 0, *k[3:6], 0, *k[6:], 0])
    return types["sensor_msgs/msg/CameraInfo"](
        header, height, width, "plumb_bob", np.array(d), k, np.eye(3).reshape(-1), p, 0, 0, roi
    )


@pytest.mark.parametrize(
    ("info", "degrees", "words"),
    [
        ((64.0, ()), 90, "camera from /cam/camera_info"),
        ((64.0, (-0.2, 0.0, 0.0, 0.0, 0.0)), 90, "rectified (plumb_bob)"),
        ((0.0, ()), 55, "uncalibrated camera (K = 0)"),
        (None, 55, ""),
    ],
)
def test_the_camera_info_of_a_bag_is_used(
    tmp_path: Path,
    infer: Infer,
    image_bag: Callable[..., Path],
    info: tuple[float, tuple[float, ...]] | None,
    degrees: float,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    topics: dict[str, list[tuple[int, object]]] = {"/cam/image_raw": [(5, image)]}
    if info is not None:
        topics["/cam/camera_info"] = [(5, camera_info(64, 128, *info))]
    bag = image_bag("drive", topics)
    assert infer(bag, "--model", "panopticdepth-tiny", "--save-cloud", "--height", 64) == 0
    points, _ = read_ply(next((tmp_path / "out").rglob("*.ply")))
    half = np.degrees(np.arctan2(np.abs(points[:, 0]), points[:, 2])).max()
    assert degrees - 8 < 2 * half < degrees + 1
    assert words in capsys.readouterr().out


def test_another_cameras_info_is_refused_and_an_unknown_one_is_said(
    infer: Infer, image_bag: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    infos = {"/cam/camera_info": [(5, camera_info(480, 640, 500.0))]}
    bag = image_bag("drive", {"/cam/image": [(5, image)], **infos})
    model = ("--model", "panopticdepth-tiny", "--height", 64)
    assert infer(bag, *model) == 1
    assert "640 x 480" in capsys.readouterr().out
    assert infer(bag, *model, "--fov", 60) == 0
    infos = {f"/{name}/camera_info": [(5, camera_info(64, 128, 64.0))] for name in "ab"}
    bag = image_bag("two", {"/cam/image": [(5, image)], **infos})
    assert infer(bag, *model) == 0
    assert "/a/camera_info, /b/camera_info is not used" in capsys.readouterr().out
    assert infer(bag, *model, "--info-topic", "/a/camera_info", "--overwrite") == 0
    assert "camera from /a/camera_info" in capsys.readouterr().out


def test_a_bag_without_images_is_a_failure(
    tmp_path: Path,
    infer: Infer,
    metric: list[str],
    image_bag: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics = {"/left": [(5, pictures()[0])], "/right": []}
    bag = image_bag("drive", topics, kind="sensor_msgs/msg/Image")
    target = tmp_path / "depth"
    assert infer(bag, *metric, "--topic", "/right", "--to-bag", target) == 1
    assert "no images on /right" in capsys.readouterr().out
    assert not target.exists()
