"""Segments as messages, without a running node: selection, colours, panoramas, detections."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from geometry_msgs.msg import Pose, PoseWithCovariance, Vector3
from panoptic_truth_node import truth
from ros_harness import ROOT
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import Marker, MarkerArray

from depth_perception.geometry import DepthKind, Equirectangular, Pinhole
from depth_perception.io.segment_colours import overlay, segment_colour, segment_palette
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind
from depth_perception.ros.messages import instances as instance_messages
from depth_perception.ros.messages.instance_depth import instance_statistics
from depth_perception.ros.messages.instances import instance_array, marker_array
from depth_perception.ros.nodes.panoptic import load_panoptic
from depth_perception.ros.nodes.segments import limits_of, renamed, selected
from depth_perception.ros.outputs import segments
from depth_perception.ros.outputs.output import Frame
from depth_perception.ros.outputs.segments import InstanceOutput, LabelledCloudOutput, SegmentOutput
from depth_perception.ros.parameters.outputs import CloudSettings
from depth_perception.ros.parameters.pinhole import PanopticSettings
from depth_perception.ros.parameters.scale import ScaleSettings
from depth_perception.ros.parameters.segments import (
    InstanceSettings,
    MarkerSettings,
    SegmentSettings,
)
from depth_perception.segment_classes import (
    CITYSCAPES,
    ClassFileError,
    PanopticClass,
    check_classes,
    read_classes,
)
from depth_perception.systems.panopticdepth.config import PanopticLimits

HEADER = Header(frame_id="head_optical_frame")
CAMERA = Pinhole(20, 30, 30.0, 30.0, 15.0, 10.0)
COLOURS = [entry.colour for entry in CITYSCAPES]
ROAD, PERSON, CAR = 0, 11, 13


@pytest.fixture
def prediction() -> Prediction:
    """A road with a car (4) and a person (7) on it."""
    ids = np.zeros((20, 30), np.int32)
    ids[10:], ids[5:15, 3:15], ids[4:16, 20:24] = 2, 4, 7
    depth = np.full((20, 30), 9.0, np.float32)
    depth[ids == 4], depth[ids == 7] = 6.0, 3.0
    classes = np.array([-1, -1, ROAD, -1, CAR, -1, -1, PERSON])
    return truth(depth, ids, classes, CAMERA)


def test_selection_of_segments(prediction: Prediction) -> None:
    assert selected(prediction) is prediction
    assert selected(prediction, drop=("sky",), least_area_px=48) is prediction

    found = selected(prediction, drop=("road",), least_area_px=49)

    assert [one.id for one in found.instances] == [4]
    expected = torch.where(prediction.segments == 4, 4, 0).int()
    assert torch.equal(found.segments, expected)
    assert found.segments.dtype == torch.int32
    assert torch.equal(found.values, prediction.values)
    assert torch.equal(found.valid, prediction.valid)
    nothing = selected(prediction, drop=("road", "car", "person"))
    assert nothing.instances == ()
    assert not nothing.segments.any()
    plain = replace(prediction, segments=None, instances=())
    assert selected(plain, drop=("road",)) is plain


def test_unseen_pixels_belong_to_nothing(prediction: Prediction) -> None:
    unseen = torch.zeros((40, 60), dtype=torch.bool)  # twice as fine
    unseen[:, :16] = True
    unseen[:, 40:48] = True

    found = selected(prediction, unseen=unseen)

    assert [one.id for one in found.instances] == [2, 4]  # nothing is left of the person
    assert not found.segments[:, :8].any()
    car = found.instances[1]
    assert car.box == (8, 5, 15, 15)
    assert car.mask.all()
    road = found.instances[0]
    assert torch.equal(road.mask, found.segments[10:, 8:] == 2)


def test_names_of_another_list(prediction: Prediction) -> None:
    classes = [replace(entry, name=entry.name.upper()) for entry in CITYSCAPES]
    found = renamed(prediction, classes)
    assert [one.label for one in found.instances] == ["ROAD", "CAR", "PERSON"]


def test_limits_of_the_model_hold_where_nothing_else_is_asked_for() -> None:
    usual = PanopticLimits(combine_score=0.4, stuff_area_px=99)
    assert limits_of(SegmentSettings(), usual) == usual
    settings = SegmentSettings(min_score=0.0, min_stuff_area_px=0)
    assert limits_of(settings, usual) == replace(
        usual, combine_score=0.0, rescored=0.0, stuff_area_px=0
    )


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (PanopticSettings(model="moge-2-tiny"), "finds no segments"),
        (PanopticSettings(model="panda-tiny-metric"), "finds no segments"),
        (
            PanopticSettings(model="panopticdepth-r50-seg", scale=ScaleSettings(source="scan")),
            "has no depth that scale.source scan could",
        ),
    ],
)
def test_models_that_do_not_suit_are_refused(settings: PanopticSettings, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_panoptic(settings)


def _panorama() -> Prediction:
    """A car across the border between right and left, 3 m away on a sphere."""
    height, width = 32, 64
    ids = torch.zeros((height, width), dtype=torch.int32)
    ids[12:20, 58:], ids[12:20, :6] = 5, 5
    ids[14:16, 20:30] = 2
    mask = torch.ones((8, 12), dtype=torch.bool)
    kinds = {"score": 0.9, "is_thing": True}
    return Prediction(
        values=torch.where(ids == 5, 3.0, 8.0),
        valid=torch.ones((height, width), dtype=torch.bool),
        camera=Equirectangular(height, width),
        kind=DepthKind.RANGE,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        instances=(
            Instance(2, PERSON, "person", box=(20, 14, 30, 16), mask=mask[:2, :10], **kinds),
            Instance(5, CAR, "car", box=(58, 12, 70, 20), mask=mask, **kinds),
        ),
        segments=ids,
    )


def test_instance_across_the_border_of_a_panorama() -> None:
    prediction = _panorama()
    found = instance_statistics(prediction)
    message = instance_array(HEADER, prediction, found, with_masks=True)
    assert (message.is_range, message.height, message.width) == (True, 32, 64)
    car = message.instances[0]
    assert (car.label, car.id) == ("car", 5)
    assert (car.box_x, car.box_width, car.mask.width) == (58, 12, 12)
    assert bytes(car.mask.data) == b"\xff" * 96
    assert car.depth_median == 3.0
    assert car.point_count == 4 * 8  # two pixels of the border do not count, but for the seam
    assert abs(car.centroid.x) < 1e-5  # behind the camera
    assert -3.0 < car.centroid.z < -2.8
    assert car.size.x > 1.0
    markers = marker_array(HEADER, found, COLOURS, MarkerSettings()).markers
    assert markers[2].text == "car 3.0 m"


def test_thin_things_keep_their_pixels_and_boxes_follow_them(prediction: Prediction) -> None:
    options = InstanceSettings(border_px=40, min_points=10**6).options()
    counts = {one.instance.id: one.count for one in instance_statistics(prediction, options)}
    assert counts == {4: 120, 7: 48, 2: 300 - 5 * 12 - 6 * 4}
    assert InstanceSettings(edge_threshold=0.0).options().edge_threshold is None
    slanted = CAMERA.rays()[..., 0] / CAMERA.rays()[..., 2]
    depth = 6.0 / (1.0 - 0.8 * slanted)
    found = instance_statistics(replace(prediction, values=depth.float()))
    turned = next(one for one in found if one.instance.id == 4)
    assert abs(turned.orientation[1]) > 0.1
    assert turned.size[2] < 0.05 * turned.size[0]  # it is a plane
    straight = instance_statistics(
        replace(prediction, values=depth.float()), InstanceSettings(oriented=False).options()
    )
    assert all(one.orientation == (0, 0, 0, 1) for one in straight)


def test_unknown_scale_and_shift_say_nothing_of_distance(prediction: Prediction) -> None:
    relative = replace(prediction, scale=ScaleKind.AFFINE_INVARIANT)
    found = instance_statistics(relative)
    assert [one.instance.id for one in found] == [2, 4, 7]
    assert not any(one.is_placed for one in found)
    assert all(math.isnan(value) for one in found for value in (one.median, *one.size))
    message = instance_array(HEADER, relative, found, with_masks=False)
    assert not message.is_metric
    assert math.isnan(message.instances[0].box_pose.orientation.w)


def test_overlay_tints_segments_and_draws_their_borders() -> None:
    image = torch.full((6, 8, 3), 100, dtype=torch.uint8)
    ids = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 1, 1]])
    palette = torch.tensor([[9, 9, 9], [200, 0, 50]], dtype=torch.uint8)
    found = overlay(image, ids, palette, 0.5)
    assert (found[:, :4] == 100).all()
    assert found[2, 6].tolist() == [150, 50, 75]
    assert found[2, 4].tolist() == [171, 29, 65]  # its border is stronger
    assert torch.equal(overlay(image, ids, palette, 0.0), image)
    assert (overlay(image, ids, palette, 1.0)[:, 4:] == palette[1]).all()
    with pytest.raises(ValueError, match="opacity must lie"):
        overlay(image, ids, palette, 1.5)


def test_things_of_a_class_differ_and_stuff_has_the_colour_of_its_class() -> None:
    car = Instance(1, CAR, "car", 1.0, True, (0, 0, 1, 1), torch.ones((1, 1), dtype=torch.bool))
    shades = {segment_colour(replace(car, id=number), COLOURS) for number in range(1, 41)}
    assert len(shades) > 35
    assert all(blue > red and blue > green for red, green, blue in shades)
    road = replace(car, id=3, class_id=ROAD, is_thing=False)
    assert segment_colour(road, COLOURS) == COLOURS[ROAD]
    assert segment_colour(replace(road, class_id=-1), COLOURS) == (160, 160, 160)
    palette = segment_palette((road,), COLOURS)
    assert palette.tolist() == [[0, 0, 0]] * 3 + [list(COLOURS[ROAD])]
    assert segment_palette((), COLOURS).shape == (1, 3)


class Listened:
    """A publisher that somebody listens to, or not."""

    def __init__(self, topic: str, heard: set[str]) -> None:
        self.topic, self.heard = topic, heard
        self.messages: list[Any] = []
        self.publish = self.messages.append

    def get_subscription_count(self) -> int:
        return int(self.topic in self.heard)


def _outputs(heard: set[str]) -> tuple[dict[str, Listened], tuple[Any, ...]]:
    publishers: dict[str, Listened] = {}

    def make(kind: type[Any], topic: str) -> Any:
        publishers[topic] = Listened(topic, heard)
        return publishers[topic]

    return publishers, (
        SegmentOutput(make, CITYSCAPES, SegmentSettings),
        InstanceOutput(make, CITYSCAPES, InstanceSettings, MarkerSettings),
        LabelledCloudOutput(make, CloudSettings),
    )


@pytest.mark.parametrize(
    "heard",
    [set(), {"panoptic/image"}, {"panoptic/overlay"}, {"instances"}, {"instances/markers"},
     {"depth/points"}],
)  # fmt: skip
def test_nothing_is_computed_for_topics_nobody_listens_to(
    prediction: Prediction, heard: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    def watch(name: str) -> Callable[..., Any]:
        original = getattr(segments, name)

        def call(*arguments: Any) -> Any:
            done.append(name)
            return original(*arguments)

        return call

    for name in ("overlay", "instance_statistics", "instance_array", "marker_array"):
        monkeypatch.setattr(segments, name, watch(name))
    publishers, outputs = _outputs(heard)
    frame = Frame(HEADER, torch.zeros((20, 30, 3), dtype=torch.uint8), prediction)

    for output in outputs:
        output.publish(frame)

    assert {topic for topic, p in publishers.items() if p.messages} == heard
    expected = {
        "panoptic/overlay": {"overlay"},
        "instances": {"instance_statistics", "instance_array"},
        "instances/markers": {"instance_statistics", "marker_array"},
    }
    assert set(done) == set().union(*(expected.get(topic, set()) for topic in heard))
    assert [output.is_wanted() for output in outputs].count(True) == len(heard)


def test_kinds_of_messages() -> None:
    kinds: dict[str, type[Any]] = {}

    def make(kind: type[Any], topic: str) -> Any:
        kinds[topic] = kind
        return Listened(topic, set())

    InstanceOutput(make, CITYSCAPES, InstanceSettings, MarkerSettings)
    LabelledCloudOutput(make, CloudSettings)
    assert kinds["instances/markers"] is MarkerArray
    assert kinds["depth/points"] is PointCloud2
    assert ("instances/detections" in kinds) == (segments.Detection3DArray is not None)


# Stand-ins with the fields of vision_msgs 4, for machines that do not have it.


@dataclass
class Hypothesis:
    class_id: str = ""
    score: float = 0.0


@dataclass
class HypothesisWithPose:
    hypothesis: Hypothesis = field(default_factory=Hypothesis)
    pose: PoseWithCovariance = field(default_factory=PoseWithCovariance)


@dataclass
class Box:
    center: Pose
    size: Vector3


@dataclass
class Detection:
    header: Header
    results: list[HypothesisWithPose]
    bbox: Box
    id: str


@dataclass
class DetectionArray:
    header: Header
    detections: list[Detection] = field(default_factory=list)


def test_detections_are_the_things(prediction: Prediction, monkeypatch: pytest.MonkeyPatch) -> None:
    if instance_messages.Detection3DArray is None:
        monkeypatch.setattr(instance_messages, "Detection3DArray", DetectionArray)
        monkeypatch.setattr(instance_messages, "Detection3D", Detection)
        monkeypatch.setattr(instance_messages, "BoundingBox3D", Box)
        monkeypatch.setattr(instance_messages, "ObjectHypothesisWithPose", HypothesisWithPose)
        monkeypatch.setattr(segments, "Detection3DArray", DetectionArray)
    publishers, outputs = _outputs({"instances/detections", "instances"})
    frame = Frame(HEADER, torch.zeros((20, 30, 3), dtype=torch.uint8), prediction)

    outputs[1].publish(frame)

    (message,) = publishers["instances/detections"].messages
    assert message.header == HEADER
    (array,) = publishers["instances"].messages
    known = {str(one.id): one for one in array.instances}
    assert [one.id for one in message.detections] == ["7", "4"]
    for one in message.detections:
        (result,) = one.results
        assert result.hypothesis.class_id == known[one.id].label
        assert result.hypothesis.score == pytest.approx(known[one.id].score)
        assert result.pose.pose == one.bbox.center == known[one.id].box_pose
        assert one.bbox.size == known[one.id].size
    relative = replace(prediction, scale=ScaleKind.SCALE_INVARIANT)
    outputs[1].publish(replace(frame, prediction=relative))
    assert publishers["instances/detections"].messages[1].detections == []
    assert not publishers["instances"].messages[1].is_metric


def test_lifetime_and_opacity_of_markers(prediction: Prediction) -> None:
    options = MarkerSettings(lifetime_s=0.999_999_999_9, opacity=0.0)
    markers = marker_array(HEADER, instance_statistics(prediction), COLOURS, options).markers
    assert [m.action for m in markers] == [Marker.DELETEALL] + [Marker.ADD] * 4
    assert (markers[1].lifetime.sec, markers[1].lifetime.nanosec) == (1, 0)
    assert markers[1].color.a == 0


def test_packaged_classes_are_those_of_the_models() -> None:
    found = read_classes(ROOT / "config" / "cityscapes_classes.yaml")
    assert found == CITYSCAPES
    check_classes(found, CITYSCAPES, "model")


GOOD = "{name: a, is_thing: false, colour: [1, 2, 3]}, {name: b, is_thing: true, colour: [0, 0, 0]}"
BAD = {
    "a: [": "is no YAML",
    "- 1": "holds no list of classes",
    "classes: []": "holds no list of classes",
    f"classes: [{GOOD}]\nmore: 1": "holds no list of classes",
    "classes: [car]": "class 0 must have name, is_thing, colour",
    "classes: [{name: a, is_thing: true}]": "class 0 must have name, is_thing, colour",
    "classes: [{name: 3, is_thing: true, colour: [1, 2, 3]}]": "name must be a text, got 3",
    "classes: [{name: a, is_thing: 1, colour: [1, 2, 3]}]": r"\(a\): is_thing must be true or",
    "classes: [{name: a, is_thing: true, colour: [1, 2, 256]}]": r"whole numbers .* 256\]",
    "classes: [{name: a, is_thing: true, colour: [1, 2, true]}]": r"whole numbers .* True\]",
    f"classes: [{GOOD}, {GOOD}]": "a, b comes twice",
}


@pytest.mark.parametrize("content", BAD)
def test_bad_class_files_are_refused_with_the_reason(content: str, tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(content)
    with pytest.raises(ClassFileError, match=BAD[content]):
        read_classes(path)


def test_classes_must_fit_the_model(tmp_path: Path) -> None:
    with pytest.raises(ClassFileError, match="cannot be read: No such file"):
        read_classes(tmp_path / "missing.yaml")
    with pytest.raises(ClassFileError, match="names 18 classes but m has 19"):
        check_classes(CITYSCAPES[1:], CITYSCAPES, "m")
    more = (*CITYSCAPES[:10], *(PanopticClass(f"{k}", True, (0, 0, 0)) for k in range(9)))
    with pytest.raises(ClassFileError, match=r"class 10 \(0\) must be stuff, as sky of m"):
        check_classes(more, CITYSCAPES, "m")
