"""Recording and playing bags, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from ros_harness import ROOT, NodeProcess
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Qos, QosDurability, QosReliability
from rosbags.rosbag2 import StoragePlugin, Writer

from depth_perception.ros.bags.types import (
    UnknownTypeError,
    from_bag_qos,
    message_class,
    recording_store,
    to_bag_qos,
)

pytestmark = pytest.mark.live

STEP_NS = 50_000_000
OWN_TYPE = "depth_perception/msg/InstanceDepthArray"


def _write_bag(path: Path, storage: StoragePlugin, count: int) -> list[bytes]:
    """A bag with images and messages of our own; the raw messages in order."""
    store = recording_store([OWN_TYPE])
    header = store.types["std_msgs/msg/Header"]
    stamp = store.types["builtin_interfaces/msg/Time"]
    image = store.types["sensor_msgs/msg/Image"]
    instances = store.types[OWN_TYPE]
    raws = []
    with Writer(path, version=9, storage_plugin=storage) as writer:
        pictures = writer.add_connection("/image", "sensor_msgs/msg/Image", typestore=store)
        found = writer.add_connection("/instances", OWN_TYPE, typestore=store)
        for k in range(count):
            when = stamp(sec=10, nanosec=k * STEP_NS)
            pixels = np.random.default_rng(k).integers(0, 255, 32 * 64 * 3, dtype=np.uint8)
            common = {"header": header(stamp=when, frame_id="cam"), "height": 32, "width": 64}
            picture = image(**common, encoding="rgb8", is_bigendian=0, step=192, data=pixels)
            other = instances(**common, is_range=True, is_metric=True, instances=[])
            for connection, message in ((pictures, picture), (found, other)):
                raws.append(bytes(store.serialize_cdr(message, connection.msgtype)))
                writer.write(connection, 10**10 + k * STEP_NS, raws[-1])
    return raws


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_played_and_recorded_again_is_the_same(
    start_node: Callable[..., NodeProcess], tmp_path: Path, storage: str
) -> None:
    count = 8
    raws = _write_bag(tmp_path / "played", StoragePlugin[storage.upper()], count)
    recorder = start_node(
        module="depth_perception.ros.bags.recorder",
        arguments=[str(tmp_path / "recorded"), "--topics", "/image", "/instances", "/nothing",
                   "--storage", storage],
    )  # fmt: skip
    player = start_node(
        module="depth_perception.ros.bags.player",
        arguments=[str(tmp_path / "played"), "--rate", "2", "--wait", "40"],
    )

    assert player.process.wait(60) == 0, player.text
    code, _ = recorder.stop()

    assert code == 0, recorder.text
    assert f"played {2 * count} messages" in player.text
    assert f"{count:6d} /image" in recorder.text
    assert "no publisher of /nothing" in recorder.text
    with AnyReader([tmp_path / "recorded"]) as reader:
        topics = {c.topic: c.msgtype for c in reader.connections}
        recorded = [bytes(raw) for _, _, raw in reader.messages()]
        last = [reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()][-1]
        duration_s = reader.duration / 1e9
    assert topics == {"/image": "sensor_msgs/msg/Image", "/instances": OWN_TYPE}
    assert sorted(recorded) == sorted(raws)
    assert last.header.stamp.nanosec == (count - 1) * STEP_NS
    assert duration_s == pytest.approx((count - 1) * STEP_NS / 2e9, abs=0.15)


@pytest.mark.parametrize("module", ["player", "recorder"])
def test_bad_bags_are_told_without_a_traceback(tmp_path: Path, module: str) -> None:
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "metadata.yaml").write_text("nonsense: [")
    extra = ["--topics", "/image"] if module == "recorder" else []
    done = subprocess.run(
        [sys.executable, "-m", f"depth_perception.ros.bags.{module}", str(tmp_path / "bag"),
         *extra],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"bag_{module}: " in done.stderr
    assert "Traceback" not in done.stderr


def test_recorder_closes_the_bag_after_its_duration(tmp_path: Path) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "depth_perception.ros.bags.recorder", str(tmp_path / "bag"),
         "--topics", "/nothing", "--duration", "0.5"],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began >= 0.5
    assert (tmp_path / "bag" / "metadata.yaml").is_file()


def test_unknown_types_are_named() -> None:
    with pytest.raises(UnknownTypeError, match="no_such_package/msg/Thing"):
        message_class("no_such_package/msg/Thing")
    with pytest.raises(UnknownTypeError, match="sensor_msgs/msg/NoSuchThing"):
        message_class("sensor_msgs/msg/NoSuchThing")


def test_quality_of_service_survives_a_bag() -> None:
    for reliability in (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT):
        for durability in (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL):
            profile = from_bag_qos([])
            profile.reliability, profile.durability = reliability, durability
            written: Qos = to_bag_qos(profile)
            again = from_bag_qos([written])
            assert (again.reliability, again.durability) == (reliability, durability)
            assert (written.reliability is QosReliability.RELIABLE) == (
                reliability == ReliabilityPolicy.RELIABLE
            )
            assert (written.durability is QosDurability.TRANSIENT_LOCAL) == (
                durability == DurabilityPolicy.TRANSIENT_LOCAL
            )
