"""Images out of bags, depth maps into them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rosbags.rosbag1 import Writer as Ros1Writer
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_perception.io.bag_ranges import StaticFrames
from depth_perception.io.bag_reader import Bag as Reader
from depth_perception.io.bags import (
    BagReadError,
    DepthBagWriter,
    ImageTopic,
    choose_image_topic,
    image_topics,
    is_bag,
    read_frames,
)
from depth_perception.io.encodings import EncodingError

Bag = Callable[..., Path]
PICTURE = np.random.default_rng(2).integers(0, 256, (4, 8, 3), dtype=np.uint8)
TYPES = get_typestore(Stores.ROS2_HUMBLE).types


def header(seconds: int = 0, nanoseconds: int = 0) -> object:
    time = TYPES["builtin_interfaces/msg/Time"](seconds, nanoseconds)
    return TYPES["std_msgs/msg/Header"](time, "front")


def compressed(form: str, data: bytes, seconds: int = 0) -> object:
    array = np.frombuffer(data, np.uint8)
    return TYPES["sensor_msgs/msg/CompressedImage"](header(seconds), form, array)


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_frames_and_topics(image_bag: Bag, storage: str) -> None:
    _, png = cv2.imencode(".png", PICTURE[..., ::-1])
    bag = image_bag(
        "bag",
        {
            "/raw": [(5, PICTURE), (7, PICTURE[::-1])],
            "/depth": [(5, np.ones((4, 8), np.float32))],
            "/small": [(6, compressed("rgb8; png compressed bgr8", png.tobytes(), seconds=3))],
            "/text": [(6, TYPES["std_msgs/msg/String"]("no image"))],
        },
        storage,
    )
    assert image_topics(bag) == (
        ImageTopic("/depth", "sensor_msgs/msg/Image", 1, "32FC1"),
        ImageTopic("/raw", "sensor_msgs/msg/Image", 2, "rgb8"),
        ImageTopic("/small", "sensor_msgs/msg/CompressedImage", 1, "rgb8; png compressed bgr8"),
    )
    assert [t.holds_images for t in image_topics(bag)] == [False, True, True]
    frames = list(read_frames(bag, "/raw"))
    assert [(frame.stamp_ns, frame.frame_id) for frame in frames] == [
        (5, "camera_optical_frame"),
        (7, "camera_optical_frame"),
    ]
    np.testing.assert_array_equal(frames[1].image(), PICTURE[::-1])
    (small,) = read_frames(bag, "/small")
    assert (small.stamp_ns, small.frame_id) == (3_000_000_000, "front")
    np.testing.assert_array_equal(small.image(), PICTURE)
    with pytest.raises(BagReadError, match=r"2 camera image topics .*choose one with --topic"):
        choose_image_topic(bag)
    assert choose_image_topic(bag, "small").name == "/small"
    with pytest.raises(BagReadError, match=r"no image topic '/text'.*/depth"):
        choose_image_topic(bag, "/text")


def test_time_of_recording_where_the_header_has_none(image_bag: Bag) -> None:
    bag = image_bag("bag", {"/image": [(42, compressed("jpeg", b"damaged"))]})
    (frame,) = read_frames(bag, "/image")
    assert frame.stamp_ns == 42
    with pytest.raises(EncodingError, match="7 bytes"):
        frame.image()


def test_what_is_a_bag(tmp_path: Path, image_bag: Bag) -> None:
    bag = image_bag("bag", {"/image": [(1, PICTURE)]})
    assert is_bag(bag)
    assert is_bag(next(bag.glob("*.mcap")))
    assert not is_bag(tmp_path)
    assert not is_bag(tmp_path / "gone.mcap")
    assert choose_image_topic(bag) == choose_image_topic(next(bag.glob("*.mcap")))


def test_bag_without_pictures(image_bag: Bag) -> None:
    bag = image_bag("bag", {"/text": [(6, TYPES["std_msgs/msg/String"]("hello"))]})
    assert image_topics(bag) == ()
    with pytest.raises(BagReadError, match=r"0 camera image topics \(no images at all"):
        choose_image_topic(bag)


def test_unfinished_mcap_is_read_up_to_its_cut(image_bag: Bag) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (9, 40, 80, 3), dtype=np.uint8)
    bag = image_bag("bag", {"/image": list(enumerate(pictures, 1))})
    file = next(bag.glob("*.mcap"))
    content = file.read_bytes()
    counts = []
    for keep in (0.3, 0.6, 0.9, 0.99):
        file.write_bytes(content[: int(len(content) * keep)])
        for path in (bag, file):
            frames = list(read_frames(path, choose_image_topic(path).name))
            for frame in frames:
                np.testing.assert_array_equal(frame.image(), pictures[frame.stamp_ns - 1])
        counts.append(len(frames))
    assert counts == sorted(counts)
    assert counts[0] >= 2
    assert counts[-1] >= 8
    with Reader(file) as reader:
        assert "unfinished" in reader.remark
    (bag / "metadata.yaml").write_bytes(b"")  # the recorder did not come to write it
    assert len(list(read_frames(bag, "/image"))) == counts[-1]


@pytest.mark.parametrize("compression", ["lz4", "zstd", ""])
def test_foreign_channels_odd_quality_and_cut_chunks(tmp_path: Path, compression: str) -> None:
    def record(kind: int, body: bytes) -> bytes:
        return bytes([kind]) + len(body).to_bytes(8, "little") + body

    def text(value: str | bytes) -> bytes:
        value = value.encode() if isinstance(value, str) else value
        return len(value).to_bytes(4, "little") + value

    def number(value: int, size: int = 2) -> bytes:
        return value.to_bytes(size, "little")

    qos = text("offered_qos_profiles") + text("{[ no yaml")
    store = get_typestore(Stores.ROS2_HUMBLE)
    message = compressed("png", cv2.imencode(".png", PICTURE[..., ::-1])[1].tobytes(), 7)
    cdr = bytes(store.serialize_cdr(message, message.__msgtype__))
    head = record(1, text("") + text("somebody"))  # no profile
    kinds = record(3, number(1) + text("Status") + text("jsonschema") + text("{}"))
    kinds += record(3, number(2) + text("sensor_msgs/msg/CompressedImage") + text("ros2msg") * 2)
    kinds += record(4, number(1) + number(1) + text("/status") + text("json") + text(""))
    kinds += record(4, number(2) + number(2) + text("/image") + text("cdr") + text(qos))
    stamps = number(0, 4) + number(5, 8) + number(5, 8)
    messages = record(5, number(1) + stamps + b"{}") + record(5, number(2) + stamps + cdr)
    plain = kinds + messages * 3
    packed = plain
    if compression == "lz4":
        packed = pytest.importorskip("lz4.frame").compress(plain)
    elif compression:
        packed = pytest.importorskip("backports.zstd").compress(plain)
    chunk = number(0, 8) * 2 + number(len(plain), 8) + number(0, 4) + text(compression)
    whole = record(6, chunk + len(packed).to_bytes(8, "little") + packed)
    path = tmp_path / "mixed.mcap"
    magic = b"\x89MCAP0\r\n"
    path.write_bytes(magic + head + whole + record(15, bytes(4)) + record(2, bytes(20)) + magic)
    assert choose_image_topic(path).name == "/image"
    frames = list(read_frames(path, "/image"))
    assert [frame.stamp_ns for frame in frames] == [7_000_000_000] * 3
    np.testing.assert_array_equal(frames[2].image(), PICTURE)
    path.write_bytes((magic + head + whole + whole)[:-20])
    assert len(list(read_frames(path, "/image"))) == (3 if compression else 5)


def test_edited_quality_of_service_does_not_hide_messages(image_bag: Bag) -> None:
    bag = image_bag("bag", {"/image": [(1, PICTURE)]})
    info = yaml.safe_load((bag / "metadata.yaml").read_text())
    topics = info["rosbag2_bagfile_information"]["topics_with_message_count"]
    topics[0]["topic_metadata"]["offered_qos_profiles"] = "- history: keep_all\n  depth: x"
    (bag / "metadata.yaml").write_text(yaml.safe_dump(info))
    assert len(list(read_frames(bag, choose_image_topic(bag).name))) == 1


def test_ros1_bag_is_read(tmp_path: Path) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    kinds = store.types
    time = kinds["builtin_interfaces/msg/Time"](3, 4)
    header = kinds["std_msgs/msg/Header"](0, time, "front")
    image = kinds["sensor_msgs/msg/Image"](header, 4, 8, "rgb8", 0, 24, PICTURE.reshape(-1))
    path = tmp_path / "old.bag"
    with Ros1Writer(path) as writer:
        connection = writer.add_connection("/image", image.__msgtype__, typestore=store)
        writer.write(connection, 5, store.serialize_ros1(image, image.__msgtype__))
    assert is_bag(path)
    (frame,) = read_frames(path, choose_image_topic(path).name)
    assert (frame.stamp_ns, frame.frame_id) == (3_000_000_004, "front")
    np.testing.assert_array_equal(frame.image(), PICTURE)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(BagReadError, match="rosbag reindex"):
        choose_image_topic(path)


def test_depth_and_empty_topics_are_no_images(image_bag: Bag) -> None:
    depth = np.ones((4, 8), np.float32)
    bag = image_bag("bag", {"/depth": [(1, depth)], "/image": [(1, PICTURE)]})
    with pytest.raises(BagReadError, match=r"/depth of .* holds depth \(32FC1\)"):
        choose_image_topic(bag, "/depth")
    empty = image_bag("empty", {"/image": []}, kind="sensor_msgs/msg/Image")
    with pytest.raises(BagReadError, match="has no images on /image"):
        choose_image_topic(empty, "/image")


def test_folder_of_bags_names_them(tmp_path: Path, image_bag: Bag) -> None:
    bag = image_bag("bags/one", {"/image": [(1, PICTURE)]})
    with pytest.raises(BagReadError, match=rf"is not a bag, but holds bags: {bag}"):
        choose_image_topic(bag.parent)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1), junk=st.binary(min_size=1, max_size=40), cut=st.booleans())
@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_damaged_bytes_give_frames_or_one_error(
    tmp_path_factory: pytest.TempPathFactory, storage: str, place: float, junk: bytes, cut: bool
) -> None:
    if storage not in _whole:
        path = tmp_path_factory.mktemp("bag") / "bag"
        with Writer(path, version=9, storage_plugin=StoragePlugin[storage]) as writer:
            store = get_typestore(Stores.ROS2_HUMBLE)
            kind = "sensor_msgs/msg/CompressedImage"
            connection = writer.add_connection("/image", kind, typestore=store)
            for second in range(3):
                raw = store.serialize_cdr(compressed("png", b"x" * 50, second), kind)
                writer.write(connection, second, raw)
        _whole[storage] = next(p for p in path.iterdir() if p.suffix != ".yaml").read_bytes()
    content = bytearray(_whole[storage])
    start = int(place * len(content))
    content[start : start + len(junk)] = b"" if cut else junk
    path = tmp_path_factory.mktemp("damaged") / f"bag.{'mcap' if storage == 'MCAP' else 'db3'}"
    path.write_bytes(content)
    with suppress(BagReadError):
        for frame in read_frames(path, choose_image_topic(path).name):
            with suppress(EncodingError):
                frame.image()


_whole: dict[str, bytes] = {}


@pytest.mark.parametrize("storage", ["SQLITE3"])
@pytest.mark.parametrize("keep", [0.0, 0.02, 0.5, 0.95])
def test_truncated_bag_is_one_clear_error(image_bag: Bag, storage: str, keep: float) -> None:
    bag = image_bag("bag", {"/image": [(i, PICTURE.repeat(50, 0)) for i in range(9)]}, storage)
    file = next(path for path in bag.iterdir() if path.suffix in (".mcap", ".db3"))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * keep)])
    for path in (bag, file):
        with pytest.raises(BagReadError, match="cannot be read"):
            list(read_frames(path, choose_image_topic(path).name))


def test_missing_storage_and_bad_metadata(image_bag: Bag) -> None:
    bag = image_bag("bag", {"/image": [(1, PICTURE)]})
    next(bag.glob("*.mcap")).unlink()
    with pytest.raises(BagReadError, match="missing"):
        image_topics(bag)
    (bag / "metadata.yaml").write_text("rosbag2_bagfile_information: [")
    with pytest.raises(BagReadError, match="cannot be read"):
        image_topics(bag)
    with pytest.raises(BagReadError, match="is not a bag"):
        image_topics(bag / "gone")


def test_depth_bag_round_trip_and_refusal(tmp_path: Path) -> None:
    depth = np.array([[1.5, np.nan], [0.25, 20.0]], np.float32)
    path = tmp_path / "out" / "depth"
    with DepthBagWriter(path) as bag:
        bag.write(depth, 1_234_567_890_123_456_789, "front")
    (frame,) = read_frames(path, "/depth/image")
    assert (frame.stamp_ns, frame.frame_id) == (1_234_567_890_123_456_789, "front")
    message = frame.message
    assert (message.encoding, message.step, message.is_bigendian) == ("32FC1", 8, 0)
    np.testing.assert_array_equal(message.data.view(np.float32).reshape(2, 2), depth)
    with pytest.raises(FileExistsError, match="exists already"):
        DepthBagWriter(path)


def test_failed_depth_bag_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "depth"
    depth = np.ones((2, 2), np.float32)

    def write_and_fail() -> None:
        with DepthBagWriter(path, overwrite=True) as bag:
            bag.write(depth, 1, "front")
            raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []
    with DepthBagWriter(path) as bag:
        bag.write(depth, 1, "front")
    with pytest.raises(RuntimeError, match="interrupted"):
        write_and_fail()
    assert len(list(read_frames(path, "/depth/image"))) == 1
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError):
        DepthBagWriter(tmp_path / "folder", overwrite=True)


def test_a_bag_that_is_replaced_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "depth"
    for value in (1.0, 2.0):
        with DepthBagWriter(path, overwrite=True) as bag:
            bag.write(np.full((2, 4), value, np.float32), 5, "front")
    with suppress(RuntimeError), DepthBagWriter(path, overwrite=True) as bag:
        bag.write(np.full((2, 4), 3, np.float32), 5, "front")
        raise RuntimeError("the disk is full")
    (frame,) = read_frames(path, "/depth/image")
    assert np.frombuffer(frame.message.data, np.float32)[0] == 2
    assert list(tmp_path.iterdir()) == [path]


def write_bag(path: Path, value: float, *, overwrite: bool = False) -> None:
    with DepthBagWriter(path, overwrite=overwrite) as bag:
        bag.write(np.full((2, 4), value, np.float32), 5, "front")


def value_of(path: Path) -> float:
    (frame,) = read_frames(path, "/depth/image")
    return float(np.frombuffer(frame.message.data, np.float32)[0])


def write_while(path: Path, happens: Callable[[], object], *, overwrite: bool = False) -> None:
    with DepthBagWriter(path, overwrite=overwrite) as bag:
        bag.write(np.full((2, 4), 2, np.float32), 5, "front")
        happens()


def test_of_two_bags_of_one_name_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "depth"
    write_bag(tmp_path / "other" / "depth", 1)
    with pytest.raises(FileExistsError, match="depth exists already"):
        write_while(path, lambda: (tmp_path / "other" / "depth").rename(path))
    assert value_of(path) == 1
    assert sorted(tmp_path.iterdir()) == [path, tmp_path / "other"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_bag_is_not_replaced_at_the_end(
    tmp_path: Path, overwrite: bool
) -> None:
    path = tmp_path / "depth"
    with pytest.raises(FileExistsError, match="depth exists already"):
        write_while(path, path.mkdir, overwrite=overwrite)
    assert list(path.iterdir()) == []
    assert list(tmp_path.iterdir()) == [path]


def test_a_bag_that_cannot_be_replaced_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rename = tmp_path / "depth", os.rename
    write_bag(path, 1)

    def refuse(source: Path, target: Path) -> None:
        if source.parent.name == "new":
            raise OSError(errno.ENOSPC, "No space left on device")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_bag(path, 2, overwrite=True)
    assert value_of(path) == 1
    assert list(tmp_path.iterdir()) == [path]


KILLED = """
import os, sys
import numpy as np
from depth_perception.io.bags import DepthBagWriter
rename = os.rename
def killed(source, target):
    if source.parent.name == "new":
        os._exit(9)
    rename(source, target)
os.rename = killed
with DepthBagWriter(sys.argv[1], overwrite=True) as bag:
    bag.write(np.full((2, 4), 2, np.float32), 5, "front")
"""


@pytest.mark.parametrize("overwrite", [None, False, True])
def test_a_kill_while_a_bag_is_replaced_loses_none(tmp_path: Path, overwrite: bool | None) -> None:
    path = tmp_path / "depth.d"
    elsewhere = tmp_path / "made"
    elsewhere.mkdir()
    write_bag(elsewhere / path.name, 1)
    (elsewhere / path.name).rename(path)  # this process has not written to tmp_path yet
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == 9
    assert not path.exists()
    if overwrite is None:
        write_bag(tmp_path / "another", 3)
    elif overwrite:
        write_bag(path, 3, overwrite=True)
    else:
        with pytest.raises(FileExistsError):
            DepthBagWriter(path)
    assert value_of(path) == (3 if overwrite else 1)
    assert not list(tmp_path.glob(".*"))


def test_damaged_transforms_are_as_if_they_had_not_come(tmp_path: Path) -> None:
    path, kind = tmp_path / "bag", "tf2_msgs/msg/TFMessage"
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection(
            "/tf_static", kind, typestore=get_typestore(Stores.ROS2_HUMBLE)
        )
        writer.write(connection, 1, b"\0\1\0\0\5\0\0\0junk")
    with pytest.raises(LookupError, match="no transform from 'a' to 'b'"):
        StaticFrames(path).between("a", "b")
