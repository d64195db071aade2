"""Metres from lidar, scan, ground and other models over DDS, and when there are none."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from depth_perception.msg import DepthScale
from metric_node import AFFINE, FLOOR, METRIC, MOUNT, distortion
from ros_harness import FRAME, READY, NodeProcess, Probe, depth_of, image, panorama
from sensor_msgs.msg import CameraInfo, LaserScan, PointCloud2, PointField
from std_msgs.msg import Header
from std_srvs.srv import Trigger

from depth_perception.cli.main import main as command
from depth_perception.data.worlds import Frame, World, make_world, render
from depth_perception.data.worlds.lidar import Lidar, scan
from depth_perception.geometry import Camera, Equirectangular, Pinhole
from depth_perception.io.images import write_image
from depth_perception.ros.messages.frames import info_message

PANORAMA = Equirectangular(48, 96)
PINHOLE = Pinhole(60, 80, 50.0, 50.0, 40.0, 30.0)
TOPICS = ("depth/image", "depth/relative", "depth/scale")
LATE_NS = 20_000_000
DISTORTIONS = ((128, 128), (200, 60), (60, 250), (90, 100))


@dataclass
class Robot:
    """A node, a probe, and the sensors of the robot."""

    node: NodeProcess
    probe: Probe
    world: World
    view: Frame
    truth: np.ndarray
    info: CameraInfo | None = None
    sent: int = 0
    publishers: dict[str, Any] = field(default_factory=dict)

    def publish(self, message: PointCloud2 | LaserScan) -> None:
        """Publish a measurement of the next image and wait until the node has it."""
        kind = type(message)
        topic = "scale/points" if kind is PointCloud2 else "scale/scan"
        if topic not in self.publishers:
            name = f"{self.node_namespace}/{topic}"
            self.publishers[topic] = self.probe.create_publisher(kind, name, 10)
        publisher = self.publishers[topic]
        self.probe.spin_until(lambda: publisher.get_subscription_count() > 0, "match of sensor")
        before = int(self.probe.status()["scale messages"])
        message.header.stamp.sec = self.probe._next_stamp_s + 1
        message.header.stamp.nanosec = 5 + LATE_NS

        def has_arrived() -> bool:
            return int(self.probe.statuses[-1]["scale messages"]) > before

        # the middleware drops a message whose writer the subscription has not discovered yet
        self.probe.resend_until(lambda: publisher.publish(message), has_arrived, "a measurement")

    @property
    def node_namespace(self) -> str:
        return "/" + self.probe._target.split("/")[1]

    def lidar(self, **changes: Any) -> np.ndarray:
        """Points of one turn in the frame of the lidar."""
        self.sent += 1
        pose = self.view.pose.double() @ MOUNT.matrix()
        sensor = Lidar(**{"outliers": 0.2, "range_max_m": 30.0, **changes})
        return scan(self.world, sensor, pose, seed=self.sent).numpy()

    def ask(self, red: int = 128, green: int = 128, kind: int = AFFINE) -> Answer:
        """Publish an image whose network distorts so; the answer is depth or relative depth."""
        pixels = panorama(self.truth.shape[0], width=self.truth.shape[1])  # with content
        pixels[0, 0] = red, green, kind
        found = self.probe.ask(image(pixels), ("depth/scale",), self.info)["depth/scale"]
        topic = "depth/image" if found.is_metric else "depth/relative"
        other = "depth/relative" if found.is_metric else "depth/image"
        stamp = found.header.stamp.sec
        depth = self.probe.wait_outputs(stamp, (topic,))[topic]
        assert not [m for m in self.probe.heard[other] if m.header.stamp.sec == stamp]
        return Answer(found, depth_of(depth), distortion(red, green), self.truth)

    def see(self, *arguments: int, frame: str = "lidar", **changes: Any) -> Answer:
        """:meth:`ask` with a cloud of the moment."""
        self.publish(cloud(self.lidar(**changes), frame))
        return self.ask(*arguments)

    def reconfigure(self, **parameters: object) -> None:
        assert self.probe.transition("deactivate")
        assert self.probe.transition("cleanup")
        refusal = self.probe.set_parameters(**parameters)
        assert not refusal, refusal
        assert self.probe.transition("configure")
        assert self.probe.transition("activate")
        self.probe.wait_matched()


@dataclass(frozen=True)
class Answer:
    scale: DepthScale
    depth: np.ndarray
    distortion: tuple[float, float]
    truth: np.ndarray

    @property
    def error(self) -> float:
        """Mean error as a share of the truth; nothing may be missing."""
        return float(np.abs(self.depth / self.truth - 1).mean())

    def check_metric(self, source: str = "points") -> None:
        """Metres within 1 %, and DepthScale says how they came."""
        told = self.scale
        assert told.is_metric
        assert told.source == source
        assert self.error < 0.01
        assert told.kind == DepthScale.KIND_DEPTH
        assert told.scale == pytest.approx(self.distortion[0], rel=0.03)
        assert told.shift == pytest.approx(self.distortion[1], abs=0.15)
        assert 0 < told.sigma < 0.1
        values = (self.truth - self.distortion[1]) / self.distortion[0]
        np.testing.assert_allclose(told.scale * values + told.shift, self.depth, rtol=1e-3)

    def check_unknown(self) -> None:
        told = self.scale
        assert not told.is_metric
        assert (told.source, told.inliers) == ("none", 0)
        assert math.isnan(told.scale)
        assert math.isnan(told.shift)


def cloud(points: np.ndarray, frame: str = "lidar", **changes: Any) -> PointCloud2:
    right = {
        "header": Header(frame_id=frame),
        "height": 1,
        "width": len(points),
        "fields": [PointField(name=n, offset=4 * i, datatype=PointField.FLOAT32, count=1)
                   for i, n in enumerate("xyz")],
        "point_step": 12,
        "row_step": 12 * len(points),
        "data": array("B", np.ascontiguousarray(points, np.float32).tobytes()),
        "is_dense": True,
    }  # fmt: skip
    return PointCloud2(**{**right, **changes})


def _view(camera: Camera) -> tuple[World, Frame]:
    world = make_world("room", 3)
    return world, render(world, camera, world.pose(1.2, yaw=0.5), shadows=False)


def _robot(
    camera: Camera,
    start: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    folder: Path,
    *arguments: str,
    **parameters: Any,
) -> Iterator[Robot]:
    world, view = _view(camera)
    truth = view.range_m if isinstance(camera, Equirectangular) else view.z_m
    assert torch.isfinite(truth).all()
    np.save(folder / "truth.npy", truth.numpy())
    kind = arguments[0]
    node = start(
        {
            "checkpoint": folder / "truth.npy",
            "diagnostics_period_s": 0.1,
            "max_consecutive_failures": 0,
            **parameters,
        },
        remappings={"__ns": f"/{kind}"},
        module=str(Path(__file__).parent / "metric_node.py"),
        arguments=arguments,
    )
    probe = make_probe(f"/{kind}", TOPICS, node=f"{kind}_depth")
    node.wait_for(READY)
    probe.wait_matched()
    info = None if kind == "panoramic" else info_message(Header(frame_id=FRAME), camera)
    yield Robot(node, probe, world, view, truth.numpy(), info)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


@pytest.fixture(scope="module")
def panoramic(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Robot]:
    """``panoramic_depth`` with a lidar and a buffer of transforms that knows its frame."""
    folder = tmp_path_factory.mktemp("panoramic")
    options = {"scale.source": "points", "panels.enabled": False}
    yield from _robot(PANORAMA, start_node, make_probe, folder, "panoramic", "tf", **options)


@pytest.fixture(scope="module")
def pinhole(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Robot]:
    """``pinhole_depth`` without tf2_ros, as on machines without a ROS installation."""
    folder = tmp_path_factory.mktemp("pinhole")
    yield from _robot(PINHOLE, start_node, make_probe, folder, "pinhole")


def test_lidar_and_tf_make_distorted_depth_metric(panoramic: Robot) -> None:
    for red, green in DISTORTIONS:
        answer = panoramic.see(red, green)
        answer.check_metric()
        assert answer.scale.inliers > 500
    status = panoramic.probe.wait_status("message", " Hz")
    assert status["level"] == "0"
    assert (status["scale source"], status["scale status"]) == ("points", "tracking")
    assert float(status["scale agreement"]) > 0.7
    assert float(status["scale"]) == pytest.approx(distortion(90, 100)[0], rel=0.03)


def test_lidar_that_drops_out_is_held_and_then_there_are_no_metres(panoramic: Robot) -> None:
    panoramic.see().check_metric()
    for second in range(1, 6):
        answer = panoramic.ask(*DISTORTIONS[second % 4])
        if second <= 2:
            answer.check_metric("points (held)")
            assert answer.scale.inliers == 0
            status = panoramic.probe.wait_status("message", f"scale held for {second}.0 s")
        else:
            answer.check_unknown()
            status = panoramic.probe.wait_status("message", "not metric: no message on /panoramic/")
            assert f"no valid scale estimate for {second}.0 s" in status["message"]
        assert status["level"] == "1"
        assert f"the nearest is {second - 0.02:.2f} s earlier" in status["message"]
    panoramic.see(*DISTORTIONS[1]).check_metric()
    assert panoramic.probe.wait_status("message", " Hz")["level"] == "0"


def test_frame_that_tf_does_not_know(panoramic: Robot) -> None:
    assert panoramic.probe.call(Trigger, "reset_scale").success
    panoramic.see(frame="mast").check_unknown()
    status = panoramic.probe.wait_status("message", "no transform from 'mast' to 'head_optical")
    assert status["level"] == "1"
    assert "does not exist" in status["message"]
    panoramic.see(frame="").check_unknown()
    panoramic.probe.wait_status("message", "no frame in the messages on /panoramic/scale/points")
    panoramic.see().check_metric()


def test_reset_scale_forgets(panoramic: Robot) -> None:
    panoramic.see().check_metric()
    panoramic.ask().check_metric("points (held)")
    response = panoramic.probe.call(Trigger, "reset_scale")
    assert response.success
    assert "from the next image on" in response.message
    panoramic.ask().check_unknown()
    panoramic.see().check_metric()


def test_malformed_clouds_are_refused_with_the_reason_and_counted(panoramic: Robot) -> None:
    panoramic.probe.call(Trigger, "reset_scale")
    points = panoramic.lidar()
    bad = {
        "data holds 7 bytes": {"data": array("B", bytes(7))},
        "no field x nor y nor z": {"fields": []},
        "leaves the point of 4 bytes": {"point_step": 4},
        "but 4294967295 rows": {"height": 2**32 - 1},
    }
    before = int(panoramic.probe.status()["scale messages refused"])
    for count, (reason, changes) in enumerate(bad.items(), 1):
        panoramic.publish(cloud(points, **changes))
        panoramic.ask().check_unknown()
        status = panoramic.probe.wait_status("message", reason)
        assert status["level"] == "1"
        assert int(status["scale messages refused"]) == before + count
    panoramic.publish(cloud(np.full((500, 3), np.nan)))
    panoramic.ask().check_unknown()
    panoramic.see().check_metric()
    assert panoramic.probe.wait_status("message", " Hz")["level"] == "0"


def test_extrinsics_wrong_by_30_degrees_give_no_metres(panoramic: Robot) -> None:
    probe = panoramic.probe
    panoramic.reconfigure(scale__transform="given")
    right = {"x": 0.1, "y": 0.05, "z": 0.15, "yaw_deg": math.degrees(0.3), "roll_deg": 0.0,
             "pitch_deg": 0.0}  # fmt: skip
    for axis in ("roll_deg", "pitch_deg", "yaw_deg"):
        wrong = {**right, axis: right[axis] + 30.0}
        assert not probe.set_parameters(**{f"scale__extrinsics__{k}": v for k, v in wrong.items()})
        for red, green in DISTORTIONS[:2]:
            panoramic.see(red, green).check_unknown()
        status = probe.wait_status("message", "not metric: ")
        assert status["level"] == "1"
        assert "check the extrinsics" in status["message"]
    assert not probe.set_parameters(**{f"scale__extrinsics__{k}": v for k, v in right.items()})
    panoramic.see().check_metric()


def test_camera_height(panoramic: Robot) -> None:
    height_m = 1.4712  # of the camera of _view() above the floor
    panoramic.reconfigure(scale__source="camera_height", scale__camera_height_m=height_m)
    for red, green in DISTORTIONS[1:3]:
        answer = panoramic.ask(red, green)
        assert answer.scale.source == "camera_height"
        assert answer.error < 0.03
    assert not panoramic.probe.set_parameters(scale__camera_height_m=2 * height_m)
    answer = panoramic.ask(200, 60)
    assert float(np.median(answer.depth / answer.truth)) == pytest.approx(2, rel=0.05)


def test_what_the_model_says_and_its_floor(pinhole: Robot) -> None:
    answer = pinhole.ask(kind=METRIC)
    assert (answer.scale.source, answer.scale.scale, answer.scale.shift) == ("model", 1.0, 0.0)
    assert answer.error == 0
    assert pinhole.probe.wait_status("message", " Hz")["level"] == "0"
    pinhole.ask(kind=FLOOR).check_unknown()
    assert pinhole.probe.wait_status("message", "at its lower limit")["level"] == "1"
    pinhole.ask(kind=AFFINE).check_unknown()
    status = pinhole.probe.wait_status("message", "no other source of scale is set")
    assert status["level"] == "1"
    response = pinhole.probe.call(Trigger, "reset_scale")
    assert response.message == "nothing to reset: scale.source is model"


def test_without_tf_only_given_extrinsics_make_metres(pinhole: Robot) -> None:
    pinhole.reconfigure(scale__source="points")
    pinhole.see(200, 100).check_unknown()
    status = pinhole.probe.wait_status("message", "not metric: tf2_ros is not installed")
    assert "set scale.transform to given" in status["message"]
    mount = {"x": 0.1, "y": 0.05, "z": 0.15, "yaw_deg": math.degrees(0.3)}
    pinhole.reconfigure(
        scale__transform="given", **{f"scale__extrinsics__{k}": v for k, v in mount.items()}
    )
    for red, green in DISTORTIONS:
        answer = pinhole.see(red, green)
        answer.check_metric()
        assert answer.scale.inliers > 100
    assert not pinhole.probe.set_parameters(scale__extrinsics__yaw_deg=mount["yaw_deg"] + 30.0)
    pinhole.see(200, 100).check_unknown()
    assert not pinhole.probe.set_parameters(scale__extrinsics__yaw_deg=mount["yaw_deg"])
    pinhole.see(60, 100).check_metric()


def test_laser_scan(pinhole: Robot) -> None:
    pinhole.reconfigure(scale__source="scan")
    points = pinhole.lidar(beams=1, elevation_min=0.0, elevation_max=0.0, columns=720, outliers=0.1)
    assert len(points) == 720
    angles = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
    message = LaserScan(
        header=Header(frame_id="laser"),
        angle_min=float(angles[0]),
        angle_increment=float(angles[1] - angles[0]),
        range_min=0.1,
        range_max=60.0,
        ranges=np.linalg.norm(points, axis=1).tolist(),
    )
    for red, green in DISTORTIONS[:2]:
        pinhole.publish(message)
        pinhole.ask(red, green).check_metric("scan")
    message.angle_increment = math.nan
    pinhole.publish(message)
    pinhole.probe.call(Trigger, "reset_scale")
    pinhole.ask().check_unknown()
    pinhole.probe.wait_status("message", "angle_increment must be finite")


def test_fixed_numbers_and_none(pinhole: Robot) -> None:
    scale, shift = distortion(200, 60)
    pinhole.reconfigure(scale__source="fixed", scale__fixed_scale=scale, scale__fixed_shift=shift)
    answer = pinhole.ask(200, 60)
    assert answer.scale.source == "fixed"
    assert answer.error < 1e-5
    pinhole.probe.send(image(np.full((*pinhole.truth.shape, 3), METRIC, np.uint8)), pinhole.info)
    pinhole.probe.wait_status("last error", "a fit of model 'scale' has no shift")
    pinhole.reconfigure(scale__source="none")
    pinhole.ask(kind=METRIC).check_unknown()


def test_node_and_command_give_the_same_metres(
    start_node: Callable[..., NodeProcess],
    make_probe: Callable[..., Probe],
    relative_weights: Path,
    tmp_path: Path,
) -> None:
    node = start_node(
        {
            "model": "panda-tiny",
            "checkpoint": relative_weights,
            "device": "cpu",
            "height": 28,
            "scale.source": "fixed",
            "scale.fixed_scale": 2.5,
            "scale.fixed_shift": 1.5,
        },
        remappings={"__ns": "/same"},
    )
    probe = make_probe("/same", TOPICS)
    node.wait_for(READY)
    probe.wait_matched()
    pixels = panorama(56)
    write_image(tmp_path / "a.png", pixels)

    found = probe.ask(image(pixels), ("depth/image", "depth/scale"))

    assert (found["depth/scale"].scale, found["depth/scale"].shift) == (2.5, 1.5)
    options = ["--model", "panda-tiny", "--checkpoint", relative_weights, "--device", "cpu",
               "--height", 28, "--seam", "circular", "--raw", "npy", "--out", tmp_path / "out",
               "--scale", "fixed", "--fixed", 2.5, 1.5]  # fmt: skip
    assert command(["infer", str(tmp_path / "a.png"), *map(str, options)]) == 0
    written = np.load(tmp_path / "out" / "a_depth.npy")
    np.testing.assert_allclose(depth_of(found["depth/image"]), written, rtol=1e-5, atol=1e-5)
    assert np.ptp(written) > 0
    code, _ = node.stop()
    assert code == 0, node.text
