"""Other models in ``panoramic_depth``: the node gives what the library gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ramp_plugin import MODEL, install, write_weights
from ros_harness import READY, NodeProcess, Probe, cloud_of, depth_of, image, panorama

import depth_perception as dp
from depth_perception.geometry.panel_merge import surrounding_panels
from depth_perception.ros.nodes.panoramic import load_model
from depth_perception.ros.nodes.pinhole import model_options
from depth_perception.ros.parameters.panoramic import PanoramicSettings
from depth_perception.ros.parameters.pinhole import PinholeSettings
from depth_perception.systems import (
    BlindSpotPinholeEstimator,
    BlindSpotPinholeOptions,
    PanelsEstimator,
    build_network,
    card,
    save_network,
)

FOCAL = replace(PanoramicSettings().scaledepth, reference_focal_px=519.0)
HEIGHT = 64
PINHOLE = "scaledepth-tiny"
RELATIVE, FACTOR = ("da360-tiny", "da2-tiny"), 2.0
TOPICS = ("depth/image", "depth/points", "depth/scale")


@pytest.mark.parametrize(
    "model", ["blindspot-tiny", "omnidepth-rectnet-tiny", *RELATIVE, "dap-tiny", PINHOLE]
)
def test_node_and_library_agree(
    model: str,
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    network = build_network(model)
    if model == "dap-tiny":
        network.mask.out[2].bias.data.fill_(-2.0)  # near enough to be valid
    save_network(network, weights)
    given = {"model": model, "checkpoint": weights, "height": HEIGHT, "device": "cpu"}
    if model in RELATIVE:
        given |= {"scale.source": "fixed", "scale.fixed_scale": FACTOR}
    node = start_node(
        given,
        remappings={"__ns": f"/{model.replace('-', '_')}"},
    )
    probe = make_probe(f"/{model.replace('-', '_')}", TOPICS)
    node.wait_for(READY)
    probe.wait_matched()
    pixels = panorama(HEIGHT)
    found = probe.ask(image(pixels), TOPICS)
    if model == PINHOLE:
        pinhole = dp.load(model, weights, "cpu", height=HEIGHT)
        estimator = PanelsEstimator(pinhole, surrounding_panels(HEIGHT), output_size="network")
    else:
        options = {"seam": "circular", "flip": False, "output_size": "network"}
        estimator = dp.load(model, weights, "cpu", height=HEIGHT, **options)
    expected = estimator(pixels)
    valid = expected.valid.numpy()
    depth = depth_of(found["depth/image"])
    assert depth.shape == valid.shape
    assert valid.any()
    metres = expected.depth * (FACTOR if model in RELATIVE else 1)
    np.testing.assert_allclose(depth[valid], metres.numpy()[valid], rtol=1e-5)
    assert not (depth[~valid] > 0).any()
    points, colours = cloud_of(found["depth/points"])
    assert len(points) > 0
    assert colours is not None
    assert found["depth/scale"].is_metric
    code, _ = node.stop()
    assert code == 0
    assert "Traceback" not in node.text


def test_a_system_of_another_package_runs_in_the_node(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    installed = install(tmp_path)
    weights = write_weights(tmp_path / "ramp.safetensors", installed)
    monkeypatch.setenv("PYTHONPATH", f"{installed}:{os.environ['PYTHONPATH']}")
    node = start_node(
        {"model": MODEL, "checkpoint": weights, "device": "cpu", "ramp.gain": 2.0},
        remappings={"__ns": "/ramp"},
    )
    probe = make_probe("/ramp", ("depth/image", "depth/points"))
    node.wait_for(READY)
    probe.wait_matched()
    white = np.full((28, 56, 3), 255, np.uint8)
    found = probe.ask(image(white), ("depth/image", "depth/points"))
    brightness = np.mean((1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225])
    np.testing.assert_allclose(depth_of(found["depth/image"]), 2 * (3 + 0.5 * brightness), 1e-5)
    assert cloud_of(found["depth/points"])[0].shape[1] == 28 * 56


def test_focal_length_over_panels(tmp_path: Path) -> None:
    save_network(build_network(PINHOLE), tmp_path / "weights.safetensors")
    settings = PanoramicSettings(
        model=PINHOLE,
        checkpoint=str(tmp_path / "weights.safetensors"),
        height=40,
        flip=True,
        device="cpu",
        output_size="input",
        scaledepth=replace(FOCAL, reference_focal_px=50.0),
    )
    estimator = load_model(settings)
    assert estimator.panels == surrounding_panels(40)
    assert estimator.output_size == "input"
    options = estimator.pinhole.options
    assert (options.reference_focal_px, options.height, options.flip) == (50.0, 40, True)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "depth-anything-v2-small"}, "unknown scale and shift"),
        ({"model": "da3-mono-large"}, "unknown scale and shift"),
        ({"model": "panopticdepth-r50-seg"}, "segments alone"),
        ({"model": "moge-2-tiny", "flip": True}, "does not have flip"),
        (
            {
                "model": "moge-2-tiny",
                "scaledepth": FOCAL,
            },
            "does not have scaledepth.reference_focal_px",
        ),
        (
            {
                "model": "panda-tiny",
                "scaledepth": FOCAL,
            },
            "does not have scaledepth.reference_focal_px",
        ),
    ],
)
def test_what_panels_cannot_do_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        load_model(PanoramicSettings(**changes))


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
