"""What every test may use."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"

# The same examples in every run, and no time limit for one: machines are busy at times.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

# A shell's background job ignores interrupts, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of reference inputs and outputs, one sub-folder per system."""
    return GOLDEN


@pytest.fixture
def image_bag(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bag of images: ``image_bag(name, {topic: [(stamp_ns, content), ...]}, storage)``.

    Content is (H, W, 3) uint8 (rgb8), (H, W) float32 (32FC1), bytes (the data of a 2 x 4 rgb8
    image, whatever their number), or a rosbags message.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types

    def message(stamp_ns: int, content: Any) -> Any:
        if hasattr(content, "__msgtype__"):
            return content
        time = types["builtin_interfaces/msg/Time"](stamp_ns // 10**9, stamp_ns % 10**9)
        header = types["std_msgs/msg/Header"](time, "camera_optical_frame")
        height, width, encoding = 2, 4, "rgb8"
        if isinstance(content, np.ndarray):
            height, width = content.shape[:2]
            encoding = "rgb8" if content.dtype == np.uint8 else "32FC1"
            content = content.tobytes()
        step = width * (3 if encoding == "rgb8" else 4)
        data = np.frombuffer(content, np.uint8)
        return types["sensor_msgs/msg/Image"](header, height, width, encoding, 0, step, data)

    def write(
        name: str, topics: Mapping[str, Sequence[tuple[int, Any]]], storage: str = "MCAP"
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plugin = StoragePlugin.SQLITE3 if storage == "SQLITE3" else StoragePlugin.MCAP
        with Writer(path, version=9, storage_plugin=plugin) as writer:
            for topic, contents in topics.items():
                messages = [(stamp, message(stamp, content)) for stamp, content in contents]
                kind = messages[0][1].__msgtype__
                connection = writer.add_connection(topic, kind, typestore=store)
                for stamp, item in messages:
                    writer.write(connection, stamp, store.serialize_cdr(item, kind))
        return path

    return write
