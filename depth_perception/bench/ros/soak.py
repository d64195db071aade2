"""Does memory stay flat? Many small frames through a node, one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..frame_clock import MemorySample
from ..hardware import Hardware, bench_device, hardware
from ..identity import bench_picture
from .session import Feeder, NodeUnderTest, session

SAMPLES = 40
_SLACK_BYTES = 4 << 20
_SLACK_BLOCKS = 500
_FULL_AFTER = 8000  # frames: then the second quarter begins after the node's statistics are full
_BLOCKS_UNTIL_FULL = 4  # a frame


@dataclass(frozen=True)
class SoakOptions:
    """What is run.

    Attributes:
        frames: how many.
        image_rows, depth_rows: of the panorama and of its depth; columns are twice as many. A
            model takes ``depth_rows`` as the rows of its input, 0 its default.
        model: a name of the catalogue, or "identity" for no network.
    """

    frames: int = 10_000
    image_rows: int = 128
    depth_rows: int = 64
    model: str = "identity"

    def __post_init__(self) -> None:
        if self.frames < 2 * SAMPLES:
            raise ValueError(f"frames must be at least {2 * SAMPLES}, got {self.frames}")


@dataclass(frozen=True)
class SoakReport:
    """Memory of the node over time, and what it means.

    Attributes:
        growth_bytes: of resident memory, median of the last quarter over that of the second.
        growth_blocks: of Python's memory, likewise.
        is_flat: whether both are within noise: 4 MiB and 500 blocks. The node keeps the times of
            its last 2000 frames; runs of fewer than 8000 see them come in, four blocks a frame.
    """

    options: SoakOptions
    hardware: Hardware
    samples: tuple[MemorySample, ...]
    seconds: float
    growth_bytes: float
    growth_blocks: float
    is_flat: bool


def soak(options: SoakOptions) -> SoakReport:
    """Send pictures in step, each when the outputs of the one before have come.

    Raises:
        NodeError: the node does not run, or an output does not come.
    """
    way = "identity" if options.model == "identity" else "model"
    parameters: dict[str, Any] = {"height": options.depth_rows, "device": "cpu"}
    if way == "model":
        parameters["model"] = options.model
    pixels = bench_picture(options.image_rows, 2 * options.image_rows)
    with session(is_tuned=True) as (executor, folder):
        node = NodeUnderTest(way, parameters, folder, options.frames // SAMPLES)
        try:
            node.wait_ready()
            feeder = Feeder(node.namespace, pixels, executor)
            feeder.wait_matched()
            began = time.monotonic()
            for _ in range(options.frames):
                stamp = feeder.send()
                feeder.spin_until(lambda stamp=stamp: feeder.has(stamp), "an output", 20.0)
                for heard in feeder.heard.values():
                    heard.clear()
            seconds = time.monotonic() - began
        finally:
            found = node.stop()
    return judged(options, found["samples"], seconds)


def judged(options: SoakOptions, samples: Sequence[MemorySample], seconds: float) -> SoakReport:
    """The verdict on samples taken at equal distances; the first quarter warms up."""
    quarter = len(samples) // 4
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    grown_bytes, grown_blocks = (
        statistics.median(getattr(s, name) for s in late)
        - statistics.median(getattr(s, name) for s in early)
        for name in ("resident_bytes", "blocks")
    )
    filling = 0 if options.frames >= _FULL_AFTER else _BLOCKS_UNTIL_FULL * options.frames // 2
    is_flat = grown_bytes <= _SLACK_BYTES and grown_blocks <= _SLACK_BLOCKS + filling
    machine = hardware(bench_device("cpu"))
    return SoakReport(options, machine, tuple(samples), seconds, grown_bytes, grown_blocks, is_flat)


def lines(report: SoakReport) -> list[str]:
    """Memory over time and the verdict."""
    shown = report.samples[:: max(1, len(report.samples) // 10)]
    return [
        "frames   resident MiB   Python blocks   objects",
        *(
            f"{s.frames:6}   {s.resident_bytes / 2**20:12.1f}   {s.blocks:13}   {s.objects:7}"
            for s in shown
        ),
        f"{report.options.frames} frames of {report.options.model} in {report.seconds:.0f} s, "
        f"{report.options.frames / report.seconds:.0f} a second",
        f"from the second to the last quarter: {report.growth_bytes / 2**20:+.2f} MiB, "
        f"{report.growth_blocks:+.0f} blocks: memory {'is flat' if report.is_flat else 'GROWS'}",
    ]


def document(report: SoakReport) -> dict[str, Any]:
    """Everything, as plain values."""
    return {"bench": "soak", **asdict(report)}
