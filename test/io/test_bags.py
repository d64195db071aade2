"""Images out of bags, depth maps into them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore

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


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
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
