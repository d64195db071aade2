"""Nodes that cannot start, fail, are flooded, lose their clock or are interrupted."""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from depth_perception.msg import DepthScale
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_harness import PATIENCE_S, READY, NodeProcess, Probe, depth_of, image, panorama
from rosgraph_msgs.msg import Clock
from safetensors.torch import load_file, save_file
from sensor_msgs.msg import CompressedImage

from depth_perception.io.images import write_image

pytestmark = pytest.mark.alone

StartNode = Callable[..., NodeProcess]
MakeProbe = Callable[..., Probe]


@dataclass(frozen=True)
class Managed:
    node: NodeProcess
    probe: Probe
    weights: Path

    def to_unconfigured(self) -> None:
        """Whatever state an earlier test left."""
        for state, transition in (("active", "deactivate"), ("inactive", "cleanup")):
            if self.probe.lifecycle() == state:
                assert self.probe.transition(transition)
        assert self.probe.lifecycle() == "unconfigured"

    def to_active(self) -> None:
        self.to_unconfigured()
        assert not self.probe.set_parameters(checkpoint=str(self.weights))
        assert self.probe.transition("configure")
        assert self.probe.transition("activate")
        self.probe.wait_matched()


@pytest.fixture(scope="module")
def managed(start_node: StartNode, make_probe: MakeProbe, weights: Path) -> Iterator[Managed]:
    """A node that was given three wrong parameters at start, put right by the first test."""
    node = start_node(
        {
            "checkpoint": weights,
            "height": 56,
            "device": "cpu",
            "cloud.stride": "two",
            "seam": "sideways",
            "scan.band_deg": 400.0,
            "diagnostics_period_s": 0.2,
        },
        remappings={"__ns": "/managed"},
    )
    probe = make_probe("/managed", ("depth/image",))
    node.wait_for("cannot be configured")
    assert not probe.set_parameters(cloud__stride=1, seam="off", scan__band_deg=10.0)
    yield Managed(node, probe, weights)
    code, _ = node.stop()
    assert code == 0, node.text
    assert "Traceback" not in node.text


def test_wrong_parameters_at_start_are_named_and_keep_the_node_unconfigured(
    managed: Managed,
) -> None:
    reasons = (
        "cloud.stride must be a whole number, got a text: 'two'",
        "seam must be one of auto, off, circular, blend, got 'sideways'",
        "scan.band_deg",
    )

    first = next(line for line in managed.node.text.splitlines() if "cannot be configured" in line)

    for reason in reasons:
        assert reason in first
    managed.to_active()
    managed.probe.ask(image(panorama()), ("depth/image",))


def _corrupt(good: bytes) -> bytes:
    return b"not a checkpoint" * 100


def _truncated(good: bytes) -> bytes:
    return good[: len(good) // 2]


@pytest.mark.parametrize("damage", [_corrupt, _truncated])
def test_damaged_checkpoint(
    managed: Managed, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damage(managed.weights.read_bytes()))
    _assert_refused(managed, path, str(path))


def test_missing_checkpoint(managed: Managed, tmp_path: Path) -> None:
    _assert_refused(managed, tmp_path / "nowhere.pth", "nowhere.pth")


def test_checkpoint_of_another_model(managed: Managed, relative_weights: Path) -> None:
    text = _assert_refused(managed, relative_weights, "panda-tiny-metric")
    assert re.search(r"shape: core\.\S+ \([\d, ]+\) in the file, \([\d, ]+\) here", text)


def test_checkpoint_with_other_names_lists_them_all(managed: Managed, tmp_path: Path) -> None:
    state = load_file(managed.weights)
    names = sorted(state)
    # Far apart in the list, so that the message does not fold them into one line.
    renamed = {f"other.{name}": state.pop(name) for name in names[:: len(names) // 3][:3]}
    dropped = names[-1:]
    for name in dropped:
        del state[name]
    path = tmp_path / "other.safetensors"
    save_file({**state, **renamed}, path)

    text = _assert_refused(managed, path, "other.safetensors")

    for name in (*renamed, *dropped):
        assert name.removeprefix("other.") in text
        assert name in text


def _assert_refused(managed: Managed, checkpoint: Path, reason: str) -> str:
    """Configure with a bad checkpoint; what the log says then. A good one works afterwards."""
    probe = managed.probe
    length = len(managed.node.text)
    managed.to_unconfigured()
    assert not probe.set_parameters(checkpoint=str(checkpoint))

    assert not probe.transition("configure")

    assert probe.lifecycle() == "unconfigured"
    status = probe.wait_status("message", reason)
    assert status["level"] == "2"
    assert status["message"].startswith("cannot be configured")
    assert len(status["message"]) < 500
    logged = managed.node.text[length:]
    assert reason in logged
    managed.to_active()
    probe.ask(image(panorama()), ("depth/image",))
    assert probe.wait_status("state", "active")["level"] == "0"
    return logged


def test_failures_in_a_row_lead_to_unconfigured_and_back(managed: Managed) -> None:
    managed.to_active()
    probe, bad = managed.probe, image(panorama(), step=1)
    assert not probe.set_parameters(
        max_consecutive_failures=3, failure_period_s=0.0, retry_period_s=0.0
    )
    for good_between in (True, False):
        for _ in range(2):
            failures = int(probe.status()["failures in a row"])
            probe.send(bad)
            probe.wait_status("failures in a row", str(failures + 1))
        if good_between:
            probe.ask(image(panorama()), ("depth/image",))
            assert probe.lifecycle() == "active"

    probe.send(bad)

    status = probe.wait_status("message", "3 images failed in a row")
    assert status["level"] == "2"
    assert "step is 1 bytes" in status["message"]
    assert probe.lifecycle() == "unconfigured"
    managed.to_active()
    probe.ask(image(panorama()), ("depth/image",))
    assert not probe.set_parameters(retry_period_s=0.5)
    for _ in range(3):
        probe.send(bad)
        probe.spin_for(0.2)
    managed.node.wait_for("configuring again after failures")  # as it was started by itself
    probe.wait_status("state", "active")
    probe.wait_matched()
    probe.ask(image(panorama()), ("depth/image",))


def test_inactive_node_publishes_nothing(managed: Managed) -> None:
    managed.to_active()
    probe = managed.probe
    assert probe.transition("deactivate")
    count = len(probe.heard["depth/image"])
    probe.send(image(panorama()))
    probe.wait_status("dropped: not active", "")
    assert len(probe.heard["depth/image"]) == count
    assert probe.transition("activate")
    probe.ask(image(panorama()), ("depth/image",))


def test_settings_for_configuration_take_effect_when_configured_again(managed: Managed) -> None:
    managed.to_active()
    before = managed.probe.ask(image(panorama(70)), ("depth/image",))["depth/image"]
    managed.to_unconfigured()
    assert not managed.probe.set_parameters(height=70)
    managed.to_active()
    after = managed.probe.ask(image(panorama(70)), ("depth/image",))["depth/image"]
    assert (before.height, after.height) == (56, 70)
    managed.to_unconfigured()
    assert not managed.probe.set_parameters(height=56)


def test_compressed_images_and_a_mask_over_the_robot(managed: Managed, tmp_path: Path) -> None:
    pixels = panorama(seed=3)
    write_image(tmp_path / "image.png", pixels)
    mask = np.zeros((28, 56), np.uint8)
    mask[21:] = 255  # the lower quarter
    write_image(tmp_path / "mask.png", mask)
    data = array("B", (tmp_path / "image.png").read_bytes())
    managed.to_unconfigured()
    probe = managed.probe
    assert not probe.set_parameters(
        image_transport="compressed", mask_file=str(tmp_path / "no.png")
    )
    assert not probe.transition("configure")
    assert "no.png" in probe.wait_status("message", "cannot be configured")["message"]
    assert not probe.set_parameters(mask_file=str(tmp_path / "mask.png"))
    managed.to_active()

    message = probe.ask(CompressedImage(format="png", data=data), ("depth/image",))["depth/image"]
    probe.send(CompressedImage(format="jpeg", data=data[:200]))

    assert "not a readable image" in probe.wait_status("last error", "200 bytes")["last error"]
    depth = depth_of(message)
    assert np.isnan(depth[42:]).all()
    assert np.isfinite(depth[:42]).all()
    managed.to_unconfigured()
    assert not probe.set_parameters(image_transport="raw", mask_file="")


def test_subscribers_that_ask_for_too_much_are_told_of_in_the_diagnostics(
    managed: Managed,
) -> None:
    managed.to_active()
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = managed.probe.create_subscription(
        DepthScale, "/managed/depth/scale", lambda message: None, latched
    )
    status = managed.probe.wait_status("message", "incompatible durability")
    assert status["level"] == "1"
    assert "/managed/depth/scale" in status["message"]
    managed.probe.destroy_subscription(subscription)


@pytest.fixture(scope="module")
def slow(start_node: StartNode, make_probe: MakeProbe, weights: Path) -> tuple[NodeProcess, Probe]:
    """A node whose model takes some tenths of a second, on simulated time."""
    node = start_node(
        {
            "checkpoint": weights,
            "height": 280,
            "flip": True,
            "device": "cpu",
            "use_sim_time": True,
            "diagnostics_period_s": 0.5,
        },
        remappings={"__ns": "/slow"},
    )
    probe = make_probe("/slow", ("depth/image",))
    node.wait_for(READY)
    clock = probe.create_publisher(Clock, "/clock", 10)
    probe.spin_until(lambda: clock.get_subscription_count() > 0, "clock discovery")
    probe.wait_matched()
    return node, probe


def _tick(probe: Probe, seconds: float) -> None:
    publisher = next(p for p in probe.publishers if p.topic_name == "/clock")
    message = Clock()
    message.clock.sec = int(seconds)
    message.clock.nanosec = int(seconds % 1 * 1e9)
    publisher.publish(message)


def test_flood_of_60_hz_drops_images_but_neither_delays_nor_grows(
    slow: tuple[NodeProcess, Probe],
) -> None:
    _, probe = slow
    pixels = image(panorama(480))  # 1.4 MB: kept images would be seen in the memory
    start_s, memory = 1000.0, []
    for _ in range(2):
        began, heard = time.monotonic(), len(probe.heard["depth/image"])
        while (elapsed := time.monotonic() - began) < 3.0 or (
            len(probe.heard["depth/image"]) < heard + 4 and elapsed < PATIENCE_S
        ):
            _tick(probe, start_s + elapsed)
            probe.send(pixels)
            probe.spin_for(1 / 60)
        one_ms = 1000.0 * elapsed / (len(probe.heard["depth/image"]) - heard)
        start_s += elapsed
        for k in range(10):  # let simulated time pass until the diagnostics came
            _tick(probe, start_s + k / 4)
            probe.spin_for(0.05)
        start_s += 2.5
        memory.append(float(probe.statuses[-1]["memory (MiB)"]))

    status = probe.statuses[-1]
    frames_in, frames_out = int(status["frames in"]), int(status["frames out"])
    assert frames_in > 60
    assert 8 <= frames_out < frames_in / 2
    assert int(status["dropped: newer image came"]) > frames_in / 3
    # An image waits for the one before it, and no longer: two times the model, and some slack.
    assert float(status["latency p99 (ms)"]) < 3.0 * one_ms + 300.0
    assert memory[1] - memory[0] < 150.0
    stamps = [m.header.stamp.sec for m in probe.heard["depth/image"]]
    assert stamps == sorted(set(stamps))


def test_clock_that_jumps_back_is_noticed_and_survived(slow: tuple[NodeProcess, Probe]) -> None:
    node, probe = slow
    _tick(probe, 2000.0)
    probe.ask(image(panorama()), ("depth/image",))
    jumps = node.text.count("the clock jumped")

    _tick(probe, 1500.0)

    probe.spin_for(0.3)
    node.wait_for("the clock jumped", jumps + 1)
    found = probe.ask(image(panorama()), ("depth/image",))
    assert np.isfinite(depth_of(found["depth/image"])).all()
    _tick(probe, 1502.0)
    status = probe.status()
    assert status["state"] == "active"
    assert status["failures in a row"] == "0"


def test_interrupt_during_inference_ends_at_once(slow: tuple[NodeProcess, Probe]) -> None:
    """The last test with the slow node."""
    node, probe = slow
    for _ in range(3):
        probe.send(image(panorama()))
        probe.spin_for(0.05)

    began = time.monotonic()
    code, seconds = node.stop()

    assert code == 0, node.text
    assert seconds < 2.0
    assert time.monotonic() - began < 10.0
    assert "Traceback" not in node.text


def test_interrupt_while_the_model_loads_ends_at_once(
    start_node: StartNode, make_probe: MakeProbe, weights: Path
) -> None:
    node = start_node(
        {"checkpoint": weights, "height": 700, "flip": True, "device": "cpu",
         "diagnostics_period_s": 0.1},
        remappings={"__ns": "/loading"},
    )  # fmt: skip
    probe = make_probe("/loading")
    status = probe.status()  # diagnostics come while the warm-up runs
    assert status["state"] == "configuring"

    began = time.monotonic()
    code, seconds = node.stop()

    assert code == 0, node.text
    assert seconds < 2.0
    assert time.monotonic() - began < 10.0
    assert "is ready" not in node.text
    assert "Traceback" not in node.text
