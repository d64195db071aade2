"""Does memory stay constant? Many small frames through a node, one after the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ..frame_clock import MemorySample
from ..identity import bench_image
from ..machine import bench_device, hardware
from ..options import Soak
from ..result import Result
from .session import Feeder, NodeUnderTest, session

_SLACK_BYTES = 4 << 20
_SLACK_BLOCKS = 500
_FULL_AFTER = 8000  # frames: then the second quarter begins after the node's statistics are full
_BLOCKS_UNTIL_FULL = 4  # a frame


def bench_soak(options: Soak) -> Result:
    """Send images in step, each when the outputs of the one before have come.

    Raises:
        NodeError: the node does not run, or an output does not come.
    """
    options.check()
    variant = "identity" if options.model == "identity" else "model"
    parameters: dict[str, Any] = {"height": options.height, "device": "cpu"}
    if variant == "model":
        parameters["model"] = options.model
    pixels = bench_image(options.image_height, 2 * options.image_height)
    with session(is_tuned=True) as (executor, folder):
        node = NodeUnderTest(variant, parameters, folder, options.frames // Soak.SAMPLES)
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
    return judge(options, found["samples"], seconds)


def judge(options: Soak, samples: Sequence[MemorySample], seconds: float) -> Result:
    """The verdict on samples taken at equal distances; the first quarter warms up.

    Growth is the median of the last quarter over that of the second. Up to 4 MiB and 500 blocks of
    Python are noise. The node keeps the times of its last 2000 frames; runs of fewer than 8000 see
    them come in, four blocks a frame.
    """
    quarter = len(samples) // 4
    grown = {
        name: statistics.median(getattr(s, name) for s in samples[-quarter:])
        - statistics.median(getattr(s, name) for s in samples[quarter : 2 * quarter])
        for name in ("resident_bytes", "blocks")
    }
    filling = 0 if options.frames >= _FULL_AFTER else _BLOCKS_UNTIL_FULL * options.frames // 2
    is_flat = grown["resident_bytes"] <= _SLACK_BYTES and grown["blocks"] <= _SLACK_BLOCKS + filling
    machine = hardware(bench_device("cpu"))
    asked = {"frames": options.frames, "image_rows": options.image_height}
    asked |= {"depth_rows": options.height, "model": options.model}
    return Result(
        f"soak-{options.model}",
        machine,
        ("frames", "resident MiB", "Python blocks", "objects"),
        tuple(
            (str(s.frames), f"{s.resident_bytes / 2**20:.1f}", str(s.blocks), str(s.objects))
            for s in samples[:: max(1, len(samples) // 10)]
        ),
        (
            f"{options.frames} frames of {options.model} in {seconds:.0f} s, "
            f"{options.frames / seconds:.0f} a second",
            f"from the second to the last quarter: {grown['resident_bytes'] / 2**20:+.2f} MiB, "
            f"{grown['blocks']:+.0f} blocks: memory {'is flat' if is_flat else 'GROWS'}",
        ),
        {"bench": "soak", "options": asked, "hardware": asdict(machine),
         "samples": [asdict(s) for s in samples], "seconds": seconds,
         "growth_bytes": grown["resident_bytes"], "growth_blocks": grown["blocks"],
         "is_flat": is_flat},
        text_columns=0,
        failure="" if is_flat else "memory grows",
    )  # fmt: skip
