"""One running node, many images: outputs field by field, bad input, parameters while it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from ros_harness import (
    FRAME,
    OUTPUTS,
    READY,
    NodeProcess,
    Probe,
    cloud_of,
    depth_of,
    image,
    panorama,
)
from sensor_msgs.msg import Image
from std_srvs.srv import SetBool, Trigger

import depth_perception as dp
from depth_perception.cli.main import main as cli
from depth_perception.geometry import Equirectangular, Panel
from depth_perception.io.images import write_image

HEIGHT, WIDTH = 56, 112
METRIC = tuple(
    name
    for name in OUTPUTS
    if name != "depth/relative" and not name.startswith(("panoptic/", "instances"))
)


@dataclass(frozen=True)
class Running:
    node: NodeProcess
    probe: Probe
    estimator: dp.Estimator
    weights: Path


@pytest.fixture(scope="module")
def running(
    start_node: Callable[..., NodeProcess], make_probe: Callable[..., Probe], weights: Path
) -> Iterator[Running]:
    node = start_node(
        {
            "checkpoint": weights,
            "height": HEIGHT,
            "device": "cpu",
            "cloud.organised": True,
            "cloud.edge_threshold": 0.0,
            "diagnostics_period_s": 0.2,
        },
        remappings={"__ns": "/left"},
    )
    probe = make_probe("/left", METRIC)
    node.wait_for(READY)
    probe.wait_matched()
    estimator = dp.load(
        "panda-tiny-metric", weights, "cpu", height=HEIGHT, seam="circular", output_size="network"
    )
    yield Running(node, probe, estimator, weights)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


def test_outputs_field_by_field(running: Running) -> None:
    pixels = panorama()
    expected = running.estimator(pixels)

    found = running.probe.ask(image(pixels), METRIC)

    stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in found.values()}
    assert len(stamps) == 1
    assert stamps.pop()[1] == 5
    for topic in ("depth/image", "depth/points", "depth/scale", "depth/camera_info"):
        assert found[topic].header.frame_id == FRAME
    depth = found["depth/image"]
    assert (depth.height, depth.width, depth.step, depth.is_bigendian) == (HEIGHT, WIDTH, 448, 0)
    np.testing.assert_allclose(depth_of(depth), expected.depth.numpy(), rtol=1e-5)
    info = found["depth/camera_info"]
    assert (info.height, info.width) == (HEIGHT, WIDTH)
    assert info.distortion_model == "equirectangular"
    assert not np.any(info.k)
    np.testing.assert_allclose(info.d, [-math.pi, math.pi, -math.pi / 2, math.pi / 2])
    scale = found["depth/scale"]
    assert (scale.scale, scale.shift, scale.source, scale.is_metric) == (1.0, 0.0, "model", True)
    assert scale.kind == scale.KIND_DEPTH
    assert math.isnan(scale.sigma)


def test_cloud_is_the_unprojected_depth_with_the_colours_of_the_image(running: Running) -> None:
    pixels = panorama(seed=1)

    found = running.probe.ask(image(pixels), ("depth/image", "depth/points"))

    cloud = found["depth/points"]
    points, colours = cloud_of(cloud)
    assert (cloud.height, cloud.width, cloud.point_step) == (HEIGHT, WIDTH, 16)
    assert cloud.row_step == WIDTH * 16
    assert [f.name for f in cloud.fields] == ["x", "y", "z", "rgb"]
    assert not cloud.is_dense
    assert not cloud.is_bigendian
    rays = Equirectangular(HEIGHT, WIDTH).rays().numpy()
    depth = depth_of(found["depth/image"])
    np.testing.assert_allclose(points, rays * depth[..., None], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(colours, pixels)


def test_dense_cloud_keeps_stride_range_and_edges(running: Running) -> None:
    pixels = panorama(seed=2)
    ranges = running.estimator(pixels).depth.numpy()[::2, ::2]
    near, far = np.quantile(ranges, [0.2, 0.7]).astype(float)
    refused = running.probe.set_parameters(
        cloud__organised=False,
        cloud__stride=2,
        cloud__min_range_m=near,
        cloud__max_range_m=far,
        cloud__colour=False,
    )
    assert refused == ""

    cloud = running.probe.ask(image(pixels), ("depth/points",))["depth/points"]

    points, colours = cloud_of(cloud)
    distances = np.linalg.norm(points, axis=-1).ravel()
    assert colours is None
    assert cloud.is_dense
    assert cloud.height == 1
    assert distances.min() >= near * (1 - 1e-5)
    assert distances.max() <= far * (1 + 1e-5)
    assert abs(cloud.width - int(((ranges >= near) & (ranges <= far)).sum())) <= 2
    assert not running.probe.set_parameters(
        cloud__organised=True,
        cloud__stride=1,
        cloud__min_range_m=0.0,
        cloud__max_range_m=1000.0,
        cloud__colour=True,
    )


def test_scan_is_the_nearest_horizontal_distance_turning_left(running: Running) -> None:
    found = running.probe.ask(image(panorama(seed=3)), ("depth/image", "scan"))

    scan, depth = found["scan"], depth_of(found["depth/image"])
    assert scan.header.frame_id == "head_scan_frame"
    assert len(scan.ranges) == WIDTH
    assert scan.angle_min + (WIDTH - 1) * scan.angle_increment == pytest.approx(
        scan.angle_max, abs=1e-5
    )
    latitudes = (np.arange(HEIGHT) + 0.5) / HEIGHT * math.pi - math.pi / 2
    band = np.abs(latitudes) <= math.radians(5.0)
    nearest = (depth[band] * np.cos(latitudes[band])[:, None]).min(0)
    for beam in (0, 10, WIDTH // 2, WIDTH - 1):
        angle = scan.angle_min + beam * scan.angle_increment
        column = round((-angle + math.pi) / (2 * math.pi) * WIDTH - 0.5)  # longitude = -angle
        assert scan.ranges[beam] == pytest.approx(nearest[column], rel=1e-4)


def test_panel_sees_what_lies_to_the_right(running: Running) -> None:
    pixels = panorama(seed=4)
    topics = ("panels/right/image", "panels/right/depth", "panels/right/camera_info")

    found = running.probe.ask(image(pixels), (*topics, "depth/image"))

    assert {found[topic].header.frame_id for topic in topics} == {"head_right_optical_frame"}
    panel = Panel("right", math.pi / 2, 0.0, math.pi / 2, 320, 320)
    camera = Equirectangular(HEIGHT, WIDTH)
    np.testing.assert_allclose(found[topics[2]].k, panel.camera.to_k())
    view = np.frombuffer(found[topics[0]].data, np.uint8).reshape(320, 320, 3)
    expected = panel.cut_image(torch.from_numpy(pixels).permute(2, 0, 1), camera).permute(1, 2, 0)
    np.testing.assert_array_equal(view, expected.numpy())
    a_quarter_turn_right = pixels[27:29, 83:85].mean((0, 1))
    np.testing.assert_allclose(view[159:161, 159:161].mean((0, 1)), a_quarter_turn_right, atol=6)
    depth = torch.from_numpy(depth_of(found["depth/image"]).copy())
    z = panel.cut_depth(depth, camera, mode="bilinear").numpy()
    np.testing.assert_allclose(depth_of(found[topics[1]]), z, rtol=1e-5)


def test_node_library_and_command_line_agree(running: Running, tmp_path: Path) -> None:
    pixels = panorama(seed=5)
    write_image(tmp_path / "street.png", pixels)

    message = running.probe.ask(image(pixels), ("depth/image",))["depth/image"]
    code = cli(
        ["infer", str(tmp_path / "street.png"), "--checkpoint", str(running.weights),
         "--height", str(HEIGHT), "--seam", "circular", "--device", "cpu", "--raw", "npy",
         "--out", str(tmp_path / "out")]
    )  # fmt: skip

    assert code == 0
    from_node = depth_of(message)
    from_command = np.load(tmp_path / "out" / "street_depth.npy")
    from_library = running.estimator(pixels).depth.numpy()
    np.testing.assert_allclose(from_command, from_library, rtol=1e-6)
    np.testing.assert_allclose(from_node, from_library, rtol=1e-6)


def _wide(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.uint16) * 257


SAME_PICTURE = {
    "bgr8": lambda p: image(p[..., ::-1], "bgr8"),
    "padded rows": lambda p: image(
        np.pad(p.reshape(HEIGHT, -1), ((0, 0), (0, 13))), "rgb8", width=WIDTH
    ),
    "16 bit": lambda p: image(_wide(p), "rgb16"),
    "big-endian 16 bit": lambda p: image(_wide(p).astype(">u2"), "rgb16", is_bigendian=1),
    "rgba8": lambda p: image(np.pad(p, ((0, 0), (0, 0), (0, 1))), "rgba8"),
}


@pytest.mark.parametrize("name", SAME_PICTURE)
def test_every_encoding_gives_the_same_depth(running: Running, name: str) -> None:
    pixels = panorama(seed=6)
    expected = running.estimator(pixels).depth.numpy()

    message = running.probe.ask(SAME_PICTURE[name](pixels), ("depth/image",))["depth/image"]

    np.testing.assert_allclose(depth_of(message), expected, rtol=1e-5)


PIXELS = panorama(seed=7)
BAD_IMAGES = {
    "step too small": (image(PIXELS, step=100), "step is 100 bytes"),
    "short data": (image(PIXELS[:40], height=HEIGHT), "data holds 13440 bytes"),
    "size 0": (Image(encoding="rgb8"), "size must be positive, got height 0 and width 0"),
    "unknown encoding": (image(PIXELS, "jpeg2000"), "unknown image encoding 'jpeg2000'"),
    "not 2:1": (image(panorama(48, width=64)), "64 x 48 (width x height), but a full panorama"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_bad_images_are_refused_with_the_reason_and_the_node_lives(
    running: Running, name: str
) -> None:
    message, reason = BAD_IMAGES[name]
    probe = running.probe
    refused_before = int(probe.status().get("dropped: refused", 0))
    count = len(probe.heard["depth/image"])

    probe.send(message)

    status = probe.wait_status("last error", reason)
    assert int(status["dropped: refused"]) == refused_before + 1
    assert status["failures in a row"] == "1"
    assert status["level"] == "1"
    assert reason in status["message"]
    assert len(probe.heard["depth/image"]) == count
    probe.ask(image(PIXELS), ("depth/image",))
    assert probe.wait_status("failures in a row", "0")["level"] == "0"
    assert running.node.is_alive()


def test_partial_panorama_if_told_its_field_of_view(running: Running) -> None:
    pixels = panorama(40, seed=8, width=160)
    assert not running.probe.set_parameters(horizontal_fov_deg=360.0, vertical_fov_deg=90.0)

    found = running.probe.ask(image(pixels), ("depth/image", "depth/camera_info", "depth/points"))

    camera = Equirectangular.partial(40, 160, 2 * math.pi, math.pi / 2)
    expected = running.estimator(pixels, camera)
    np.testing.assert_allclose(
        found["depth/camera_info"].d, [-math.pi, math.pi, -math.pi / 4, math.pi / 4]
    )
    np.testing.assert_allclose(depth_of(found["depth/image"]), expected.depth, rtol=1e-5)
    points, _ = cloud_of(found["depth/points"])
    np.testing.assert_allclose(points, expected.points(), rtol=1e-5, atol=1e-6)
    assert not running.probe.set_parameters(horizontal_fov_deg=360.0, vertical_fov_deg=180.0)


def test_size_may_change_from_image_to_image(running: Running) -> None:
    for height in (56, 80, 31, 56):
        pixels = panorama(height, seed=height)
        message = running.probe.ask(image(pixels), ("depth/image",))["depth/image"]
        expected = running.estimator(pixels).depth.numpy()
        np.testing.assert_allclose(depth_of(message), expected, rtol=1e-5)


REFUSALS = {
    "wrong type": (
        {"cloud__stride": "two"},
        "cloud.stride must be a whole number, got a text: 'two'",
    ),
    "whole number for a real": ({"cloud__max_range_m": 5}, "write it with a point: 1.0"),
    "deleted": ({"cloud__stride": None}, "cloud.stride must be a whole number, got nothing"),
    "out of range": ({"cloud__stride": 0}, "cloud.stride"),
    "band too high": ({"scan__band_deg": 400.0}, "scan.band_deg"),
    "limits crossed": ({"cloud__min_range_m": 9.0, "cloud__max_range_m": 3.0}, "must not exceed"),
    "needs configuration": ({"height": 70}, "height is read when the node is configured"),
    "read only": ({"autostart": False}, "autostart"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_parameters_are_refused_with_a_reason_while_it_runs(running: Running, name: str) -> None:
    values, reason = REFUSALS[name]
    atomically = name != "limits crossed"

    if atomically:
        refusal = running.probe.set_parameters(**values)
    else:  # the first alone is fine
        assert not running.probe.set_parameters(cloud__min_range_m=9.0)
        refusal = running.probe.set_parameters(cloud__max_range_m=3.0)
        assert not running.probe.set_parameters(cloud__min_range_m=0.0)

    assert reason in refusal
    running.probe.ask(image(PIXELS), ("depth/image", "depth/points"))


def test_enable_and_reset(running: Running) -> None:
    probe = running.probe
    assert probe.call(SetBool, "enable", data=False).success
    dropped = int(probe.status().get("dropped: disabled", 0))
    probe.send(image(PIXELS))
    status = probe.wait_status("dropped: disabled", str(dropped + 1))
    assert status["enabled"] == "false"
    assert "disabled" in status["message"]
    assert probe.call(SetBool, "enable", data=True).success
    probe.ask(image(PIXELS), ("depth/image",))
    answer = probe.call(Trigger, "reset_scale")
    assert answer.success
    assert "model" in answer.message


def test_diagnostics_tell_the_figures(running: Running) -> None:
    probe = running.probe
    before = probe.status()
    for seed in range(5):
        probe.ask(image(panorama(seed=seed)), ("depth/image",))

    status = probe.wait_status("frames out", str(int(before["frames out"]) + 5))

    assert status["level"] == "0"
    assert status["state"] == "active"
    assert status["model"] == "panda-tiny-metric"
    assert status["device"] == "cpu"
    assert (status["precision"], status["backend"]) == ("float32", "torch")
    assert float(status["input rate (Hz)"]) > 0
    assert 0 < float(status["latency p50 (ms)"]) <= float(status["latency p99 (ms)"])
    assert 50 < float(status["memory (MiB)"]) < 8000
    dropped = sum(int(v) for k, v in status.items() if k.startswith("dropped: "))
    assert int(status["frames dropped"]) == dropped
    assert int(status["frames in"]) == int(status["frames out"]) + dropped


def test_relative_model_in_a_second_namespace_at_the_same_time(
    running: Running,
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    relative_weights: Path,
) -> None:
    node = start_node(
        {"model": "panda-tiny", "checkpoint": relative_weights, "height": HEIGHT, "device": "cpu",
         "diagnostics_period_s": 0.2},
        remappings={"__ns": "/right"},
    )  # fmt: skip
    probe = make_probe("/right", ("depth/relative", "depth/image", "depth/points", "depth/scale"))
    node.wait_for(READY)
    probe.wait_matched()

    left = running.probe.send(image(PIXELS))
    found = probe.ask(image(PIXELS), ("depth/relative", "depth/scale"))

    running.probe.spin_until(
        lambda: any(m.header.stamp.sec == left for m in running.probe.heard["depth/image"]),
        "output of the first node",
    )
    expected = dp.load("panda-tiny", relative_weights, "cpu", height=HEIGHT, seam="circular",
                       output_size="network")(PIXELS)  # fmt: skip
    np.testing.assert_allclose(depth_of(found["depth/relative"]), expected.values, rtol=1e-5)
    assert not found["depth/scale"].is_metric
    assert math.isnan(found["depth/scale"].scale)
    assert probe.status()["model"] == "panda-tiny"
    assert not probe.heard["depth/image"]
    assert not probe.heard["depth/points"]
    code, _ = node.stop()
    assert code == 0
