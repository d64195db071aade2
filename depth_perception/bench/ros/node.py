"""The whole node without a network, message in and messages out over DDS: plain against ours."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, PointCloud2

from ...ros.nodes.diagnostics import quantile
from ..identity import bench_image
from ..machine import bench_device, hardware, load_note, measure_ceiling
from ..options import SIZES, Node
from ..result import Ceiling, Result
from .cloud import fields_of, floats_of, same_sized_differences
from .session import Feeder, NodeUnderTest, session

_NAMES = {"plain": "plain", "identity": "ours"}
_SETTLE_S = 1.0
_WARM_UP_S = 5.0
_LOST = "lost on the way or while the node was busy"
_COLUMNS = {  # title of a column: figure and format
    "way": ("name", "s"),
    "work ms": ("work_ms", ".1f"),
    "work p99": ("work_p99_ms", ".1f"),
    "CPU": ("work_cpu_ms", ".1f"),
    "publish ms": ("publish_ms", ".1f"),
    "model ms": ("model_ms", ".1f"),
    "out Hz": ("output_rate_hz", ".1f"),
    "latency p50 ms": ("latency_p50_ms", ".1f"),
    "latency p99": ("latency_p99_ms", ".1f"),
    "sent": ("sent", "d"),
    "depths": ("depths", "d"),
    "clouds": ("clouds", "d"),
    "unexplained": ("unexplained", "d"),
    "memory MiB": ("peak_mib", ".0f"),
}


def bench_node(options: Node) -> Result:
    """Start both nodes, feed them in alternation, and compare what they send.

    Raises:
        NodeError: a node does not run.
    """
    options.check()
    notes, rows = load_note(), SIZES[options.size]
    ceiling = measure_ceiling(bench_device("cpu"))
    with session(is_tuned=options.tune_dds) as (executor, folder):
        pixels = bench_image(rows[0], 2 * rows[0])
        nodes = [NodeUnderTest(name, {"height": rows[1]}, folder) for name in _NAMES]
        runs = [_Run(node, Feeder(node.namespace, pixels, executor)) for node in nodes]
        try:
            for run in runs:
                run.node.wait_ready()
                run.feeder.wait_matched()
                run.warm_up()
            for turn in range(options.rounds):
                for run in runs if turn % 2 == 0 else reversed(runs):
                    run.round(options)
        finally:
            found = [run.node.stop() for run in runs]
        results = tuple(
            run.figures(name, content)
            for run, name, content in zip(runs, _NAMES.values(), found, strict=True)
        )
        differences, points = _compare(*(run.feeder for run in runs))
    notes += (
        "plain: one thread, everything in the callback, NumPy and OpenCV, new arrays, memory as "
        "the C library manages it by itself; middleware and idle threads are set as for ours",
        "conversion and packing: the work on a frame without the model and without publish",
        f"Fast DDS {'as the launch files set it' if options.tune_dds else 'as it comes'}",
    )
    machine = hardware(bench_device("cpu"))
    told = _summary(options, results, ceiling, points)
    apart = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    asked = {"image_rows": rows[0], "depth_rows": rows[1]}
    asked |= {key: getattr(options, key) for key in ("rate_hz", "frames", "rounds", "tune_dds")}
    return Result(
        f"node-{2 * rows[0]}x{rows[0]}" + ("" if options.tune_dds else "-untuned"),
        machine,
        tuple(_COLUMNS),
        tuple(tuple(format(r[key], style) for key, style in _COLUMNS.values()) for r in results),
        (str(machine), str(ceiling), *told, f"largest differences: {apart}", *notes),
        {"bench": "node", "options": asked, "points": points, "hardware": asdict(machine),
         "ceiling": asdict(ceiling), "results": list(results),
         "differences": differences, "notes": list(notes)},
        text_columns=0,
    )  # fmt: skip


class _Run:
    """One node, and the process that feeds it: images sent and the time it took."""

    def __init__(self, node: NodeUnderTest, feeder: Feeder) -> None:
        self.node, self.feeder = node, feeder
        self.sent: list[int] = []
        self.rates_hz: list[float] = []

    def warm_up(self) -> None:
        """Images one by one; without the settings of the launch files they may be lost."""
        for _ in range(5):
            stamp, deadline_s = self.feeder.send(), time.monotonic() + _WARM_UP_S
            while not self.feeder.has(stamp) and time.monotonic() < deadline_s:
                self.feeder.spin_to(min(deadline_s, time.monotonic() + 0.05))

    def round(self, options: Node) -> None:
        """Images at the rate that is asked for, whatever comes of them."""
        clouds = self.feeder.heard["depth/points"]
        before, began = len(clouds), time.monotonic()
        for index in range(options.frames):
            self.feeder.spin_to(began + index / options.rate_hz)
            self.sent.append(self.feeder.send())
        self.feeder.spin_to(began + options.frames / options.rate_hz)
        self.rates_hz.append((len(clouds) - before) / (time.monotonic() - began))
        self.feeder.spin_to(time.monotonic() + _SETTLE_S)

    def figures(self, name: str, found: Mapping[str, Any]) -> dict[str, Any]:
        """What comes of the images that were sent and of what the node wrote down.

        Times of work are of every frame: conversion and packing (median, 99th percentile, median
        of the processor time), publish and model (medians). Latencies are from before an image is
        sent until depth and cloud are here. ``drops`` counts images without output by reason,
        ``unexplained`` those without reason; the rate is that of clouds while images were sent.
        """
        depths, clouds = self.feeder.heard["depth/image"], self.feeder.heard["depth/points"]
        done = [stamp for stamp in self.sent if self.feeder.has(stamp)]
        late_ms = [(max(depths[stamp], clouds[stamp]) - stamp) / 1e6 for stamp in done]
        times = [frame for frame in found["frames"] if frame.stamp_ns in set(self.sent)]
        warm = len(found["frames"]) - len(times)
        drops = {**found["drops"], _LOST: len(self.sent) + warm - found["frames_in"]}

        def ms(what: str, share: float = 0.5) -> float:
            return 1e3 * quantile([getattr(frame, what) for frame in times], share)

        return {
            "name": name,
            "sent": len(self.sent),
            "depths": sum(stamp in depths for stamp in self.sent),
            "clouds": sum(stamp in clouds for stamp in self.sent),
            "drops": {reason: count for reason, count in drops.items() if count},
            "unexplained": len(self.sent) - len(done) - sum(drops.values()),
            "output_rate_hz": statistics.mean(self.rates_hz),
            "latency_p50_ms": quantile(late_ms, 0.5),
            "latency_p99_ms": quantile(late_ms, 0.99),
            "work_ms": ms("work_s"),
            "work_p99_ms": ms("work_s", 0.99),
            **{f"{what}_ms": ms(f"{what}_s") for what in ("work_cpu", "publish", "model")},
            "peak_bytes": found["peak_bytes"],
            "peak_mib": found["peak_bytes"] / 2**20,
        }


def _summary(
    options: Node, results: Sequence[Mapping[str, Any]], ceiling: Ceiling, points: int
) -> tuple[str, ...]:
    rows, (plain, ours) = SIZES[options.size], results
    moved = 6 * rows[0] ** 2 + 8 * rows[1] ** 2 + 16 * points
    share = moved / (ours["work_ms"] / 1e3) / ceiling.copy_bytes_per_s
    drops = (
        f"{r['name']} without output: " + ", ".join(f"{n} {why}" for why, n in r["drops"].items())
        for r in results
        if r["drops"]
    )
    return (
        f"{2 * rows[0]}x{rows[0]} at {options.rate_hz:g} Hz, cloud of "
        f"{points / 1e6:.2f} M points, {options.rounds} rounds of {options.frames}",
        f"conversion and packing: {plain['work_ms'] / ours['work_ms']:.1f} x less time, "
        f"{plain['work_cpu_ms'] / ours['work_cpu_ms']:.1f} x less processor time; the bytes of a "
        f"frame, read or written once, at {share:.0%} of the rate of a copy",
        f"latency p99 is {ours['latency_p99_ms'] / ours['latency_p50_ms']:.2f} x p50",
        *drops,
    )


def _compare(plain: Feeder, ours: Feeder) -> tuple[dict[str, float], int]:
    """Largest differences of the last messages, and the number of points."""
    if any(len(feeder.last) < 2 for feeder in (plain, ours)):
        return {}, 0  # nothing came
    results = []
    for feeder in (plain, ours):
        image = deserialize_message(feeder.last["depth/image"], Image)
        cloud = deserialize_message(feeder.last["depth/points"], PointCloud2)
        results.append((floats_of(image.data), *fields_of(cloud.data)))
    names = ("depth m", "points", "position m", "colour level")
    apart = {d.what: d.largest for d in same_sized_differences(names, *results)}
    return apart, int(results[1][1])
