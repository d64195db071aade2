"""``--scale``: metres of files and bags, and the reason where there are none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from rosbags.typesys import Stores, get_typestore
from scale.scale_rooms import CAMERA, HEIGHT_M, LIDAR_IN_CAMERA, lidar_points, room_range
from scale.scale_rooms import prediction as room

import depth_perception as dp
from depth_perception.cli.infer import run as command
from depth_perception.geometry.rotations import to_quaternion
from depth_perception.io.bags import image_topics, read_frames
from depth_perception.io.images import read_image, write_image
from depth_perception.io.ply import read_ply, write_ply
from depth_perception.prediction import ScaleKind
from depth_perception.systems import card

Infer = Callable[..., int]
TRUTH = room_range(CAMERA.rays()).numpy()
MOUNT = ("--extrinsics", "0.05", "-0.1", "0.1", "0", "0", "0")
TYPES = get_typestore(Stores.ROS2_HUMBLE).types
STAMPS = tuple(1_700_000_000_000_000_000 + 100_000_000 * index for index in range(40))


class Room:
    """In place of ``panda-tiny``: a room at a scale and shift that a picture's first pixel sets."""

    def __init__(self, name: str = "panda-tiny", **options: Any) -> None:
        self.card = card(name)
        self.device = torch.device("cpu")
        self.options = SimpleNamespace(output_size=options.get("output_size", "network"))

    def with_options(self, **changes: Any) -> Room:
        return Room(self.card.name, **changes)

    def __call__(self, image: Any, camera: Any = None) -> dp.Prediction:
        red, green, seed = (int(number) for number in image[0, 0])
        if self.card.is_metric:
            return room(kind=ScaleKind.METRIC)
        return room(math.exp((red - 128) / 128), (green - 128) / 64, seed=seed)


@pytest.fixture(autouse=True)
def _room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "load", lambda name, **options: Room(name))


def pixels(red: int = 128, green: int = 128, seed: int = 0) -> np.ndarray:
    image = np.full((56, 112, 3), 80, np.uint8)
    image[0, 0] = red, green, seed
    return image


def error(path: Path) -> float:
    depth = np.load(path)
    assert np.isfinite(depth).all()
    return float(np.abs(depth / TRUTH - 1).mean())


def run(infer: Infer, source: Path, *options: object) -> int:
    return infer(source, "--model", "panda-tiny", "--raw", "npy", *options)


def test_points_of_files_make_metres(
    tmp_path: Path, infer: Infer, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, points = tmp_path / "pictures", tmp_path / "points"
    pictures.mkdir()
    points.mkdir()
    for index, name in enumerate(("a", "b", "c")):
        write_image(pictures / f"{name}.png", pixels(90 + 40 * index, 60 * index, index))
    seen = lidar_points(seed=1)
    write_ply(points / "a.ply", seen.numpy())
    np.save(points / "b.npy", seen.double().numpy())
    options = ("--scale", "points", "--points", points, *MOUNT, "--save-cloud")

    assert run(infer, pictures, *options, "--cloud-frame", "optical") == 1

    assert "c.png: no points for c.png: " in capsys.readouterr().out
    for name in ("a", "b"):
        assert error(tmp_path / f"out/{name}_depth.npy") < 0.04
    cloud, _ = read_ply(tmp_path / "out/a.ply")
    depth = np.load(tmp_path / "out/a_depth.npy")
    np.testing.assert_allclose(np.linalg.norm(cloud, axis=1), depth.ravel(), rtol=1e-4)
    np.save(points / "c.npy", seen.numpy())
    assert run(infer, pictures, *options, "--cloud-frame", "optical") == 0
    assert "3 done, 0 finished before" in capsys.readouterr().out  # other points: done again
    assert run(infer, pictures, *options, "--cloud-frame", "optical") == 0
    assert "0 done, 3 finished before" in capsys.readouterr().out


def test_points_in_the_optical_frame_and_what_is_refused(
    tmp_path: Path, infer: Infer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png", pixels(200, 200))
    matrix = LIDAR_IN_CAMERA.float()
    turned = lidar_points() @ matrix[:3, :3].T + matrix[:3, 3]
    np.save(tmp_path / "p.npy", turned.numpy())
    assert run(infer, tmp_path / "a.png", "--scale", "points", "--points", tmp_path / "p.npy") == 0
    assert error(tmp_path / "out/a_depth.npy") < 0.04

    wrong = ("--scale", "points", "--points", tmp_path / "p.npy", "--extrinsics", *"00000", 30)
    asked = ("--model", "panda-tiny", "--raw", "png16", "npy")
    assert infer(tmp_path / "a.png", *asked, *wrong) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "not metric: " in printed
    assert "not written: _values.png" in printed
    np.testing.assert_array_equal(
        np.load(tmp_path / "out/a_values.npy"), room(math.exp(72 / 128), 72 / 64).values.numpy()
    )
    np.save(tmp_path / "flat.npy", np.zeros(5))
    assert run(infer, tmp_path / "a.png", *wrong[:3], tmp_path / "flat.npy") == 1
    assert "must contain numbers (N, 3), got float64 (5,)" in capsys.readouterr().out


def test_fixed_numbers_camera_height_reference_and_none(tmp_path: Path, infer: Infer) -> None:
    source = tmp_path / "a.png"
    write_image(source, pixels(192, 64))
    scale, shift = math.exp(0.5), -1.0
    fixed = ("--scale", "fixed", "--fixed", scale, shift)
    assert infer(source, "--model", "panda-tiny", *fixed, "--raw", "npy", "png16") == 0
    out = tmp_path / "out"
    assert (out / "a_depth.png").is_file()
    expected = scale * room(scale, shift).values.numpy() + shift
    np.testing.assert_allclose(np.load(out / "a_depth.npy"), expected, rtol=1e-5)
    assert error(out / "a_depth.npy") < 0.03
    for options in (
        ("--scale", "camera-height", "--camera-height", HEIGHT_M),
        ("--scale", "reference", "--reference-model", "panda-tiny-metric"),
    ):
        assert run(infer, source, *options, "--overwrite") == 0
        assert error(out / "a_depth.npy") < 0.05
    assert infer(source, "--raw", "npy", "--scale", "none", "--overwrite") == 0


def _header(stamp_ns: int, frame: str) -> Any:
    time = TYPES["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
    return TYPES["std_msgs/msg/Header"](time, frame)


def _cloud(stamp_ns: int, points: np.ndarray, frame: str = "lidar") -> Any:
    fields = [TYPES["sensor_msgs/msg/PointField"](n, 4 * i, 7, 1) for i, n in enumerate("xyz")]
    data = np.ascontiguousarray(points, np.float32).view(np.uint8).ravel()
    return TYPES["sensor_msgs/msg/PointCloud2"](
        _header(stamp_ns, frame), 1, len(points), fields, False, 12, data.size, data, True
    )


def _scan(stamp_ns: int) -> Any:
    azimuth = torch.arange(720) * (2 * math.pi / 720)
    rays = torch.stack((azimuth.cos(), azimuth.sin(), torch.full((720,), 1e-4)), -1)
    turn, origin = LIDAR_IN_CAMERA[:3, :3].float(), LIDAR_IN_CAMERA[:3, 3]
    ranges = room_range(rays @ turn.T, origin).numpy().astype(np.float32)
    step = 2 * math.pi / 720
    limits = (0.0, 2 * math.pi - step, step, 0.0, 0.0, 0.1, 30.0)
    return TYPES["sensor_msgs/msg/LaserScan"](
        _header(stamp_ns, "lidar"), *limits, ranges, np.empty(0, np.float32)
    )


def _transform(parent: str, child: str, matrix: torch.Tensor) -> Any:
    vector, quaternion = (TYPES[f"geometry_msgs/msg/{name}"] for name in ("Vector3", "Quaternion"))
    return TYPES["geometry_msgs/msg/TransformStamped"](
        _header(0, parent),
        child,
        TYPES["geometry_msgs/msg/Transform"](
            vector(*matrix[:3, 3].tolist()), quaternion(*to_quaternion(matrix[:3, :3]).tolist())
        ),
    )


def _static(lidar: str = "lidar") -> list[tuple[int, Any]]:
    """camera and lidar on one mast, in two messages."""
    base = torch.eye(4, dtype=torch.float64)
    base[:3, :3] = LIDAR_IN_CAMERA[:3, :3].T
    base[:3, 3] = torch.tensor((1.0, 2.0, 3.0))
    message = TYPES["tf2_msgs/msg/TFMessage"]
    first = message([_transform("mast", "camera_optical_frame", base)])
    second = message([_transform("/mast", lidar, base @ LIDAR_IN_CAMERA)])
    return [(STAMPS[0], first), (STAMPS[0], second)]


def _images(count: int) -> list[tuple[int, np.ndarray]]:
    return [(s, pixels(100 + 5 * i, 20 * i, i)) for i, s in enumerate(STAMPS[:count])]


def test_lidar_of_a_bag_with_its_static_transforms(
    tmp_path: Path, infer: Infer, image_bag: Callable[..., Path]
) -> None:
    late = [s + 20_000_000 for s in STAMPS]
    clouds = [(s, _cloud(s, lidar_points(seed=i).numpy())) for i, s in enumerate(late[:6])]
    topics = {"/image": _images(6), "/points": clouds, "/tf_static": _static()}
    bag, target = image_bag("drive", topics), tmp_path / "depth"
    options = ("--scale", "points", "--points-topic", "/points", "--to-bag", target)
    assert run(infer, bag, *options) == 0
    assert [t.count for t in image_topics(target)] == [6]
    for index, frame in enumerate(read_frames(target, "/depth/image")):
        depth = np.frombuffer(frame.message.data, np.float32).reshape(TRUTH.shape)
        assert np.abs(depth / TRUTH - 1).mean() < 0.04, index


def test_scan_of_a_bag_drop_out_and_missing_transform(
    tmp_path: Path,
    infer: Infer,
    image_bag: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics = {
        "/image": _images(12),
        "/scan": [(s, _scan(s)) for s in STAMPS[:4]],
        "/tf_static": _static("mast2"),
    }
    bag = image_bag("drive", topics)
    options = ("--scale", "points", "--points-topic", "scan", "--hold", 0.45)
    assert run(infer, bag, *options, *MOUNT) == 0
    names = sorted(p.name for p in (tmp_path / "out/drive").glob("*.npy"))
    assert [name.split("_")[-1] for name in names] == ["depth.npy"] * 9 + ["values.npy"] * 3
    for name in names[:9]:
        assert error(tmp_path / "out/drive" / name) < 0.06
    assert "nothing on scan within 0.1 s of the image" in capsys.readouterr().out
    assert run(infer, bag, *options, "--overwrite") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "no transform from 'lidar' to 'camera_optical_frame' on /tf_static" in printed
    assert run(infer, bag, *options[:3], "/laser") == 1
    assert "has no topic '/laser' of PointCloud2 or LaserScan messages; it has /scan" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scale", "fixed"], "--scale fixed needs --fixed"),
        (["--fixed", "1"], "--fixed is for --scale fixed"),
        (["--scale", "fixed", "--fixed", "1", "2", "3"], "got 3 numbers"),
        (["--scale", "fixed", "--fixed", "0"], "fixed_scale must lie between 1e-09"),
        (["--scale", "camera-height"], "needs --camera-height"),
        (
            ["--scale", "camera-height", "--camera-height", "-1"],
            "camera_height_m must lie between 0.01",
        ),
        (
            ["--scale", "camera-height", "--camera-height", "1", "--camera-pitch", "400"],
            "--scale camera-height: camera_pitch_deg must lie between -90 and 90, got 400.0",
        ),
        (["--scale", "points"], "needs --points or --points-topic"),
        (["--scale", "points", "--points", "a", "--points-topic", "b"], "not both"),
        (["--scale", "points", "--points", "a", "--extrinsics", "1"], "got 1 numbers"),
        (["--scale", "points", "--points-topic", "b"], "--points-topic is for bags"),
        (["--extrinsics", *"123456"], "is for --scale points"),
        (["--scale", "reference", "--reference-model", "no"], "no model 'no'"),
        (["--scale", "reference", "--reference-model", "panda-small"], "is not metric"),
        (
            ["--scale", "points", "--points", "p", "--points-tolerance", "-1"],
            "tolerance_s must lie",
        ),
    ],
)
def test_refusals(
    tmp_path: Path,
    infer: Infer,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    write_image(tmp_path / "a.png", pixels())
    assert run(infer, tmp_path / "a.png", *options) == 2
    assert re.search(words, " ".join(capsys.readouterr().err.split()))


def test_a_metric_model_takes_no_shift(
    tmp_path: Path, infer: Infer, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "a.png", pixels())
    assert infer(tmp_path / "a.png", "--scale", "fixed", "--fixed", 2, 0.5) == 2
    assert "panda-tiny-metric lacks no shift" in capsys.readouterr().err
    assert infer(tmp_path / "a.png", "--scale", "fixed", "--fixed", 2, "--raw", "npy") == 0
    assert read_image(tmp_path / "out/a.png").ndim == 3
    doubled = 2 * room(kind=ScaleKind.METRIC).depth.numpy()
    np.testing.assert_allclose(np.load(tmp_path / "out/a_depth.npy"), doubled, rtol=1e-6)
