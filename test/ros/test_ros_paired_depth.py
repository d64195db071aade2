"""Segments of one model with the depth of another, in ``panoptic_depth`` and around panoramas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bright_segments import BRIGHT, DARK, save_pair
from ros_harness import READY, NodeProcess, Probe, depth_of, image
from std_msgs.msg import Header

import depth_perception as dp
from depth_perception.geometry import Pinhole
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.prediction import Prediction
from depth_perception.ros.compat.optional import Detection3DArray
from depth_perception.ros.messages.frames import info_message
from depth_perception.ros.nodes.panoptic import load_panoptic
from depth_perception.ros.parameters.pinhole import PanopticSettings
from depth_perception.systems import PanelsEstimator

CAMERA = Pinhole(72, 96, 78.0, 82.0, 51.3, 33.4)
TOPICS = ("panoptic/image", "panoptic/overlay", "depth/image", "depth/points", "instances")
DETECTIONS = ("instances/detections",) if Detection3DArray is not None else ()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return save_pair(tmp_path_factory.mktemp("pair"))


def parameters(pair: tuple[Path, Path]) -> dict[str, object]:
    return {
        "model": "eomt-tiny",
        "checkpoint": pair[0],
        "device": "cpu",
        "panoptic.depth_model": "da3-tiny",
        "panoptic.depth_checkpoint": pair[1],
    }


def library(pair: tuple[Path, Path]) -> Any:
    options = {"depth_model": "da3-tiny", "depth_checkpoint": pair[1], "output_size": "network"}
    return dp.load("eomt-tiny", pair[0], "cpu", **options)


def check(found: dict[str, Any], expected: Prediction) -> None:
    height, width = expected.values.shape
    ids = np.frombuffer(found["panoptic/image"].data, np.int32).reshape(height, width)
    np.testing.assert_array_equal(ids, expected.segments.numpy())
    depth, usable = depth_of(found["depth/image"]), expected.valid.numpy()
    np.testing.assert_allclose(depth[usable], expected.depth.numpy()[usable], rtol=1e-4)
    message = found["instances"]
    assert message.is_metric
    assert sorted(one.label for one in message.instances) == [BRIGHT, DARK]
    figures = expected.segment_statistics()
    for one in message.instances:
        place = [i.id for i in expected.instances].index(one.id)
        assert one.depth_median == pytest.approx(float(figures.median[place]), rel=1e-4)
    if DETECTIONS:
        names = {d.results[0].hypothesis.class_id for d in found[DETECTIONS[0]].detections}
        assert names == {BRIGHT, DARK}


def test_pinhole_images(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    pair: tuple[Path, Path],
) -> None:
    topics = (*TOPICS, *DETECTIONS)
    node = start_node(parameters(pair), remappings={"__ns": "/pair"}, module="panoptic_depth")
    probe = make_probe("/pair", topics, node="panoptic_depth")
    node.wait_for(READY)
    probe.wait_matched()
    pixels = np.full((72, 96, 3), 30, np.uint8)
    pixels[20:50, 30:60] = 255
    found = probe.ask(image(pixels), topics, info_message(Header(), CAMERA))
    check(found, library(pair)(pixels, CAMERA))
    assert not probe.set_parameters(segments__min_score=1.0)
    found = probe.ask(image(pixels), ("instances",), info_message(Header(), CAMERA))
    assert found["instances"].instances == []
    assert node.stop()[0] == 0
    assert "Traceback" not in node.text


def test_panoramas(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    pair: tuple[Path, Path],
) -> None:
    topics = (*TOPICS, *DETECTIONS)
    node = start_node({**parameters(pair), "height": 96}, remappings={"__ns": "/pair_around"})
    probe = make_probe("/pair_around", topics)
    node.wait_for(READY)
    probe.wait_matched()
    pixels = np.full((128, 256, 3), 30, np.uint8)
    pixels[50:80, :20] = pixels[50:80, -20:] = 255
    found = probe.ask(image(pixels), topics)
    around = PanelsEstimator(library(pair), surrounding_panels(96), output_size="network")
    expected = around(pixels)
    check(found, expected)
    (person,) = (one for one in found["instances"].instances if one.label == BRIGHT)
    assert person.box_x + person.box_width > expected.camera.width  # over the seam
    assert node.stop()[0] == 0
    assert "Traceback" not in node.text


@pytest.mark.parametrize(
    ("depth_model", "source", "reason"),
    [
        ("", "camera_height", "set panoptic.depth_model"),
        ("da3-mono-large", "model", "da3-mono-large is not metric"),
        ("nothing", "model", "no model 'nothing'"),
    ],
)
def test_unfit_pairs_are_refused(
    depth_model: str, source: str, reason: str, pair: tuple[Path, Path]
) -> None:
    usual = PanopticSettings()
    group = type(usual.panoptic)(depth_model=depth_model or None)
    scale = type(usual.scale)(source=source)
    settings = PanopticSettings(
        model="eomt-tiny", checkpoint=str(pair[0]), device="cpu", panoptic=group, scale=scale
    )
    with pytest.raises((ValueError, KeyError), match=reason):
        load_panoptic(settings)
