"""The demonstration of the panoptic node: its board by hand, and the whole of it over real DDS."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from box_world import write_box_bag
from golden.panopticdepth_reference import case

from depth_perception.cli.main import main
from depth_perception.demo import instances
from depth_perception.demo import recording as recorded
from depth_perception.demo.bags import WorldWalk, describe_bag, write_world_bag
from depth_perception.demo.board import Fact
from depth_perception.demo.instances import Found, distance_error, findings
from depth_perception.demo.panoptic_board import (
    PanopticContent,
    point_colours,
    write_panoptic_board,
    write_panoptic_pictures,
)
from depth_perception.demo.recording import Cloud
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.io.images import read_image
from depth_perception.io.ply import read_ply
from depth_perception.io.segment_colours import segment_colour
from depth_perception.systems.panopticdepth_config import CITYSCAPES

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
        title="A car",
        subtitle="by hand",
        facts=(Fact("0.100", "AbsRel"),),
        image=image,
        predicted_m=1.1 * truth,
        truth_m=truth,
        cloud=Cloud(points, image.reshape(-1, 3)),
        overlay=image // 2,
        grid=(40, 80),
        found=(
            Found(3, CAR, "car", True, (20, 10, 30, 20), 5.5, 5.0, size),
            Found(1, ROAD, "road", False, (0, 5, 80, 35), 13.2, 12.0, (30.0, 5.0, 0.1)),
        ),
        point_ids=ids.ravel(),
        classes=COLOURS,
    )


def test_board_with_truth_and_without(tmp_path: Path, content: PanopticContent) -> None:
    write_panoptic_board(tmp_path / "full.png", content)
    write_panoptic_board(tmp_path / "short.png", replace(content, truth_m=None))
    nothing = replace(content, found=(), point_ids=np.zeros(3200, np.uint32))
    write_panoptic_board(tmp_path / "empty.png", nothing)

    full, short, empty = (read_image(tmp_path / f"{n}.png") for n in ("full", "short", "empty"))
    assert full.shape == short.shape == empty.shape
    assert full.shape[1] == 1600
    for picture in (full, short):
        assert all(part.std() > 15 for part in np.array_split(picture, 3))
    panel = np.s_[220:540, 814:1474]  # segments: the name is written there
    assert (full[panel] != empty[panel]).any(-1).mean() > 0.01


def test_parts_are_saved_one_by_one(tmp_path: Path, content: PanopticContent) -> None:
    paths = write_panoptic_pictures(tmp_path, content)
    assert [path.stem for path in paths] == ["input", "segments", "depth", "cloud_above"]
    assert read_image(paths[1]).shape == (40, 80, 3)


def test_points_have_the_colours_of_their_segments(content: PanopticContent) -> None:
    colours = point_colours(content).reshape(40, 80, 3)
    assert colours[20, 30].tolist() == list(segment_colour(content.found[0], COLOURS))
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

    (image,) = findings(Path("bag"), "/instances", {1_000_000_005: truth})

    first, second, _ = image.found
    assert (image.stamp_ns, image.grid) == (1_000_000_005, (3, 4))
    assert (first.true_m, first.size_m, first.text) == (4.0, (1.0, 2.0, 3.0), "car 4.4 m")
    assert math.isnan(second.true_m)
    assert distance_error({1: image}) == pytest.approx(0.1)
    assert math.isnan(distance_error({}))
    assert replace(first, distance_m=math.nan).text == "car"


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    bag = tmp_path_factory.mktemp("street") / "bag"
    walk = WorldWalk("street", 910_000_014, frames=4, height=64, pinhole=True)
    assert write_world_bag(bag, walk, lambda _: None) == "street"
    return bag


def test_street_has_what_the_node_needs(street: Path) -> None:
    source = describe_bag(street, None, "street", 30.0, pinhole=True)
    assert (source.image.name, source.camera_info) == ("/camera/image", "/camera/camera_info")
    assert source.truth_topic == "/camera/depth"
    assert len(source.stamps_ns) == 4
    message = next(recorded.messages(street, "/camera/camera_info"))
    assert (message.height, message.width, message.k[0]) == (64, 128, 64.0)


def test_panoptic_node_from_bag_to_board(
    street: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights, out = tmp_path / "model_final.pth", tmp_path / "out"
    torch.save({"model": case("infer-tiny-dps").state(), "iteration": 1}, weights)

    code = main(
        ["demo", "--node", "panoptic", "--bag", str(street), "--checkpoint", str(weights),
         "--input-height", "64", "--device", "cpu", "--out", str(out), "--rate", "0.5"]
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
    assert read_image(out / "board.png").shape[1] == 1600
    assert (out / "board.jpg").is_file()
    read_ply(out / "cloud.ply")
    assert len(list((out / "pictures").glob("*.png"))) == 4


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--image", "panorama.jpg"], "panorama.jpg has no camera_info: give a bag"),
        (["--bag", "bag"], "has no /camera/camera_info"),
        (["--model", "moge-2-tiny"], "moge-2-tiny finds no segments with depth"),
        (["--model", "panopticdepth-r50-seg"], "models that do: panopticdepth-r50, pan"),
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
