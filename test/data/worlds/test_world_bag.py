"""Bags of a walk, in both storages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rosbags.interfaces import QosDurability, QosReliability
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_typestore

from depth_perception.data.worlds import Walk, make_world, render, write_bag
from depth_perception.data.worlds.bag import walk_pose
from depth_perception.geometry import Camera, Equirectangular, Pinhole
from depth_perception.geometry.rotations import to_quaternion

WORLD = make_world("room", 5)
FRAMES = 3


def read(path: Path) -> dict[str, list[tuple[int, Any]]]:
    store = get_typestore(Stores.ROS2_KILTED)
    topics: dict[str, list[tuple[int, Any]]] = {}
    with Reader(path) as reader:
        for connection, stamp, raw in reader.messages():
            message = store.deserialize_cdr(raw, connection.msgtype)
            topics.setdefault(connection.topic, []).append((stamp, message))
    return topics


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec


def matrix(transform: Any) -> np.ndarray:
    q, t = transform.rotation, transform.translation
    x, y, z, w = q.x, q.y, q.z, q.w
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = t.x, t.y, t.z
    return pose


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
@pytest.mark.parametrize("camera", [Equirectangular(16, 32), Pinhole.from_fov(12, 16, 1.4)])
def test_what_was_rendered_is_read_back(storage: str, camera: Camera, tmp_path: Path) -> None:
    walk = Walk(frames=FRAMES, rate_hz=7.0, storage=storage)
    write_bag(tmp_path / "bag", WORLD, camera, walk)
    topics = read(tmp_path / "bag")
    period = round(1e9 / 7.0)
    assert {t: len(m) for t, m in topics.items()} == {
        "/tf_static": 1,
        "/tf": FRAMES,
        "/camera/camera_info": FRAMES,
        "/camera/image": FRAMES,
        "/camera/depth": FRAMES,
    }
    fixed = matrix(topics["/tf_static"][0][1].transforms[0].transform)
    for index in range(FRAMES):
        stamp = walk.start_ns + index * period
        pose = walk_pose(WORLD, walk, index)
        frame = render(WORLD, camera, pose, antialias=True)
        for topic in ("/camera/image", "/camera/depth", "/camera/camera_info"):
            time, message = topics[topic][index]
            assert time == stamp == stamp_ns(message)
            assert message.header.frame_id == "camera_optical_frame"
            assert (message.height, message.width) == (camera.height, camera.width)
        image, depth = (topics[f"/camera/{n}"][index][1] for n in ("image", "depth"))
        assert (image.encoding, image.step) == ("rgb8", 3 * camera.width)
        assert np.array_equal(image.data.reshape(frame.rgb.shape), frame.rgb.numpy())
        truth = frame.z_m if isinstance(camera, Pinhole) else frame.range_m
        truth = torch.where(torch.isfinite(truth), truth, torch.nan).numpy()
        metres = depth.data.view("<f4").reshape(truth.shape)
        assert depth.encoding == "32FC1"
        assert np.array_equal(metres, truth, equal_nan=True)
        moving = topics["/tf"][index][1].transforms[0]
        assert (moving.header.frame_id, moving.child_frame_id) == ("world", "camera_link")
        assert np.allclose(matrix(moving.transform) @ fixed, pose.numpy(), atol=1e-9)


def test_camera_info_describes_the_camera(tmp_path: Path) -> None:
    pinhole, panorama = Pinhole.from_fov(12, 16, 1.4), Equirectangular(8, 16)
    write_bag(tmp_path / "a", WORLD, pinhole, Walk(frames=1))
    write_bag(tmp_path / "b", WORLD, panorama, Walk(frames=1))
    flat, around = (read(tmp_path / n)["/camera/camera_info"][0][1] for n in ("a", "b"))
    assert Pinhole.from_k(flat.height, flat.width, flat.k.tolist()) == pinhole
    assert flat.distortion_model == "plumb_bob"
    assert flat.p.reshape(3, 4)[:, :3].ravel().tolist() == flat.k.tolist()
    assert around.distortion_model == "equirectangular"
    assert around.k[0] == 0
    assert Equirectangular(8, 16, *around.d.tolist()) == panorama


def test_static_transform_is_offered_latched(tmp_path: Path) -> None:
    write_bag(tmp_path / "bag", WORLD, Equirectangular(8, 16), Walk(frames=1))
    with Reader(tmp_path / "bag") as reader:
        quality = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert quality["/tf_static"].durability == QosDurability.TRANSIENT_LOCAL
    assert quality["/camera/image"].durability == QosDurability.VOLATILE
    assert all(q.reliability == QosReliability.RELIABLE for q in quality.values())


def test_a_long_walk_turns_back_at_the_end_of_the_path() -> None:
    length = WORLD.path_length_m
    walk = Walk(frames=100, rate_hz=1.0, speed_mps=length / 4)
    assert torch.allclose(walk_pose(WORLD, walk, 3), walk_pose(WORLD, walk, 5))
    assert torch.allclose(walk_pose(WORLD, walk, 4)[:3, 3], WORLD.path[-1])
    assert torch.allclose(walk_pose(WORLD, walk, 8)[:3, 3], WORLD.path[0])


def test_quaternions_of_half_turns() -> None:
    for axis in range(3):
        turn = -torch.eye(3, dtype=torch.float64)
        turn[axis, axis] = 1
        q = to_quaternion(turn).tolist()
        assert abs(q[axis]) == pytest.approx(1.0)
        assert q[3] == pytest.approx(0.0, abs=1e-9)


def test_wrong_requests_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="exists"):
        write_bag(tmp_path, WORLD, Equirectangular(8, 16), Walk(frames=1))
    with pytest.raises(ValueError, match="ros1"):
        Walk(storage="ros1")
    with pytest.raises(ValueError, match="rate_hz"):
        Walk(rate_hz=0.0)
