"""``panoptic_depth`` over DDS: known segments field by field, wrong parameters, a small network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_perception.msg import InstanceDepth
from golden.panopticdepth_reference import case
from ros_harness import FRAME, READY, NodeProcess, Probe, cloud_of, depth_of, image, panorama
from sensor_msgs.msg import PointField
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

import depth_perception as dp
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.ros.messages.frames import info_message

HEIGHT, WIDTH = 72, 96
CAMERA = Pinhole(HEIGHT, WIDTH, 78.0, 82.0, 51.3, 33.4)
INSTANCES = ("instances", "instances/markers")
PANOPTIC_TOPICS = ("panoptic/image", "panoptic/camera_info", "panoptic/overlay")
TOPICS = (
    *PANOPTIC_TOPICS,
    *INSTANCES,
    "depth/image",
    "depth/camera_info",
    "depth/points",
    "depth/scale",
)
MODULE = "panoptic_depth"
SCENE, CROWD, EMPTY, BLIND = range(4)
BUILDING, SKY, PERSON, CAR = 2, 10, 11, 13
# id: class, rows, columns, depth; later ones lie in front
PARTS = {
    1: (BUILDING, (10, 72), (0, 96), 10.0),
    3: (SKY, (0, 10), (0, 96), math.nan),
    2: (CAR, (30, 60), (20, 50), 4.0),
    9: (PERSON, (20, 65), (70, 82), 2.5),
}
NEAREST_FIRST = [9, 2, 1, 3]
PIXELS = panorama(HEIGHT, width=WIDTH)


def picture(scene: int) -> np.ndarray:
    pixels = PIXELS.copy()
    pixels[0, 0, 0] = scene
    return pixels


def street() -> dict[str, np.ndarray]:
    depth = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    segments, classes = np.zeros((HEIGHT, WIDTH), np.int32), np.full(10, -1)
    for number, (kind, rows, columns, metres) in PARTS.items():
        segments[slice(*rows), slice(*columns)] = number
        depth[slice(*rows), slice(*columns)] = metres
        classes[number] = kind
    segments[66:, 10:20] = 0  # ground that belongs to nothing
    return {"depth": depth, "segments": segments, "classes": classes}


def crowd() -> dict[str, np.ndarray]:
    """200 cars in a grid of 10 x 20, each at a distance of its own."""
    row, column = np.mgrid[0:HEIGHT, 0:WIDTH]
    segments = (1 + row * 10 // HEIGHT * 20 + column * 20 // WIDTH).astype(np.int32)
    depth = (2.0 + 0.1 * segments).astype(np.float32)
    return {"depth": depth, "segments": segments, "classes": np.full(201, CAR)}


def scenes() -> dict[str, np.ndarray]:
    nothing = np.zeros((HEIGHT, WIDTH), np.int32)
    empty = {"depth": np.full((HEIGHT, WIDTH), 7.0, np.float32), "segments": nothing,
             "classes": np.full(1, -1)}  # fmt: skip
    blind = {**street(), "depth": np.full((HEIGHT, WIDTH), np.nan, np.float32)}
    found = {SCENE: street(), CROWD: crowd(), EMPTY: empty, BLIND: blind}
    return {f"{part}_{n}": value for n, scene in found.items() for part, value in scene.items()}


class Running:
    def __init__(self, node: NodeProcess, probe: Probe) -> None:
        self.node, self.probe = node, probe

    def ask(self, scene: int, topics: tuple[str, ...] = TOPICS) -> dict[str, Any]:
        return self.probe.ask(image(picture(scene)), topics, info_message(Header(), CAMERA))

    def reconfigure(self, **parameters: object) -> bool:
        """Clean up, set parameters, and activate again; false where it refuses them."""
        for state, transition in (("active", "deactivate"), ("inactive", "cleanup")):
            if self.probe.lifecycle() == state:
                assert self.probe.transition(transition)
        refusal = self.probe.set_parameters(**parameters)
        assert not refusal, refusal
        if not self.probe.transition("configure"):
            return False
        assert self.probe.transition("activate")
        return True


@pytest.fixture(scope="module")
def truth(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """The node with known segments in place of a network."""
    path = tmp_path_factory.mktemp("truth") / "scenes.npz"
    np.savez(path, **scenes())
    node = start_node(
        {
            "checkpoint": path,
            "cloud.organised": True,
            "cloud.edge_threshold": 0.0,
            "diagnostics_period_s": 0.2,
        },
        remappings={"__ns": "/truth"},
        module=str(Path(__file__).parent / "panoptic_truth_node.py"),
    )
    probe = make_probe("/truth", (*TOPICS, "depth/relative"), node="panoptic_depth")
    node.wait_for(READY)
    probe.wait_matched()
    yield Running(node, probe)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


@pytest.fixture(scope="module")
def found(truth: Running) -> dict[str, Any]:
    return truth.ask(SCENE)


def points_inside(number: int) -> np.ndarray:
    """(N, 3) points of a segment, without two pixels along its border."""
    scene = street()
    padded = np.pad(scene["segments"], 2, mode="edge")
    around = [padded[v : v + HEIGHT, u : u + WIDTH] for v in range(5) for u in range(5)]
    inside = np.all([neighbour == number for neighbour in around], axis=0)
    return CAMERA.unproject(torch.from_numpy(scene["depth"]), DepthKind.Z).numpy()[inside]


def numbers(message: Any, names: str = "xyz") -> list[float]:
    return [getattr(message, name) for name in names]


def test_instances_field_by_field(found: dict[str, Any]) -> None:
    message, segments = found["instances"], street()["segments"]
    assert (message.header.frame_id, message.header.stamp.nanosec) == (FRAME, 5)
    assert (message.height, message.width) == (HEIGHT, WIDTH)
    assert (message.is_range, message.is_metric) == (False, True)
    assert [one.id for one in message.instances] == NEAREST_FIRST
    labels = {BUILDING: "building", SKY: "sky", PERSON: "person", CAR: "car"}
    for one in message.instances:
        kind, rows, columns, metres = PARTS[one.id]
        assert (one.class_id, one.label) == (kind, labels[kind])
        assert one.score == pytest.approx(0.5 + one.id / 1024)
        assert one.is_thing == (kind in (PERSON, CAR))
        assert (one.box_x, one.box_y) == (columns[0], rows[0])
        assert (one.box_width, one.box_height) == (columns[1] - columns[0], rows[1] - rows[0])
        assert one.mask.header == message.header
        assert (one.mask.encoding, one.mask.step) == ("mono8", one.box_width)
        inside = segments[slice(*rows), slice(*columns)] == one.id
        mask = np.frombuffer(one.mask.data, np.uint8).reshape(one.mask.height, one.mask.width)
        np.testing.assert_array_equal(mask, 255 * inside)
        points = points_inside(one.id)
        if one.label == "sky":
            assert one.point_count == 0
            for value in (one.depth_median, one.depth_min, one.depth_max, one.depth_sigma):
                assert math.isnan(value)
            for part in (one.centroid, one.size, one.box_pose.position):
                assert all(map(math.isnan, numbers(part)))
            continue
        assert one.point_count == len(points) > 100
        assert (one.depth_median, one.depth_min, one.depth_max) == (metres,) * 3
        assert one.depth_sigma == 0
        np.testing.assert_allclose(numbers(one.centroid), points.mean(0), atol=1e-4)
        size = points.max(0) - points.min(0)
        np.testing.assert_allclose(numbers(one.size), size, atol=1e-4)
        middle = (points.max(0) + points.min(0)) / 2
        np.testing.assert_allclose(numbers(one.box_pose.position), middle, atol=1e-4)
        turn = numbers(one.box_pose.orientation, "xyzw")
        np.testing.assert_allclose(np.abs(turn), [0, 0, 0, 1], atol=1e-5)


def test_markers_stand_where_the_instances_stand(truth: Running, found: dict[str, Any]) -> None:
    instances = {one.id: one for one in found["instances"].instances}
    first, *markers = found["instances/markers"].markers
    assert first.action == Marker.DELETEALL
    assert [(m.ns, m.id) for m in markers] == [
        (name, number) for number in (9, 2) for name in ("boxes", "texts")
    ]
    for marker in markers:
        one = instances[marker.id]
        assert marker.header.frame_id == FRAME
        assert (marker.action, marker.lifetime.sec) == (Marker.ADD, 1)
        if marker.ns == "boxes":
            _check_box(marker, one)
            continue
        assert marker.type == Marker.TEXT_VIEW_FACING
        assert marker.text == {9: "person 2.5 m", 2: "car 4.0 m"}[marker.id]
        assert marker.pose.position.y < one.box_pose.position.y - one.size.y / 2  # y is down
        assert marker.scale.z == pytest.approx(0.3)

    assert not truth.probe.set_parameters(markers__stuff=True, markers__lifetime_s=0.25)
    again = truth.ask(SCENE, ("instances/markers",))["instances/markers"].markers
    assert [m.id for m in again if m.ns == "boxes"] == [9, 2, 1]  # nobody knows where the sky is
    assert again[1].lifetime.nanosec == 250_000_000
    assert not truth.probe.set_parameters(markers__stuff=False, markers__lifetime_s=1.0)


def _check_box(marker: Marker, one: InstanceDepth) -> None:
    assert marker.type == Marker.CUBE
    assert marker.pose == one.box_pose
    assert marker.scale.x == pytest.approx(one.size.x)
    assert marker.scale.y == pytest.approx(one.size.y)
    assert marker.scale.z == pytest.approx(0.02)  # it is flat, and RViz wants a volume
    assert marker.color.a == pytest.approx(0.35)
    assert max(numbers(marker.color, "rgb")) > 0.8


def test_pictures_of_the_segments(found: dict[str, Any]) -> None:
    message, segments = found["panoptic/image"], street()["segments"]
    assert (message.encoding, message.step) == ("32SC1", 4 * WIDTH)
    ids = np.frombuffer(message.data, np.int32).reshape(message.height, message.width)
    np.testing.assert_array_equal(ids, segments)
    told = found["panoptic/camera_info"]
    assert (told.height, told.width) == (HEIGHT, WIDTH)
    np.testing.assert_allclose(told.k, CAMERA.to_k())
    assert told == found["depth/camera_info"]

    message, pixels = found["panoptic/overlay"], picture(SCENE).astype(float)
    assert (message.encoding, message.height, message.width) == ("rgb8", HEIGHT, WIDTH)
    seen = np.frombuffer(message.data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(seen[segments == 0], pixels[segments == 0])
    assert {m.header.frame_id for t, m in found.items() if t in PANOPTIC_TOPICS} == {FRAME}
    expected = (pixels[40, 5] + 70) / 2  # building, half opaque
    np.testing.assert_allclose(seen[40, 5], expected, atol=0.51)
    edge = 0.5**0.5
    expected = (1 - edge) * pixels[40, 82] + edge * 70  # its line beside the person
    np.testing.assert_allclose(seen[40, 82], expected, atol=0.51)


def test_cloud_says_class_and_instance_of_its_points(found: dict[str, Any]) -> None:
    message, scene = found["depth/points"], street()
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, PointField.FLOAT32, 1),
        ("y", 4, PointField.FLOAT32, 1),
        ("z", 8, PointField.FLOAT32, 1),
        ("rgb", 12, PointField.FLOAT32, 1),
        ("label", 16, PointField.UINT32, 1),
        ("instance", 20, PointField.UINT32, 1),
    ]
    assert (message.point_step, message.row_step) == (24, 24 * WIDTH)
    points, colours = cloud_of(message)
    expected = CAMERA.unproject(torch.from_numpy(scene["depth"]), DepthKind.Z).numpy()
    np.testing.assert_allclose(points, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(colours, picture(SCENE))
    cells = np.frombuffer(message.data, np.uint32).reshape(HEIGHT, WIDTH, 6)
    np.testing.assert_array_equal(cells[..., 5], scene["segments"])
    classes = scene["classes"][scene["segments"]]
    np.testing.assert_array_equal(cells[..., 4].astype(np.int32), classes)
    assert cells[70, 15].tolist()[4:] == [2**32 - 1, 0]
    depth = depth_of(found["depth/image"])
    np.testing.assert_array_equal(depth, scene["depth"])


def test_masks_may_be_left_out(truth: Running, found: dict[str, Any]) -> None:
    assert not truth.probe.set_parameters(instances__masks=False)
    bare = truth.ask(SCENE, ("instances",))["instances"]
    for one, full in zip(bare.instances, found["instances"].instances, strict=True):
        assert (one.mask.width, len(one.mask.data)) == (0, 0)
        assert one.point_count == full.point_count
    assert not truth.probe.set_parameters(instances__masks=True)


def test_crowded_frame(truth: Running) -> None:
    found, scene = truth.ask(CROWD), crowd()
    instances = found["instances"].instances
    assert [one.id for one in instances] == list(range(1, 201))
    for one in instances:
        assert one.depth_median == pytest.approx(2.0 + 0.1 * one.id, rel=1e-5)
        assert one.point_count == (scene["segments"] == one.id).sum()  # too small for a border
    markers = found["instances/markers"].markers
    assert len(markers) == 401
    assert markers[-1].text == "car 22.0 m"
    assert len({tuple(numbers(m.color, "rgb")) for m in markers if m.ns == "boxes"}) > 190


def test_empty_frame(truth: Running) -> None:
    found = truth.ask(EMPTY)
    assert found["instances"].instances == []
    assert [m.action for m in found["instances/markers"].markers] == [Marker.DELETEALL]
    assert not np.frombuffer(found["panoptic/image"].data, np.int32).any()
    seen = np.frombuffer(found["panoptic/overlay"].data, np.uint8)
    np.testing.assert_array_equal(seen, picture(EMPTY).ravel())
    cells = np.frombuffer(found["depth/points"].data, np.uint32).reshape(-1, 6)
    assert (cells[:, 4] == 2**32 - 1).all()
    assert not cells[:, 5].any()
    status = truth.probe.wait_status("segments", "0")
    assert (status["failures in a row"], status["last error"]) == ("0", "")


def test_small_things_may_be_left_out_while_it_runs(truth: Running) -> None:
    areas = {9: 45 * 12, 2: 30 * 30}
    assert not truth.probe.set_parameters(segments__min_thing_area_px=areas[9] + 1)
    found = truth.ask(SCENE, ("instances", "panoptic/image"))
    assert [one.id for one in found["instances"].instances] == [2, 1, 3]
    ids = np.frombuffer(found["panoptic/image"].data, np.int32)
    assert set(ids.tolist()) == {0, 1, 2, 3}
    assert not truth.probe.set_parameters(segments__min_thing_area_px=areas[9])
    found = truth.ask(SCENE, ("instances",))
    assert [one.id for one in found["instances"].instances] == NEAREST_FIRST
    assert not truth.probe.set_parameters(segments__min_thing_area_px=0)
    assert "min_score" in truth.probe.set_parameters(segments__min_score=-0.5)


def test_pixels_that_rectification_did_not_fill_belong_to_nothing(truth: Running) -> None:
    k = CAMERA.to_k()
    moved = [*k[:2], k[2] + 30.0, 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    message = info_message(Header(), CAMERA)
    message.d, message.p = [0.01, 0.0, 0.0, 0.0, 0.0], moved

    topics = ("instances", "panoptic/image", "depth/image")
    found = truth.probe.ask(image(picture(SCENE)), topics, message)

    ids = np.frombuffer(found["panoptic/image"].data, np.int32).reshape(HEIGHT, WIDTH)
    unseen = int((ids[20] == 0).sum())
    assert 20 < unseen < 40
    assert not ids[12:60, :unseen].any()
    assert np.isnan(depth_of(found["depth/image"])[12:60, :unseen]).all()
    for one in found["instances"].instances:
        rows, columns = np.nonzero(ids == one.id)
        assert (one.box_x, one.box_y) == (columns.min(), rows.min())
        assert (one.box_width, one.box_height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        mask = np.frombuffer(one.mask.data, np.uint8)
        assert mask.sum() == 255 * len(rows)


def test_without_metres_there_are_proportions_but_no_markers(truth: Running) -> None:
    assert truth.reconfigure(scale__source="none")
    found = truth.ask(SCENE, ("instances", "instances/markers", "depth/relative", "depth/scale"))
    assert not found["instances"].is_metric
    assert not found["depth/scale"].is_metric
    medians = [one.depth_median for one in found["instances"].instances[:3]]
    assert medians == [2.5, 4.0, 10.0]
    assert [m.action for m in found["instances/markers"].markers] == [Marker.DELETEALL]
    assert truth.reconfigure(scale__source="fixed", scale__fixed_scale=2.0)
    message = truth.ask(SCENE, ("instances",))["instances"]
    assert message.is_metric
    assert [one.depth_median for one in message.instances[:3]] == [5.0, 8.0, 20.0]
    assert message.instances[1].size.x == pytest.approx(2 * 25 * 4.0 / CAMERA.fx, rel=1e-4)
    assert truth.reconfigure(scale__source="model", scale__fixed_scale=1.0)


def test_classes_of_a_file_have_their_names_and_colours(truth: Running, tmp_path: Path) -> None:
    lines = (Path(__file__).parents[2] / "config/cityscapes_classes.yaml").read_text()
    lines = lines.replace("name: car,", "name: Auto,").replace("[70, 70, 70]", "[200, 10, 30]")
    (tmp_path / "classes.yaml").write_text(lines)

    assert truth.reconfigure(
        classes_file=str(tmp_path / "classes.yaml"), segments__drop=["sky", "person"]
    )

    found = truth.ask(SCENE)
    instances = found["instances"].instances
    assert [(one.id, one.label) for one in instances] == [(2, "Auto"), (1, "building")]
    ids = np.frombuffer(found["panoptic/image"].data, np.int32).reshape(HEIGHT, WIDTH)
    assert not ids[:10].any()
    assert not ids[22:60, 72:80].any()
    np.testing.assert_array_equal(depth_of(found["depth/image"]), street()["depth"])  # it stays
    seen = np.frombuffer(found["panoptic/overlay"].data, np.uint8).reshape(HEIGHT, WIDTH, 3)
    expected = (picture(SCENE)[40, 5].astype(float) + np.array([200, 10, 30])) / 2
    np.testing.assert_allclose(seen[40, 5], expected, atol=0.51)
    assert truth.reconfigure(classes_file="", segments__drop=[""])


BAD_CLASSES = {
    "missing": (None, "cannot be read"),
    "no list": ("classes: 3\n", "holds no list of classes"),
    "too few": ("classes: [{name: a, is_thing: true, colour: [1, 2, 3]}]\n", "names 1 classes"),
    "bad colour": ("classes: [{name: a, is_thing: true, colour: [1, 2]}]\n", "class 0 (a): colour"),
}


@pytest.mark.parametrize("name", BAD_CLASSES)
def test_bad_file_with_classes_is_refused_with_the_reason(
    truth: Running, tmp_path: Path, name: str
) -> None:
    content, reason = BAD_CLASSES[name]
    path = tmp_path / "classes.yaml"
    if content is not None:
        path.write_text(content)
    assert not truth.reconfigure(classes_file=str(path))
    status = truth.probe.wait_status("message", reason)
    assert status["level"] == "2"
    assert "cannot be configured" in status["message"]
    assert truth.reconfigure(classes_file="")
    truth.ask(SCENE, ("instances",))


def test_unknown_class_to_drop_is_refused(truth: Running) -> None:
    assert not truth.reconfigure(segments__drop=["sky", "banana"])
    status = truth.probe.wait_status("message", "segments.drop has unknown classes")
    assert "unknown classes: banana; known are road" in status["message"]
    assert truth.reconfigure(segments__drop=[""])


def test_model_without_depth_gives_segments_alone(truth: Running) -> None:
    assert truth.reconfigure(model="panopticdepth-r50-seg")
    probe = truth.probe
    probe.spin_until(lambda: not probe.count_publishers("/truth/depth/image"), "end of depth/image")
    for topic in ("depth/points", "depth/scale", "depth/relative", "depth/camera_info"):
        assert not probe.count_publishers(f"/truth/{topic}")

    found = truth.ask(BLIND, (*PANOPTIC_TOPICS, *INSTANCES))

    instances = found["instances"].instances
    assert sorted(one.id for one in instances) == sorted(PARTS)
    assert {one.point_count for one in instances} == {0}
    assert all(math.isnan(one.depth_median) for one in instances)
    assert [m.action for m in found["instances/markers"].markers] == [Marker.DELETEALL]
    assert probe.wait_status("message", " Hz")["level"] == "0"
    assert truth.reconfigure(model="panopticdepth-tiny")


@pytest.fixture(scope="module")
def network(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Running, Path]]:
    """The node with a small network of random weights, at first with a model it must refuse."""
    path = tmp_path_factory.mktemp("weights") / "model_final.pth"
    torch.save({"model": case("infer-tiny-dps").state(), "iteration": 1}, path)
    node = start_node(
        {"model": "moge-2-tiny", "device": "cpu", "diagnostics_period_s": 0.2},
        remappings={"__ns": "/network"},
        module=MODULE,
    )
    probe = make_probe("/network", TOPICS, node="panoptic_depth")
    node.wait_for("cannot be configured")
    yield Running(node, probe), path
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


def test_network_agrees_with_the_library(network: tuple[Running, Path]) -> None:
    running, path = network
    assert "moge-2-tiny finds no segments" in running.node.text
    assert running.reconfigure(
        model="panopticdepth-tiny", checkpoint=str(path), reference_focal_px=100.0
    )
    pixels = np.ascontiguousarray(case("infer-tiny-dps").image)
    height, width = pixels.shape[:2]
    camera = Pinhole(height, width, 200.0, 200.0, width / 2, height / 2)
    probe, info = running.probe, info_message(Header(), camera)
    probe.wait_matched()
    estimator = dp.load("panopticdepth-tiny", path, "cpu", reference_focal_px=100.0)
    expected = estimator(pixels, camera)

    found = probe.ask(image(pixels), TOPICS, info)

    shape = tuple(expected.values.shape)
    ids = np.frombuffer(found["panoptic/image"].data, np.int32).reshape(shape)
    np.testing.assert_array_equal(ids, expected.segments.numpy())
    usable = expected.valid.numpy()
    depth = depth_of(found["depth/image"])
    np.testing.assert_array_equal(np.isfinite(depth), usable)
    # other threads sum in another order: millimetres of depths up to 88 m
    np.testing.assert_allclose(depth[usable], expected.depth.numpy()[usable], rtol=1e-4, atol=2e-3)
    assert found["panoptic/overlay"].height == height  # that of the image
    instances = found["instances"].instances
    assert len(instances) == len(expected.instances) > 3
    known = {one.id: one for one in expected.instances}
    for one in instances:
        assert (one.label, one.class_id) == (known[one.id].label, known[one.id].class_id)
        assert one.score == pytest.approx(known[one.id].score, rel=1e-4)
    nearest = [one.depth_min for one in instances if one.point_count]
    assert nearest == sorted(nearest)
    assert nearest

    assert not probe.set_parameters(segments__min_score=1.0, segments__min_stuff_area_px=10**9)
    assert probe.ask(image(pixels), ("instances",), info)["instances"].instances == []
    assert isinstance(found["instances/markers"], MarkerArray)
