"""Other panoramic models in ``panoramic_depth``: the node gives what the library gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from ros_harness import READY, NodeProcess, Probe, cloud_of, depth_of, image, panorama

import depth_perception as dp
from depth_perception.estimators import BlindSpotPinholeEstimator, BlindSpotPinholeOptions
from depth_perception.ros.pinhole import model_options
from depth_perception.ros.pinhole_settings import PinholeSettings
from depth_perception.systems import build_network, card, save_network

HEIGHT = 64
TOPICS = ("depth/image", "depth/points", "depth/scale")


@pytest.mark.parametrize("model", ["blindspot-tiny", "omnidepth-rectnet-tiny"])
def test_node_and_library_agree(
    model: str,
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    save_network(build_network(model), weights)
    node = start_node(
        {"model": model, "checkpoint": weights, "height": HEIGHT, "device": "cpu"},
        remappings={"__ns": f"/{model.replace('-', '_')}"},
    )
    probe = make_probe(f"/{model.replace('-', '_')}", TOPICS)
    node.wait_for(READY)
    probe.wait_matched()
    pixels = panorama(HEIGHT)
    found = probe.ask(image(pixels), TOPICS)
    options = {"seam": "circular", "flip": False, "output_size": "network"}
    expected = dp.load(model, weights, "cpu", height=HEIGHT, **options)(pixels)
    valid = expected.valid.numpy()
    depth = depth_of(found["depth/image"])
    assert depth.shape == valid.shape
    assert valid.any()
    np.testing.assert_allclose(depth[valid], expected.values.numpy()[valid], rtol=1e-5)
    assert not (depth[~valid] > 0).any()
    points, colours = cloud_of(found["depth/points"])
    assert len(points) > 0
    assert colours is not None
    assert found["depth/scale"].is_metric
    code, _ = node.stop()
    assert code == 0
    assert "Traceback" not in node.text


def test_pinhole_node_knows_the_rectilinear_vgg() -> None:
    settings = PinholeSettings(model="blindspot-vgg-rectilinear", height=64, flip=True)
    options = BlindSpotPinholeOptions(**model_options(settings))
    assert (options.height, options.flip) == (64, True)
    network = build_network("blindspot-tiny")
    estimator = BlindSpotPinholeEstimator(card(settings.model), network, options=options)
    estimator.warm_up(48, 64)
    camera = dp.Pinhole.from_fov(48, 64, 1.0)
    prediction = estimator(panorama(48)[:, :64], camera)
    assert prediction.kind is dp.DepthKind.Z
    assert prediction.is_metric
    assert prediction.valid.all()
