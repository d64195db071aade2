"""What every test may use."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"

IS_PARALLEL = "PYTEST_XDIST_WORKER" in os.environ
if IS_PARALLEL:  # torch is not imported yet; the other processes use the other cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run, and no time limit for one: machines are busy at times.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True)
hypothesis.settings.load_profile("repeatable")

# A shell's background job ignores interrupts, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests with these fixtures talk to nodes in processes of their own.
_LIVE_FIXTURES = {"ros", "start_node", "make_probe"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group and order tests for ``--dist loadgroup``: the live ones first, lonely ones last."""
    order = {"live": 0, None: 1, "alone": 2}
    groups: dict[pytest.Item, str | None] = {}
    for item in items:
        is_live = _LIVE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        names = [mark.name for mark in item.iter_markers()] + ["live"] * bool(is_live)
        groups[item] = next((name for name in ("alone", "live") if name in names), None)
        if groups[item]:
            item.add_marker(pytest.mark.xdist_group(groups[item]))
    items.sort(key=lambda item: order[groups[item]])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give one process all tests of a group or else of a file, whose fixtures are made once."""
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):
        def _split_scope(self, nodeid: str) -> str:
            group = nodeid.rpartition("@")[2]
            return group if group in ("live", "alone") else nodeid.split("::")[0]

    return Scheduling(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run tests marked ``alone`` while no other process of this run has a test."""
    if not IS_PARALLEL:
        return (yield)
    is_alone = item.get_closest_marker("alone") is not None
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX if is_alone else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # a child process may hold the file open


@pytest.fixture(scope="session")
def golden_dir() -> Path:
    """Folder of reference inputs and outputs, one sub-folder per system."""
    return GOLDEN


@pytest.fixture
def image_bag(tmp_path: Path) -> Callable[..., Path]:
    """Writes a bag of images: ``image_bag(name, {topic: [(stamp_ns, content), ...]}, storage)``.

    Content is (H, W, 3) uint8 (rgb8), (H, W) float32 (32FC1), bytes (the data of a 2 x 4 rgb8
    image, whatever their number), or a rosbags message. ``kind`` is the type of empty topics.
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
        name: str,
        topics: Mapping[str, Sequence[tuple[int, Any]]],
        storage: str = "MCAP",
        kind: str = "",
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        plugin = StoragePlugin.SQLITE3 if storage == "SQLITE3" else StoragePlugin.MCAP
        with Writer(path, version=9, storage_plugin=plugin) as writer:
            for topic, contents in topics.items():
                messages = [(stamp, message(stamp, content)) for stamp, content in contents]
                kind = messages[0][1].__msgtype__ if messages else kind
                connection = writer.add_connection(topic, kind, typestore=store)
                for stamp, item in messages:
                    writer.write(connection, stamp, store.serialize_cdr(item, kind))
        return path

    return write
