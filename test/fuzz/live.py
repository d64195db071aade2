"""Damaged messages to live nodes over DDS, typed ones and plain bytes."""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "ros"))

from fuzz.campaign import Row
from fuzz.messages import scrambled, valid_messages
from fuzz.mutations import damaged
from fuzz.surfaces import MOST_BYTES, MOST_SECONDS, Trial

_BATCH = 25
_PACE_S = 0.01  # a node must receive what it is sent
_TOPICS = ("image", "camera_info", "scale/points")


def live_rows(folder: Path, count: int, first: int) -> Iterator[Row]:
    """The figures of a panoramic and a pinhole node; after every batch a good image gets depth."""
    os.environ["ROS_DOMAIN_ID"] = str(1 + os.getpid() % 100)
    os.environ["RCUTILS_LOGGING_SEVERITY"] = "INFO"  # the probe waits for what the nodes say
    from ros_harness import READY, NodeProcess, Probe

    import depth_perception as dp
    from depth_perception.systems import build_network, save_network

    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    try:
        for name, module, model in (
            ("live panoramic", "panoramic_depth", "panda-tiny-metric"),
            ("live pinhole", "pinhole_depth", "scaledepth-tiny"),
        ):
            weights = folder / f"{model}.safetensors"
            save_network(build_network(model), weights)
            parameters = {
                "model": model, "checkpoint": weights, "device": "cpu", "scale.source": "points",
                "scale.transform": "given", "diagnostics_period_s": 0.2,
            }  # fmt: skip
            parameters |= {"height": 56} if module == "panoramic_depth" else {}
            assert dp.models()
            node = NodeProcess(
                folder / f"{module}.log", parameters, {"__ns": f"/{module}"}, module=module
            )
            probe = Probe(f"fuzz_{module}", f"/{module}", ("depth/scale",), node=module)
            try:
                node.wait_for(READY)
                probe.wait_matched()
                yield _row(name, node, probe, count // 2, first)
            finally:
                if node.is_alive():
                    node.stop()
                probe.close()
    finally:
        rclpy.try_shutdown()


def _row(name: str, node: Any, probe: Any, count: int, first: int) -> Row:
    namespace = node.log.stem
    reliable = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
    samples = valid_messages(random.Random(0))
    publishers = {
        topic: probe.create_publisher(type(samples[topic]), f"/{namespace}/{topic}", reliable)
        for topic in _TOPICS
    }
    row = Row(name)
    idle = _memory(node.process.pid)
    _answered_s(probe, 30.0)
    idle = max(idle, _memory(node.process.pid))
    for number in range(first, first + count):
        rng = random.Random(number)
        topic = rng.choice(_TOPICS)
        message: Any = scrambled(rng, valid_messages(rng)[topic])
        if rng.random() < 0.3:  # bytes of no message
            raw = serialize_message(message)
            message = raw[:4] + damaged(rng, [raw[4:]])
        publishers[topic].publish(message)
        probe.spin_for(_PACE_S)
        is_last = (number + 1 - first) % _BATCH == 0 or number + 1 == first + count
        seconds = _answered_s(probe, 30.0) if is_last and node.is_alive() else 0.0
        faults = []
        if not node.is_alive():
            faults.append(f"ended the node ({node.process.returncode}) in the last {_BATCH}")
        elif seconds > MOST_SECONDS:
            faults.append(f"a good image after the last {_BATCH} got depth after {seconds:.1f} s")
        grown = max(0, _memory(node.process.pid) - idle)
        if grown > MOST_BYTES:
            faults.append(f"{grown >> 20} MiB above the idle node")
        row.add(Trial(number, None, seconds, grown, tuple(faults)))
        if not node.is_alive():
            break
    refusals = probe.status() if node.is_alive() else {}
    row.refused = sum(int(v) for k, v in refusals.items() if re.search(r"refused|rejected", k))
    if "Traceback" in node.text:
        row.faults.append("a traceback in the log")
    return row


def _answered_s(probe: Any, patience_s: float) -> float:
    """Seconds until an image with its calibration gets depth; the patience if it does not."""
    messages = valid_messages(random.Random(1))
    began = time.monotonic()
    before = len(probe.heard["depth/scale"])
    while len(probe.heard["depth/scale"]) == before:
        if time.monotonic() - began > patience_s:
            return patience_s
        probe.send(messages["image"], messages["camera_info"])
        for _ in range(10):
            probe.spin_for(0.02)
            if len(probe.heard["depth/scale"]) > before:
                break
    return time.monotonic() - began


def _memory(process: int) -> int:
    """Largest memory of a process so far, bytes; 0 where Linux does not tell."""
    path = Path(f"/proc/{process}/status")
    if not path.exists():
        return 0
    found = re.search(r"VmHWM:\s*(\d+)", path.read_text())
    return 1024 * int(found[1]) if found else 0
