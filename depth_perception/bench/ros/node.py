"""The whole node without a network, message in and messages out over DDS: plain against ours."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rclpy.executors import SingleThreadedExecutor
from rclpy.serialization import deserialize_message
from rich.box import SIMPLE_HEAD
from rich.table import Table
from sensor_msgs.msg import Image, PointCloud2

from ...ros.nodes.diagnostics import quantile
from ..ceiling import Ceiling, measure_ceiling
from ..frame_clock import FrameTimes
from ..hardware import Hardware, bench_device, hardware, load_note
from ..identity import bench_picture
from ..report import ceiling_line, machine_line
from .session import Feeder, NodeUnderTest, session

WAYS = ("plain", "identity")
_NAMES = {"plain": "plain", "identity": "ours"}
_SETTLE_S = 1.0
_WARM_UP_S = 5.0
_LOST = "lost on the way or while the node was busy"


@dataclass(frozen=True)
class NodeBenchOptions:
    """What is measured.

    Attributes:
        image_rows, depth_rows: of the panorama and of its depth; columns are twice as many.
        rate_hz: of the pictures.
        frames: of one round.
        rounds: of each way, by turns.
        tune_dds: run with the settings of the launch files.
    """

    image_rows: int = 960
    depth_rows: int = 504
    rate_hz: float = 30.0
    frames: int = 150
    rounds: int = 2
    tune_dds: bool = True

    def __post_init__(self) -> None:
        for name in ("image_rows", "depth_rows", "frames", "rounds", "rate_hz"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")


@dataclass(frozen=True)
class WayResult:
    """What was found of one node. Times of work are of every frame, latencies of every output.

    Attributes:
        name: of the way.
        sent: pictures; depths, clouds: what came of them.
        drops: pictures without output by reason, as far as there is one.
        unexplained: the others.
        output_rate_hz: of the clouds while pictures were sent.
        latency_p50_ms, latency_p99_ms: from before a picture is sent until depth and cloud are
            here.
        work_ms, work_p99_ms, work_cpu_ms: conversion and packing: median, 99th percentile, and
            median of the processor time.
        publish_ms, model_ms: medians.
        peak_bytes: most resident memory of the process.
    """

    name: str
    sent: int
    depths: int
    clouds: int
    drops: Mapping[str, int]
    unexplained: int
    output_rate_hz: float
    latency_p50_ms: float
    latency_p99_ms: float
    work_ms: float
    work_p99_ms: float
    work_cpu_ms: float
    publish_ms: float
    model_ms: float
    peak_bytes: int


@dataclass(frozen=True)
class NodeReport:
    """One run of both nodes."""

    options: NodeBenchOptions
    points: int
    hardware: Hardware
    ceiling: Ceiling
    results: tuple[WayResult, ...]
    differences: Mapping[str, float]
    notes: tuple[str, ...]


def bench_node(options: NodeBenchOptions) -> NodeReport:
    """Start both nodes, feed them by turns, and compare what they send.

    Raises:
        NodeError: a node does not run.
    """
    device, notes = bench_device("cpu"), load_note()
    ceiling = measure_ceiling(device)
    with session(is_tuned=options.tune_dds) as (executor, folder):
        lanes = _start(options, executor, folder)
        try:
            for lane in lanes:
                lane.node.wait_ready()
                lane.feeder.wait_matched()
                lane.warm_up()
            for turn in range(options.rounds):
                for lane in lanes if turn % 2 == 0 else reversed(lanes):
                    lane.round(options)
        finally:
            found = [lane.node.stop() for lane in lanes]
        results = tuple(
            lane.result(content, options) for lane, content in zip(lanes, found, strict=True)
        )
        apart, points = _compare(*(lane.feeder for lane in lanes))
    notes += (
        "plain: one thread, everything in the callback, NumPy and OpenCV, new arrays, memory as "
        "the C library manages it by itself; middleware and idle threads are set as for ours",
        "conversion and packing: the work on a frame without the model and without publish",
        f"Fast DDS {'as the launch files set it' if options.tune_dds else 'as it comes'}",
    )
    return NodeReport(options, points, hardware(device), ceiling, results, apart, notes)


class _Lane:
    """One node, and the process that feeds it: pictures sent and the time it took."""

    def __init__(self, way: str, node: NodeUnderTest, feeder: Feeder) -> None:
        self.way, self.node, self.feeder = way, node, feeder
        self.sent: list[int] = []
        self.rates_hz: list[float] = []

    def warm_up(self) -> None:
        """Pictures one by one; without the settings of the launch files they may be lost."""
        for _ in range(5):
            stamp, deadline_s = self.feeder.send(), time.monotonic() + _WARM_UP_S
            while not self.feeder.has(stamp) and time.monotonic() < deadline_s:
                self.feeder.spin_to(min(deadline_s, time.monotonic() + 0.05))

    def round(self, options: NodeBenchOptions) -> None:
        """Pictures at the beat, whatever comes of them."""
        clouds = self.feeder.heard["depth/points"]
        before, began = len(clouds), time.monotonic()
        for index in range(options.frames):
            self.feeder.spin_to(began + index / options.rate_hz)
            self.sent.append(self.feeder.send())
        self.feeder.spin_to(began + options.frames / options.rate_hz)
        self.rates_hz.append((len(clouds) - before) / (time.monotonic() - began))
        self.feeder.spin_to(time.monotonic() + _SETTLE_S)

    def result(self, found: Mapping[str, Any], options: NodeBenchOptions) -> WayResult:
        depths, clouds = self.feeder.heard["depth/image"], self.feeder.heard["depth/points"]
        done = [stamp for stamp in self.sent if self.feeder.has(stamp)]
        late_ms = [(max(depths[stamp], clouds[stamp]) - stamp) / 1e6 for stamp in done]
        times = [frame for frame in found["frames"] if frame.stamp_ns in set(self.sent)]
        warm = len(found["frames"]) - len(times)
        drops = {**found["drops"], _LOST: len(self.sent) + warm - found["frames_in"]}
        return WayResult(
            name=_NAMES[self.way],
            sent=len(self.sent),
            depths=sum(stamp in depths for stamp in self.sent),
            clouds=sum(stamp in clouds for stamp in self.sent),
            drops={reason: count for reason, count in drops.items() if count},
            unexplained=len(self.sent) - len(done) - sum(drops.values()),
            output_rate_hz=statistics.mean(self.rates_hz),
            latency_p50_ms=quantile(late_ms, 0.5),
            latency_p99_ms=quantile(late_ms, 0.99),
            peak_bytes=found["peak_bytes"],
            **_work(times),
        )


def _work(times: list[FrameTimes]) -> dict[str, float]:
    def middle(name: str, share: float = 0.5) -> float:
        return 1e3 * quantile([getattr(frame, name) for frame in times], share)

    return {
        "work_ms": middle("work_s"),
        "work_p99_ms": middle("work_s", 0.99),
        "work_cpu_ms": middle("work_cpu_s"),
        "publish_ms": middle("publish_s"),
        "model_ms": middle("model_s"),
    }


def _start(
    options: NodeBenchOptions, executor: SingleThreadedExecutor, folder: Path
) -> list[_Lane]:
    pixels = bench_picture(options.image_rows, 2 * options.image_rows)
    nodes = [NodeUnderTest(way, {"height": options.depth_rows}, folder) for way in WAYS]
    return [
        _Lane(way, node, Feeder(node.namespace, pixels, executor))
        for way, node in zip(WAYS, nodes, strict=True)
    ]


def _compare(plain: Feeder, ours: Feeder) -> tuple[dict[str, float], int]:
    """Largest differences of the last messages, and the number of points."""
    if any(len(feeder.last) < 2 for feeder in (plain, ours)):
        return {}, 0  # nothing came
    depths, clouds, levels = [], [], []
    for feeder in (plain, ours):
        image = deserialize_message(feeder.last["depth/image"], Image)
        cloud = deserialize_message(feeder.last["depth/points"], PointCloud2)
        depths.append(np.frombuffer(image.data, np.float32))
        records = np.frombuffer(cloud.data, np.float32).reshape(-1, 4)
        clouds.append(records[:, :3])
        levels.append(np.ascontiguousarray(records).view(np.uint8)[:, 12:15].astype(np.int32))
    counts = [len(points) for points in clouds]
    apart = {"depth m": _largest(*depths), "points": float(abs(counts[0] - counts[1]))}
    if counts[0] == counts[1]:
        apart |= {"position m": _largest(*clouds), "colour level": _largest(*levels)}
    return apart, counts[1]


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max()) if a.shape == b.shape else math.nan


def table(report: NodeReport) -> Table:
    """The results on a terminal."""
    result = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in ("way", *(title for title, _ in _COLUMNS)):
        result.add_column(title, justify="right", no_wrap=True)
    for found in report.results:
        result.add_row(found.name, *(text(found) for _, text in _COLUMNS))
    return result


_COLUMNS = (
    ("work ms", lambda r: f"{r.work_ms:.1f}"),
    ("p99", lambda r: f"{r.work_p99_ms:.1f}"),
    ("CPU", lambda r: f"{r.work_cpu_ms:.1f}"),
    ("publish ms", lambda r: f"{r.publish_ms:.1f}"),
    ("model ms", lambda r: f"{r.model_ms:.1f}"),
    ("out Hz", lambda r: f"{r.output_rate_hz:.1f}"),
    ("latency p50 ms", lambda r: f"{r.latency_p50_ms:.1f}"),
    ("p99", lambda r: f"{r.latency_p99_ms:.1f}"),
    ("sent", lambda r: str(r.sent)),
    ("depths", lambda r: str(r.depths)),
    ("clouds", lambda r: str(r.clouds)),
    ("unexplained", lambda r: str(r.unexplained)),
    ("memory MiB", lambda r: f"{r.peak_bytes / 2**20:.0f}"),
)


def lines(report: NodeReport) -> list[str]:
    """What stands around the table."""
    options, (plain, ours) = report.options, report.results
    moved = 6 * options.image_rows**2 + 8 * options.depth_rows**2 + 16 * report.points
    share = moved / (ours.work_ms / 1e3) / report.ceiling.copy_bytes_per_s
    apart = ", ".join(f"{name} {value:.1e}" for name, value in report.differences.items())
    drops = [
        f"{r.name} without output: " + ", ".join(f"{n} {reason}" for reason, n in r.drops.items())
        for r in report.results
        if r.drops
    ]
    return [
        machine_line(report.hardware),
        ceiling_line(report.ceiling),
        f"{2 * options.image_rows}x{options.image_rows} at {options.rate_hz:g} Hz, cloud of "
        f"{report.points / 1e6:.2f} M points, {options.rounds} rounds of {options.frames}",
        f"conversion and packing: {plain.work_ms / ours.work_ms:.1f} x less time, "
        f"{plain.work_cpu_ms / ours.work_cpu_ms:.1f} x less processor time; the bytes of a frame, "
        f"read or written once, at {share:.0%} of the rate of a copy",
        f"latency p99 is {ours.latency_p99_ms / ours.latency_p50_ms:.2f} x p50",
        f"largest differences: {apart}",
        *drops,
        *report.notes,
    ]


def document(report: NodeReport) -> dict[str, Any]:
    """Everything, as plain values."""
    return {"bench": "node", **asdict(replace(report, notes=tuple(report.notes)))}
