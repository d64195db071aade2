"""A panoptic model in ``panoramic_depth``: segments all around, in the node and in the library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden.panopticdepth_reference import case
from ros_harness import READY, NodeProcess, Probe, depth_of, image

import depth_perception as dp
from depth_perception.geometry import DepthKind, Equirectangular
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind
from depth_perception.ros.nodes.panoramic import load_model
from depth_perception.ros.nodes.segments import selected
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.segments import InstanceSettings, SegmentSettings
from depth_perception.systems import PanelsEstimator
from depth_perception.systems.panopticdepth.config import PanopticLimits

USUAL = PanoramicSettings()
MODEL, SIDE = "panopticdepth-tiny", 32
TOPICS = ("depth/image", "depth/points", "depth/scale", "panoptic/image", "panoptic/camera_info")
PIXELS = np.ascontiguousarray(case("infer-tiny-dps").image)  # 128 x 256, taken for a panorama


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model_final.pth"
    torch.save({"model": case("infer-tiny-dps").state(), "iteration": 1}, path)
    return path


def test_node_and_library_agree(
    start_node: Callable[..., NodeProcess], make_probe: Callable[..., Probe], weights: Path
) -> None:
    topics = (*TOPICS, "panoptic/overlay", "instances", "instances/markers")
    node = start_node(
        {
            "model": MODEL,
            "checkpoint": weights,
            "height": SIDE,
            "device": "cpu",
            "segments.min_stuff_area_px": 0,
        },
        remappings={"__ns": "/around"},
    )
    probe = make_probe("/around", topics)
    node.wait_for(READY)
    probe.wait_matched()
    found = probe.ask(image(PIXELS), topics)

    limits = PanopticLimits(stuff_area_px=0)
    pinhole = dp.load(MODEL, weights, "cpu", height=SIDE, limits=limits)
    panels = surrounding_panels(SIDE)
    expected = PanelsEstimator(pinhole, panels, output_size="network")(PIXELS)
    height, width = expected.values.shape
    ids = np.frombuffer(found["panoptic/image"].data, np.int32).reshape(height, width)
    np.testing.assert_array_equal(ids, expected.segments.numpy())
    depth, usable = depth_of(found["depth/image"]), expected.valid.numpy()
    np.testing.assert_allclose(depth[usable], expected.depth.numpy()[usable], rtol=1e-4)
    assert found["panoptic/camera_info"].distortion_model == "equirectangular"
    assert (found["panoptic/overlay"].height, found["panoptic/overlay"].width) == (128, 256)
    check_instances(found["instances"], expected)
    check_cloud(found["depth/points"], expected)

    assert not probe.set_parameters(segments__min_score=1.0, segments__min_stuff_area_px=10**9)
    assert probe.ask(image(PIXELS), ("instances",))["instances"].instances == []
    code, _ = node.stop()
    assert code == 0
    assert "Traceback" not in node.text


def check_instances(message: Any, expected: Prediction) -> None:
    height, width = expected.values.shape
    assert (message.height, message.width) == (height, width)
    assert (message.is_range, message.is_metric) == (True, True)
    assert len(message.instances) == len(expected.instances) > 3
    figures = expected.segment_statistics()
    places = {one.id: place for place, one in enumerate(expected.instances)}
    for one in message.instances:
        place = places[one.id]
        instance = expected.instances[place]
        left, top, right, bottom = instance.box
        assert (one.label, one.class_id) == (instance.label, instance.class_id)
        assert one.score == pytest.approx(instance.score, rel=1e-4)
        assert (one.box_x, one.box_y) == (left, top)
        assert (one.box_width, one.box_height) == (right - left, bottom - top)
        mask = np.frombuffer(one.mask.data, np.uint8).reshape(one.mask.height, one.mask.width)
        np.testing.assert_array_equal(mask, 255 * instance.mask.numpy())
        assert one.point_count == int(figures.count[place])
        if one.point_count:
            centroid = (one.centroid.x, one.centroid.y, one.centroid.z)
            np.testing.assert_allclose(centroid, figures.centroid[place], atol=1e-3)
    assert any(one.box_x + one.box_width > width for one in message.instances)


def check_cloud(message: Any, expected: Prediction) -> None:
    assert [field.name for field in message.fields] == ["x", "y", "z", "rgb", "label", "instance"]
    records = np.frombuffer(message.data, np.uint32).reshape(-1, 6)
    assert len(records) > 0
    kinds = {one.id: one.class_id for one in expected.instances}
    assert set(records[:, 5].tolist()) <= {0, *kinds}
    for number in np.unique(records[:, 5]):
        label = kinds.get(int(number), 2**32 - 1)
        assert (records[records[:, 5] == number, 4] == label).all()


def test_parameters_reach_the_model(weights: Path) -> None:
    settings = PanoramicSettings(
        model=MODEL,
        checkpoint=str(weights),
        height=40,
        device="cpu",
        panoptic=replace(USUAL.panoptic, reference_focal_px=50.0),
    )
    estimator = load_model(settings)
    assert estimator.panels == surrounding_panels(40)
    options = estimator.pinhole.options
    assert (options.reference_focal_px, options.height) == (50.0, 40)
    assert estimator.card.is_panoptic


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"model": "panda-tiny", "panoptic": replace(USUAL.panoptic, reference_focal_px=500.0)},
            "panda-tiny does not have panoptic.reference_focal_px",
        ),
        (
            {"model": "moge-2-tiny", "segments": SegmentSettings(drop=("sky",))},
            "moge-2-tiny does not have segments.drop",
        ),
        (
            {"model": "scaledepth-tiny", "instances": InstanceSettings(masks=False)},
            "scaledepth-tiny does not have instances.masks",
        ),
        ({"model": MODEL, "flip": True}, "flip"),
    ],
)
def test_what_does_not_go_together_is_refused(
    changes: dict[str, object], reason: str, weights: Path
) -> None:
    with pytest.raises(ValueError, match=reason):
        load_model(PanoramicSettings(checkpoint=str(weights), **changes))


def test_a_masked_robot_is_in_no_segment_and_boxes_still_cross_the_border() -> None:
    segments = torch.zeros((10, 20), dtype=torch.int32)
    segments[3:7, [18, 19, 0, 1]] = 4
    segments[8:, 5:9] = 6
    depth = torch.full((10, 20), 2.0)
    over = Instance(4, 13, "car", 0.5, True, (18, 3, 22, 7), torch.ones(4, 4, dtype=torch.bool))
    robot = Instance(6, 13, "car", 0.5, True, (5, 8, 9, 10), torch.ones(2, 4, dtype=torch.bool))
    prediction = Prediction(
        depth,
        depth > 0,
        Equirectangular(10, 20),
        DepthKind.RANGE,
        DepthSpace.DEPTH,
        ScaleKind.METRIC,
        instances=(over, robot),
        segments=segments,
    )
    unseen = torch.zeros((10, 20), dtype=torch.bool)
    unseen[8:] = True
    unseen[:, 1] = True
    (left,) = selected(prediction, unseen=unseen).instances
    assert (left.id, left.box) == (4, (18, 3, 21, 7))
    assert left.mask.all()
