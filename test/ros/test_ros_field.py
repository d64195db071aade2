"""What the field sends, to one live node: it goes on, and its status says what is wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from ros_harness import READY, ROOT, NodeProcess, Probe, image, panorama
from std_msgs.msg import Header

pytestmark = pytest.mark.alone

PIXELS = panorama()
GRACE_S = 120.0  # on a busy machine


@dataclass(frozen=True)
class Running:
    node: NodeProcess
    probe: Probe

    def has_depth(self) -> bool:
        """Whether the next image gets depth."""
        return bool(self.probe.ask(image(PIXELS), ("depth/image",)))


@pytest.fixture(scope="module")
def running(
    start_node: Callable[..., NodeProcess], make_probe: Callable[..., Probe], weights: Path
) -> Iterator[Running]:
    parameters = {"checkpoint": weights, "height": 56, "device": "cpu", "input_timeout_s": 0.8}
    parameters |= {"diagnostics_period_s": 0.2, "cloud.strid": 4}
    node = start_node(parameters, remappings={"__ns": "/field"})
    probe = make_probe("/field", ("depth/image", "scan"))
    node.wait_for(READY)
    probe.wait_matched()
    yield Running(node, probe)
    code, seconds = node.stop()
    assert code == 0, node.text
    assert seconds < 1.0
    assert "Traceback" not in node.text


def test_unread_parameters_and_publishers_are_in_the_status(running: Running) -> None:
    status = running.probe.wait_status("message", "'cloud.strid' is unknown")
    assert "did you mean 'cloud.stride'?" in status["message"]
    assert status["level"] == "1"
    assert status["image publishers"] == "1"
    assert "parameter 'cloud.strid' is unknown" in running.node.text


@pytest.mark.parametrize("seconds", [-5, -(2**31), 2**31 - 1, 0])
def test_no_stamp_ends_the_worker(running: Running, seconds: int) -> None:
    odd = image(PIXELS)
    odd.header.frame_id = "head_optical_frame"
    odd.header.stamp.sec, odd.header.stamp.nanosec = seconds, 2**32 - 1 if seconds == 0 else 0
    running.probe._images.publish(odd)
    running.probe.spin_for(0.3)
    assert running.has_depth()


def test_long_texts_are_cut(running: Running) -> None:
    log = len(running.node.text)
    running.probe.send(image(PIXELS, "x" * 3_000_000))
    status = running.probe.wait_status("last error", "unknown image encoding 'xxx")
    assert max(map(len, status.values())) < 2000
    assert len(running.node.text) - log < 20_000
    assert running.has_depth()


def test_frames_that_are_empty_or_begin_with_a_slash(running: Running) -> None:
    probe = running.probe
    found = probe.ask(
        image(PIXELS, header=Header(frame_id="/head_optical_frame")), ("depth/image", "scan")
    )
    assert found["depth/image"].header.frame_id == "head_optical_frame"
    assert found["scan"].header.frame_id == "head_scan_frame"
    nameless = image(PIXELS, header=Header(frame_id="/"))  # the harness fills in an empty one
    assert probe.ask(nameless, ("depth/image",))["depth/image"].header.frame_id == ""
    assert probe.wait_status("message", "the images have no frame_id")["level"] == "1"
    assert not probe.set_parameters(frame_id="mast_optical_frame")
    found = probe.ask(image(PIXELS, header=Header(frame_id="/")), ("depth/image",))["depth/image"]
    assert found.header.frame_id == "mast_optical_frame"
    assert not probe.set_parameters(frame_id="")
    assert running.has_depth()


def test_images_without_content_are_warned_of_or_dropped(running: Running) -> None:
    probe, black = running.probe, image(np.zeros_like(PIXELS))
    assert probe.ask(black, ("depth/image",))
    assert probe.wait_status("message", "the image has no content: it is black")["level"] == "1"
    assert not probe.set_parameters(blank_images="drop")
    count = len(probe.heard["depth/image"])
    probe.send(black)
    status = probe.wait_status("dropped: no content", "1")
    assert status["failures in a row"] == "0"
    assert len(probe.heard["depth/image"]) == count
    assert running.has_depth()
    assert "no content" not in probe.status()["message"]
    assert not probe.set_parameters(blank_images="warn")


def test_a_rate_limit_that_starves_is_said_and_ends_with_the_parameter(running: Running) -> None:
    probe = running.probe
    assert "max_rate_hz must lie between 0.001" in probe.set_parameters(max_rate_hz=5e-324)
    assert not probe.set_parameters(max_rate_hz=0.005)
    deadline, status = time.monotonic() + GRACE_S, {}
    while "rate limit: max_rate_hz is 0.005" not in status.get("message", ""):
        assert time.monotonic() < deadline, status
        probe.send(image(PIXELS))
        probe.spin_for(0.2)
        status = probe.statuses[-1]
    assert status["level"] == "1"  # it was asked for
    assert status["message"].startswith("images come, but nothing for ")
    assert not probe.set_parameters(max_rate_hz=10.0)
    assert running.has_depth()
    assert not probe.set_parameters(max_rate_hz=0.0)


def test_failures_that_starve_are_an_error_but_no_reason_to_leave(running: Running) -> None:
    probe = running.probe
    deadline, status = time.monotonic() + GRACE_S, {"level": "0"}
    while status["level"] != "2" or int(status["failures in a row"]) < 35:
        assert time.monotonic() < deadline, status
        probe.send(image(PIXELS, step=1))
        probe.spin_for(0.02)
        status = probe.statuses[-1]
    assert status["state"] == "active"  # thirty bad images within less than ten seconds
    assert "images come, but nothing for " in status["message"]
    assert "step is 1 bytes" in status["message"]
    assert running.has_depth()


def test_listeners_of_what_a_parameter_switches_off_are_told(running: Running) -> None:
    probe = running.probe
    images = [s for s in probe.subscriptions if s.topic_name == "/field/depth/image"]
    probe.destroy_subscription(images[0])
    assert not probe.set_parameters(scan__enabled=False)
    status = probe.wait_status("message", "a parameter switches off what is listened to")
    assert "/field/scan" in status["message"]
    assert not probe.set_parameters(scan__enabled=True)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_every_signal_ends_a_recorder_which_closes_its_bag(tmp_path: Path, name: str) -> None:
    recorder = subprocess.Popen(
        [sys.executable, "-m", "depth_perception.ros.executables", "bag_recorder",
         str(tmp_path / "bag"), "--topics", "/nothing"],
        cwd=ROOT, env=os.environ, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # as without nohup
    )  # fmt: skip
    try:
        deadline = time.monotonic() + GRACE_S
        while not (tmp_path / "bag").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        recorder.send_signal(getattr(signal, name))
        _, said = recorder.communicate(timeout=GRACE_S)
    finally:
        recorder.kill()
    assert recorder.returncode == 0, said
    assert "Traceback" not in said
    assert (tmp_path / "bag" / "metadata.yaml").is_file()


SWALLOWED = """
# Press Ctrl-C where Python swallows the exception: in a callback of the garbage collection.
import os, signal, sys, weakref
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "rclpy"):
            sys.meta_path.remove(self)
            thing = Finder()
            ref = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGINT))
            del thing
sys.meta_path.insert(0, Finder())
"""


@pytest.mark.parametrize(
    ("executable", "given"), [("panoramic_depth", []), ("bag_player", ["no_bag"])]
)
def test_an_interrupt_while_libraries_are_imported_is_not_lost(
    tmp_path: Path, executable: str, given: list[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SWALLOWED)
    path = f"{tmp_path}{os.pathsep}{os.environ['PYTHONPATH']}"
    done = subprocess.run(
        [sys.executable, "-m", "depth_perception.ros.executables", executable, *given],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True,
        timeout=GRACE_S, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is a device, pipe or socket, not a regular file"),
        ("a: 1\n", "Cannot have a value before ros__parameters"),
    ],
)
def test_a_parameter_file_that_is_none_costs_one_line(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    path = tmp_path / "given.yaml"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_text(content)
    done = subprocess.run(
        [sys.executable, "-m", "depth_perception.ros.executables", "panoramic_depth",
         "--ros-args", "--params-file", str(path)],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=GRACE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    line = done.stderr.strip().splitlines()[-1]  # ROS says something, too
    assert line.startswith("cannot start: ")
    assert reason in line
