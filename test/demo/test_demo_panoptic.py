"""The demonstration of the panoptic node: its board by hand, and the whole of it over real DDS."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from box_world import BEGIN_NS, IMAGE_TYPE, STEP_NS, write_box_bag
from golden.panopticdepth_reference import case
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from depth_perception.cli.main import main
from depth_perception.demo import instances
from depth_perception.demo import recording as recorded
from depth_perception.demo.bags import WorldWalk, describe_bag, write_world_bag
from depth_perception.demo.instances import RecordedInstance, distance_error, read_instances
from depth_perception.demo.layout import Fact, write_board, write_images
from depth_perception.demo.panoptic_board import PanopticContent, panels, point_colours
from depth_perception.demo.recording import Cloud
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.io.images import read_image
from depth_perception.io.ply import read_ply
from depth_perception.io.segment_colours import segment_colour
from depth_perception.segment_classes import CITYSCAPES

pytestmark = pytest.mark.live

CAR, ROAD = 13, 0
COLOURS = [entry.colour for entry in CITYSCAPES]


@pytest.fixture(scope="module")
def content() -> PanopticContent:
    """A car (3) on a road (1), 10 % too far."""
    camera = Pinhole.from_fov(40, 80, 1.5)
    truth = np.full((40, 80), 12.0, np.float32)
    truth[10:30, 20:50] = 5.0
    ids = np.ones((40, 80), np.uint32)
    ids[10:30, 20:50], ids[:5] = 3, 0
    points = camera.unproject(torch.from_numpy(1.1 * truth), DepthKind.Z).numpy().reshape(-1, 3)
    image = np.random.default_rng(0).integers(0, 255, (40, 80, 3), np.uint8)
    size = (2.0, 1.5, 0.1)
    return PanopticContent(
        image=image,
        predicted_m=1.1 * truth,
        ground_truth_m=truth,
        cloud=Cloud(points, image.reshape(-1, 3)),
        overlay=image // 2,
        grid=(40, 80),
        instances=(
            RecordedInstance(3, CAR, "car", True, (20, 10, 30, 20), 5.5, 5.0, size),
            RecordedInstance(1, ROAD, "road", False, (0, 5, 80, 35), 13.2, 12.0, (30.0, 5.0, 0.1)),
        ),
        point_ids=ids.ravel(),
        classes=COLOURS,
    )


def test_board_with_truth_and_without(tmp_path: Path, content: PanopticContent) -> None:
    contents = {
        "full": content,
        "short": replace(content, ground_truth_m=None),
        "empty": replace(content, instances=(), point_ids=np.zeros(3200, np.uint32)),
    }
    for name, one in contents.items():
        facts = (Fact("0.100", "AbsRel"),)
        write_board(tmp_path / f"{name}.png", "A car", "by hand", facts, panels(one))

    full, short, empty = (read_image(tmp_path / f"{n}.png") for n in ("full", "short", "empty"))
    assert full.shape == short.shape == empty.shape
    assert full.shape[1] == 1600
    for picture in (full, short):
        assert min((part < 240).mean() for part in np.array_split(picture, 3)) > 0.01
    panel = np.s_[220:540, 814:1474]  # segments: the name is written there
    assert (full[panel] != empty[panel]).any(-1).mean() > 0.01


def test_parts_are_saved_one_by_one(tmp_path: Path, content: PanopticContent) -> None:
    paths = write_images(tmp_path, panels(content))
    assert [path.stem for path in paths] == ["input", "segments", "depth", "cloud_above"]
    assert read_image(paths[1]).shape == (40, 80, 3)


def test_points_have_the_colours_of_their_segments(content: PanopticContent) -> None:
    colours = point_colours(content).reshape(40, 80, 3)
    assert colours[20, 30].tolist() == list(segment_colour(content.instances[0], COLOURS))
    assert colours[35, 5].tolist() == list(COLOURS[ROAD])
    assert np.ptp(colours[0, 0]) < 10  # grey: no segment


def _message(**changes: object) -> SimpleNamespace:
    mask = SimpleNamespace(height=2, data=np.array([255, 0, 255, 255], np.uint8))
    right = {
        "id": 4, "class_id": CAR, "label": "car", "is_thing": True, "box_x": 1, "box_y": 0,
        "box_width": 2, "box_height": 2, "mask": mask, "depth_median": 4.4,
        "size": SimpleNamespace(x=1.0, y=2.0, z=3.0),
    }  # fmt: skip
    return SimpleNamespace(**{**right, **changes})


def test_true_distance_is_that_inside_the_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=5))
    bare = SimpleNamespace(height=0, data=np.empty(0, np.uint8))
    things = [_message(), _message(id=5, mask=bare), _message(is_thing=False, depth_median=9.0)]
    array = SimpleNamespace(header=header, height=3, width=4, instances=things)
    monkeypatch.setattr(instances, "messages", lambda bag, topic: iter([array]))
    truth = np.full((3, 4), 99.0, np.float32)
    truth[0, 1], truth[1, 1], truth[1, 2] = 3.0, 4.0, 5.0

    (image,) = read_instances(Path("bag"), "/instances", {1_000_000_005: truth})

    first, second, _ = image.instances
    assert (image.stamp_ns, image.grid) == (1_000_000_005, (3, 4))
    assert (first.true_m, first.size_m, first.text) == (4.0, (1.0, 2.0, 3.0), "car 4.4 m")
    assert math.isnan(second.true_m)
    assert distance_error({1: image}) == pytest.approx(0.1)
    assert math.isnan(distance_error({}))
    assert replace(first, distance_m=math.nan).text == "car"


def test_street_has_what_the_node_needs(tmp_path: Path) -> None:
    bag = tmp_path / "bag"
    walk = WorldWalk("street", 910_000_014, frames=2, height=32, pinhole=True)
    assert write_world_bag(bag, walk, lambda _: None) == "street"
    source = describe_bag(bag, None, "street", 30.0, pinhole=True)
    assert (source.image.name, source.camera_info) == ("/camera/image", "/camera/camera_info")
    assert source.truth_topic == "/camera/depth"
    assert len(source.stamps_ns) == 2
    message = next(recorded.messages(bag, "/camera/camera_info"))
    assert (message.height, message.width) == (32, 64)
    assert message.k[0] == pytest.approx(32.0)


def _write_picture_bag(bag: Path, image: np.ndarray, frames: int) -> None:
    """A picture, its camera_info, and a wall 20 m away as the truth, 4 Hz."""
    height, width = image.shape[:2]
    store = get_typestore(Stores.ROS2_HUMBLE)
    kinds = {"image": IMAGE_TYPE, "camera_info": "sensor_msgs/msg/CameraInfo", "depth": IMAGE_TYPE}
    none = store.types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
    k = np.array([200.0, 0, width / 2 - 0.5, 0, 200.0, height / 2 - 0.5, 0, 0, 1])
    p = np.insert(k.reshape(3, 3), 3, 0.0, 1).ravel()
    wall = np.full((height, width), 20.0, np.float32).view(np.uint8).reshape(-1)
    fields = {
        "image": ("rgb8", 0, 3 * width, np.ascontiguousarray(image).reshape(-1)),
        "camera_info": ("plumb_bob", np.zeros(5), k, np.eye(3).ravel(), p, 0, 0, none),
        "depth": ("32FC1", 0, 4 * width, wall),
    }
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        topics = {
            name: writer.add_connection(f"/camera/{name}", kind, typestore=store)
            for name, kind in kinds.items()
        }
        for stamp_ns in range(BEGIN_NS, BEGIN_NS + frames * STEP_NS, STEP_NS):
            stamp = store.types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 10**9))
            header = store.types["std_msgs/msg/Header"](stamp, "camera_optical_frame")
            for name, kind in kinds.items():
                message = store.types[kind](header, height, width, *fields[name])
                writer.write(topics[name], stamp_ns, store.serialize_cdr(message, kind))


def test_panoptic_node_from_bag_to_board(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    weights, bag, out = tmp_path / "model_final.pth", tmp_path / "bag", tmp_path / "out"
    golden = case("infer-tiny-dps")
    torch.save({"model": golden.state(), "iteration": 1}, weights)
    _write_picture_bag(bag, golden.image, 4)

    code = main(
        ["demo", "--node", "panoptic", "--bag", str(bag), "--checkpoint", str(weights),
         "--device", "cpu", "--out", str(out), "--rate", "0.5"]
    )  # fmt: skip

    printed = capfd.readouterr().out
    assert code == 0, printed
    assert "panoptic_depth with panopticdepth-tiny" in printed
    counts = {topic.name: topic.count for topic in recorded.topics(out / "recording")}
    for name in ("depth/image", "depth/points", "panoptic/overlay", "instances"):
        assert 1 <= counts[f"/{name}"] <= 4
    cloud = recorded.decode_cloud(next(recorded.messages(out / "recording", "/depth/points")))
    assert cloud.instances is not None
    assert cloud.instances.shape == cloud.points.shape[:1]
    assert (cloud.instances > 0).any()
    (first, *_) = read_instances(out / "recording", "/instances", {})
    assert first.grid == golden.image.shape[:2]
    assert len(first.instances) > 3
    assert read_image(out / "board.png").shape[1] == 1600
    assert (out / "board.jpg").is_file()
    read_ply(out / "cloud.ply")
    assert len(list((out / "pictures").glob("*.png"))) == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--image", "panorama.jpg"], "panorama.jpg has no camera_info: give a bag"),
        (["--bag", "bag"], "has no /camera/camera_info"),
        (["--model", "moge-2-tiny"], "moge-2-tiny has no segments with depth"),
        (["--model", "panopticdepth-r50-seg"], "models that have: panolite-panoptic, pan"),
    ],
)
def test_what_the_panoptic_node_cannot_play_is_told_at_once(
    arguments: list[str],
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_box_bag(tmp_path / "bag", frames=1)

    assert main(["demo", "--node", "panoptic", *arguments]) == 1

    assert reason in capfd.readouterr().err
    assert not (tmp_path / "out" / "demo" / "node.log").exists()
