"""``pinhole_depth`` over DDS: true geometry, bad camera_info, small networks."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from bright_segments import ground_da3
from depth_perception.msg import DepthScale
from golden.ppd_reference import case
from published.solids import surface_error
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_harness import FRAME, READY, NodeProcess, Probe, cloud_of, depth_of, image, panorama
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage
from std_msgs.msg import Header

import depth_perception as dp
from depth_perception.data.worlds import Frame, make_world, render
from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.io.images import write_image
from depth_perception.ros.messages.frames import info_message
from depth_perception.ros.parameters.pinhole import DEFAULT_MODEL, PinholeSettings
from depth_perception.systems import build_network, save_network

HEIGHT, WIDTH = 72, 96
CAMERA = Pinhole(HEIGHT, WIDTH, 78.0, 82.0, 51.3, 33.4)
TOPICS = ("depth/image", "depth/camera_info", "depth/points", "depth/scale")
BARREL = [-0.25, 0.06, 1e-3, -1e-3, 0.0]
PIXELS = panorama(HEIGHT, width=WIDTH)
MODULE = "pinhole_depth"
COMMON = {"cloud.organised": True, "cloud.edge_threshold": 0.0, "diagnostics_period_s": 0.2}


@dataclass(frozen=True)
class Running:
    node: NodeProcess
    probe: Probe

    def reconfigure(self, **parameters: object) -> None:
        """Clean up, set parameters, and activate again."""
        for state, transition in (("active", "deactivate"), ("inactive", "cleanup")):
            if self.probe.lifecycle() == state:
                assert self.probe.transition(transition)
        assert not (refusal := self.probe.set_parameters(**parameters)), refusal
        assert self.probe.transition("configure")
        assert self.probe.transition("activate")
        self.probe.wait_matched()


def info(camera: Pinhole = CAMERA, **changes: object) -> CameraInfo:
    message = info_message(Header(), camera)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.fixture(scope="module")
def scene() -> tuple[object, Frame]:
    world = make_world("room", 3)
    frame = render(world, CAMERA, world.pose(1.0, yaw=0.2, pitch=0.1), shadows=False)
    assert torch.isfinite(frame.z_m).all()
    return world, frame


@pytest.fixture(scope="module")
def truth(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    scene: tuple[object, Frame],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Running]:
    """The node with the depth of ``scene`` in place of a network."""
    path = tmp_path_factory.mktemp("truth") / "z.npy"
    np.save(path, scene[1].z_m.numpy())
    node = start_node(
        {
            "checkpoint": path,
            **COMMON,
            "camera_info.timeout_s": 0.5,
            "use_sim_time": True,
        },
        remappings={"__ns": "/truth"},
        module=str(Path(__file__).parent / "truth_node.py"),
    )
    probe = make_probe("/truth", (*TOPICS, "depth/relative"), node="pinhole_depth")
    node.wait_for(READY)
    probe.wait_matched()
    yield Running(node, probe)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


def _off_surface_m(scene: tuple[object, Frame], points: torch.Tensor) -> torch.Tensor:
    """(N,) metres between points (N, 3) of the optical frame and the solids of the truth."""
    world, frame = scene
    placed = points.reshape(-1, 3) @ frame.pose[:3, :3].float().T + frame.pose[:3, 3].float()
    return surface_error(world.primitives, frame.solids.reshape(-1), placed)


def test_cloud_lies_on_the_surfaces_of_the_world(
    truth: Running, scene: tuple[object, Frame]
) -> None:
    pixels = scene[1].rgb.numpy()

    found = truth.probe.ask(image(pixels), TOPICS, info())

    points, colours = cloud_of(found["depth/points"])
    assert points.shape == (HEIGHT, WIDTH, 3)
    error = _off_surface_m(scene, torch.from_numpy(points.copy()))
    assert error.shape == (HEIGHT * WIDTH,)
    assert error.max() < 1e-3
    np.testing.assert_array_equal(colours, pixels)
    expected = CAMERA.unproject(scene[1].z_m, DepthKind.Z).numpy()
    np.testing.assert_allclose(points, expected, rtol=1e-5, atol=1e-6)
    # Half a pixel would be seen.
    shifted = Pinhole(HEIGHT, WIDTH, 78.0, 82.0, 51.8, 33.9).unproject(scene[1].z_m, DepthKind.Z)
    assert _off_surface_m(scene, shifted).quantile(0.9) > 2e-3


def test_depth_image_and_camera_info_describe_the_same_pixels(
    truth: Running, scene: tuple[object, Frame]
) -> None:
    found = truth.probe.ask(image(PIXELS), TOPICS, info())

    assert {m.header.frame_id for m in found.values()} == {FRAME}
    assert {m.header.stamp.nanosec for m in found.values()} == {5}
    np.testing.assert_array_equal(depth_of(found["depth/image"]), scene[1].z_m.numpy())
    told = found["depth/camera_info"]
    assert (told.height, told.width, told.distortion_model) == (HEIGHT, WIDTH, "plumb_bob")
    assert not any(told.d)
    np.testing.assert_allclose(told.k, CAMERA.to_k())
    points, _ = cloud_of(found["depth/points"])
    projection = np.reshape(told.p, (3, 4))  # pixel centres are whole numbers in a CameraInfo
    u, v, w = np.moveaxis(points @ projection[:, :3].T + projection[:, 3], -1, 0)
    grid_v, grid_u = np.mgrid[0:HEIGHT, 0:WIDTH]
    np.testing.assert_allclose(u / w, grid_u, atol=1e-3)
    np.testing.assert_allclose(v / w, grid_v, atol=1e-3)
    scale = found["depth/scale"]
    assert (scale.scale, scale.source, scale.is_metric) == (1.0, "model", True)


@pytest.mark.parametrize(
    ("model", "d"),
    [("plumb_bob", BARREL), ("equidistant", [0.02, -0.01, 0.0, 0.0])],
)
def test_distorted_image_is_rectified(truth: Running, model: str, d: list[float]) -> None:
    target = Pinhole(HEIGHT, WIDTH, 70.0, 70.0, 48.0, 36.0)
    k = target.to_k()
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    pixels = np.stack((u * 2, v * 3, np.full_like(u, 9)), -1).astype(np.uint8)

    found = truth.probe.ask(image(pixels), TOPICS, info(distortion_model=model, d=d, p=p))

    told = found["depth/camera_info"]
    assert not any(told.d)
    np.testing.assert_allclose(told.p, p)
    np.testing.assert_allclose(told.k, k)
    points, colours = cloud_of(found["depth/points"])
    usable = np.isfinite(points).all(-1)
    assert 0.7 < usable.mean() <= 1.0
    np.testing.assert_array_equal(usable, np.isfinite(depth_of(found["depth/image"])))
    raw_k, zero, known = np.reshape(CAMERA.to_k(), (3, 3)), np.zeros(3), points[usable][:, None]
    project = cv2.fisheye.projectPoints if model == "equidistant" else cv2.projectPoints
    raw = project(known.astype(np.float64), zero, zero, raw_k, np.array(d))[0][:, 0]
    inner = ((raw > 1) & (raw < [WIDTH - 2, HEIGHT - 2])).all(1)
    assert inner.sum() > 1000
    seen = colours[usable].astype(float)
    np.testing.assert_allclose(seen[inner, 0], 2 * raw[inner, 0], atol=0.6)
    np.testing.assert_allclose(seen[inner, 1], 3 * raw[inner, 1], atol=0.6)


BAD = {
    "not a pinhole": (info(k=[0.0] * 9, p=[0.0] * 12), "use panoramic_depth"),
    "another size": (info(Pinhole(36, 48, 40.0, 40.0, 24.0, 18.0)), "96 x 72 (width x height), b"),
    "unknown distortion": (info(distortion_model="bent", d=BARREL), "distortion_model 'bent'"),
    "skew": (info(k=[78.0, 1.0, 50.8, 0.0, 82.0, 32.9, 0.0, 0.0, 1.0]), "is skew"),
    "NaN": (info(k=[math.nan, 0.0, 50.8, 0.0, 82.0, 32.9, 0.0, 0.0, 1.0]), "K must be finite"),
    "another camera": (info(header=Header(frame_id="tail")), "camera_info of 'tail'"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_camera_info_is_refused_with_the_reason(truth: Running, name: str) -> None:
    message, reason = BAD[name]
    assert not truth.probe.set_parameters(camera_info__require_same_frame=True)
    _refused(truth.probe, image(PIXELS), message, reason)
    assert not truth.probe.set_parameters(camera_info__require_same_frame=False)


def test_camera_info_of_another_frame_is_used_with_a_warning(truth: Running) -> None:
    other = info(header=Header(frame_id="tail"))
    found = truth.probe.ask(image(PIXELS), ("depth/image", "depth/camera_info"), other)
    assert found["depth/image"].header.frame_id == FRAME
    np.testing.assert_allclose(found["depth/camera_info"].k, CAMERA.to_k())
    status = truth.probe.wait_status("message", "but its camera_info of 'tail'")
    assert status["level"] == "1"
    truth.probe.ask(image(PIXELS), ("depth/image",), info(header=Header(frame_id=f"/{FRAME}")))
    assert "tail" not in truth.probe.status()["message"]


def test_camera_that_was_never_calibrated_has_the_assumed_field_of_view(truth: Running) -> None:
    probe = truth.probe
    zeros = {"k": [0.0] * 9, "r": [0.0] * 9, "p": [0.0] * 12, "d": [], "distortion_model": ""}
    assert not probe.set_parameters(camera_info__fallback_fov_deg=60.0)
    found = probe.ask(image(PIXELS), ("depth/camera_info",), info(**zeros))
    focal = WIDTH / 2 / math.tan(math.radians(30))
    assert found["depth/camera_info"].k[0] == pytest.approx(focal)
    assert probe.wait_status("message", "(not calibrated)")["level"] == "1"
    assert not probe.set_parameters(camera_info__fallback_fov_deg=0.0)
    _refused(probe, image(PIXELS), info(**zeros), "set camera_info.fallback_fov_deg")


def test_bad_image_is_refused_with_the_reason(truth: Running) -> None:
    _refused(truth.probe, image(PIXELS, "jpeg2000"), info(), "unknown image encoding 'jpeg2000'")


def _refused(probe: Probe, bad: object, message: CameraInfo, reason: str) -> None:
    before, count = int(probe.status().get("dropped: refused", 0)), len(probe.heard["depth/image"])
    probe.send(bad, message)
    status = probe.wait_status("last error", reason)
    assert int(status["dropped: refused"]) == before + 1
    assert reason in status["message"]
    assert len(probe.heard["depth/image"]) == count
    probe.ask(image(PIXELS), ("depth/image",), info())
    assert probe.wait_status("failures in a row", "0")["level"] == "0"


def test_distortion_is_refused_where_rectifying_is_switched_off(truth: Running) -> None:
    probe = truth.probe
    assert not probe.set_parameters(rectify=False)
    probe.send(image(PIXELS), info(d=BARREL))
    probe.wait_status("last error", "rectify is false")
    assert not probe.set_parameters(image_is_rectified=True)
    found = probe.ask(image(PIXELS), ("depth/camera_info",), info(d=BARREL))
    np.testing.assert_allclose(found["depth/camera_info"].k, CAMERA.to_k())
    assert not probe.set_parameters(rectify=True, image_is_rectified=False)


def test_camera_info_may_come_after_its_image_and_never_pairs_with_another(truth: Running) -> None:
    probe = truth.probe
    probe.ask(image(PIXELS), ("depth/image",), info())
    count = len(probe.heard["depth/image"])
    stamp = probe.send(image(PIXELS))
    probe.send_info(info(), stamp - 1)
    probe.send_info(info(), stamp + 500)
    status = probe.wait_status("message", "no camera_info with the stamp of an image")
    assert "camera_info.sync to latest" in status["message"]
    assert status["level"] in "12"  # an error when nothing has gone out for long
    assert len(probe.heard["depth/image"]) == count

    probe.send_info(info(), stamp)

    probe.wait_outputs(stamp, TOPICS)
    assert probe.wait_status("message", " Hz")["level"] == "0"


def test_camera_info_that_never_comes_and_assumed_intrinsics(truth: Running) -> None:
    probe = truth.probe
    truth.reconfigure(camera_info__fallback_fov_deg=0.0)
    before = int(probe.status().get("dropped: no camera_info", 0))
    for _ in range(6):
        probe.send(image(PIXELS))
        probe.spin_for(0.1)
    status = probe.wait_status("message", "no camera_info on /truth/camera_info")
    assert status["level"] in "12"
    assert "images are dropped" in status["message"]
    assert int(status["dropped: no camera_info"]) > before

    assert not probe.set_parameters(camera_info__fallback_fov_deg=60.0)
    found = probe.ask(image(PIXELS), TOPICS)

    focal = WIDTH / 2 / math.tan(math.radians(30.0))
    assert found["depth/camera_info"].k[0] == pytest.approx(focal)
    assert found["depth/camera_info"].k[2] == pytest.approx(WIDTH / 2 - 0.5)
    status = probe.wait_status("message", "the intrinsics are assumed")
    assert "60 degrees" in status["message"]
    assert status["level"] == "1"
    found = probe.ask(image(PIXELS), TOPICS, info())  # it comes after all
    np.testing.assert_allclose(found["depth/camera_info"].k, CAMERA.to_k())
    assert probe.wait_status("message", " Hz")["level"] == "0"
    assert not probe.set_parameters(camera_info__fallback_fov_deg=0.0)


def test_latched_camera_info_serves_every_image(truth: Running) -> None:
    probe = truth.probe
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    publisher = probe.create_publisher(CameraInfo, "/truth/camera_info", latched)
    publisher.publish(info(header=Header(frame_id=FRAME)))

    truth.reconfigure(camera_info__sync="latest")

    probe.spin_for(0.5)
    for _ in range(2):
        found = probe.ask(image(PIXELS), ("depth/camera_info",))
        np.testing.assert_allclose(found["depth/camera_info"].k, CAMERA.to_k())
    assert "incompatible" not in probe.status()["message"]
    probe.destroy_publisher(publisher)
    wide = Pinhole(HEIGHT, WIDTH, 40.0, 40.0, 48.0, 36.0)
    probe.send_info(info(wide), 1)
    probe.spin_for(0.3)
    found = probe.ask(image(PIXELS), ("depth/camera_info",))
    assert found["depth/camera_info"].k[0] == 40.0
    truth.reconfigure(camera_info__sync="exact")


def test_compressed_images(truth: Running, tmp_path: Path) -> None:
    write_image(tmp_path / "image.png", PIXELS)
    data = array("B", (tmp_path / "image.png").read_bytes())
    truth.reconfigure(image_transport="compressed")

    message = CompressedImage(format="png", data=data)
    found = truth.probe.ask(message, ("depth/points",), info())

    _, colours = cloud_of(found["depth/points"])
    np.testing.assert_array_equal(colours, PIXELS)
    truth.reconfigure(image_transport="raw")


def test_clock_that_jumps_back_forgets_what_waits(truth: Running) -> None:
    node, probe = truth.node, truth.probe
    clock = probe.create_publisher(Clock, "/clock", 10)
    probe.spin_until(lambda: clock.get_subscription_count() > 0, "clock discovery")
    for seconds in (2000, 1500):
        count = node.text.count("the clock jumped")
        waiting = probe.send(image(PIXELS))  # without camera_info
        probe.spin_for(0.3)
        tick = Clock()
        tick.clock.sec = seconds
        clock.publish(tick)
        probe.spin_for(0.3)
    node.wait_for("the clock jumped", count + 1)
    heard = len(probe.heard["depth/image"])

    probe.send_info(info(), waiting)

    probe.ask(image(PIXELS), ("depth/image",), info())
    assert len(probe.heard["depth/image"]) == heard + 1
    assert int(probe.status()["dropped: clock jump"]) >= 1
    probe.destroy_publisher(clock)


@pytest.mark.parametrize("align", ["robust", "ransac"])
def test_ppd_in_metres_tells_its_fit(
    truth: Running, scene: tuple[object, Frame], align: str
) -> None:
    truth.reconfigure(model="ppd-tiny", ppd__align=align, ppd__max_pixels=64 * 96)

    found = truth.probe.ask(image(PIXELS), TOPICS, info())

    told = found["depth/scale"]
    assert (told.is_metric, told.source) == (True, "moge-2")
    assert told.kind == DepthScale.KIND_LOG1P_DEPTH
    assert told.scale == pytest.approx(1.7, rel=0.01)
    assert told.shift == pytest.approx(0.3, abs=0.01)
    assert 64 * 96 / 2 < told.inliers <= 64 * 96
    assert 0 <= told.sigma < 0.01
    expected = torch.nn.functional.interpolate(scene[1].z_m[None, None], (64, 96))[0, 0]
    np.testing.assert_allclose(depth_of(found["depth/image"]), expected.numpy(), rtol=0.02)
    points, _ = cloud_of(found["depth/points"])
    assert points.shape == (64, 96, 3)
    truth.reconfigure(
        model=DEFAULT_MODEL, ppd__align="robust", ppd__max_pixels=PinholeSettings().ppd.max_pixels
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights with random parameters of the smallest models."""
    folder = tmp_path_factory.mktemp("weights")
    reference = case("moge-tiny-infer")
    files = {"moge": "moge2.pt", "ppd": "ppd.safetensors", "da3": "da3.safetensors"}
    paths = {name: folder / file for name, file in files.items()}
    content = {"model_config": reference.entry["constructor"], "model": reference.state()}
    torch.save(content, paths["moge"])
    torch.manual_seed(0)
    network = build_network("ppd-tiny")
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    save_network(network, paths["ppd"])
    save_network(ground_da3(), paths["da3"])
    return paths


@pytest.fixture(scope="module")
def network(
    start_node: Callable[..., NodeProcess], make_probe: Callable[..., Probe], files: dict[str, Path]
) -> Iterator[Running]:
    """The node with a small network, at first with a model that it must refuse."""
    node = start_node(
        {
            "model": "panda-tiny-metric",
            "device": "cpu",
            **COMMON,
        },
        remappings={"__ns": "/network"},
        module=MODULE,
    )
    probe = make_probe("/network", (*TOPICS, "depth/relative"), node="pinhole_depth")
    node.wait_for("cannot be configured")
    yield Running(node, probe)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


def test_unfit_models_and_parameters_are_refused(network: Running, files: dict[str, Path]) -> None:
    assert "panda-tiny-metric is for equirectangular images" in network.node.text
    probe = network.probe
    assert not probe.set_parameters(
        model="moge-2-tiny", checkpoint=str(files["moge"]), moge__num_tokens=48, ppd__steps=2
    )
    assert not probe.transition("configure")
    text = "moge-2-tiny does not have ppd.steps"
    assert probe.wait_status("message", text)["level"] == "2"
    assert not probe.set_parameters(ppd__steps=4)


def test_moge_uses_the_intrinsics_and_agrees_with_the_library(
    network: Running, files: dict[str, Path]
) -> None:
    network.reconfigure(model="moge-2-tiny", checkpoint=str(files["moge"]), moge__num_tokens=48)
    options = {"num_tokens": 48, "output_size": "network"}  # as the node does by default
    estimator = dp.load("moge-2-tiny", files["moge"], "cpu", **options)
    expected = estimator(PIXELS, CAMERA)
    assert not torch.allclose(estimator(PIXELS).depth, expected.depth)  # the focal length counts

    found = network.probe.ask(image(PIXELS), TOPICS, info())

    depth = depth_of(found["depth/image"])
    usable = expected.valid.numpy()
    np.testing.assert_array_equal(np.isfinite(depth), usable)
    np.testing.assert_allclose(depth[usable], expected.depth.numpy()[usable], rtol=1e-4)
    np.testing.assert_allclose(found["depth/camera_info"].k, expected.camera.to_k())
    points, _ = cloud_of(found["depth/points"])
    np.testing.assert_allclose(points, expected.points().numpy(), rtol=1e-4, atol=1e-6)


def test_depth_anything_3_takes_the_focal_length_of_camera_info(
    network: Running, files: dict[str, Path]
) -> None:
    network.reconfigure(
        model="da3-tiny", checkpoint=str(files["da3"]), da3__process_res=56, moge__num_tokens=0
    )
    options = {"process_res": 56, "output_size": "network"}
    expected = dp.load("da3-tiny", files["da3"], "cpu", **options)(PIXELS, CAMERA)
    found = network.probe.ask(image(PIXELS), TOPICS, info())
    depth, usable = depth_of(found["depth/image"]), expected.valid.numpy()
    assert usable.any()
    np.testing.assert_array_equal(np.isfinite(depth), usable)
    np.testing.assert_allclose(depth[usable], expected.depth.numpy()[usable], rtol=1e-4)
    np.testing.assert_allclose(found["depth/camera_info"].k, expected.camera.to_k())
    network.probe.transition("deactivate")
    network.probe.transition("cleanup")
    assert not network.probe.set_parameters(da3__process_res=0)


def test_ppd_has_one_noise_field_and_tells_why_it_is_not_metric(
    network: Running, files: dict[str, Path]
) -> None:
    options = {"max_pixels": 64 * 96, "steps": 2, "seed": 5, "align": "none"}
    network.reconfigure(
        model="ppd-tiny",
        checkpoint=str(files["ppd"]),
        moge__num_tokens=30,
        ppd__semantics_checkpoint=str(files["moge"]),
        **{f"ppd__{name}": value for name, value in options.items()},
    )
    probe = network.probe
    estimator = dp.load("ppd-tiny", files["ppd"], "cpu", semantics_checkpoint=files["moge"],
                        num_tokens=30, output_size="network", **options)  # fmt: skip
    expected = estimator(PIXELS, CAMERA)

    first, second = (
        probe.ask(image(PIXELS), ("depth/relative", "depth/scale", "depth/camera_info"), info())
        for _ in range(2)
    )

    values = depth_of(first["depth/relative"])
    np.testing.assert_array_equal(values, depth_of(second["depth/relative"]))
    np.testing.assert_allclose(values, expected.values.numpy(), rtol=1e-3, atol=1e-4)
    told = first["depth/camera_info"]
    assert (told.height, told.width) == tuple(values.shape)
    np.testing.assert_allclose(told.k, CAMERA.resize(*values.shape).to_k())
    assert not first["depth/scale"].is_metric
    status = probe.wait_status("message", "not metric: alignment is switched off")
    assert status["level"] == "1"
    network.reconfigure(ppd__align="robust")
    network.reconfigure(ppd__align="ransac")
