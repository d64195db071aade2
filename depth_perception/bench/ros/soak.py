"""Does memory stay constant, and is every image accounted for? Many small frames through a node."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..frame_clock import MemorySample
from ..identity import bench_image
from ..machine import bench_device, hardware
from ..options import Soak
from ..result import Result
from .session import Feeder, NodeError, NodeUnderTest, session

_AROUND = 5  # images in step before and after
_PATIENCE_S = 20.0
_LEAST_SAMPLES = 8
_SLACK_BYTES = 4 << 20
_SLACK_BLOCKS = 500
_FULL_AFTER = 8000  # frames: then the second quarter begins after the node's statistics are full
_BLOCKS_UNTIL_FULL = 4  # a frame


def _median(samples: Sequence[MemorySample], name: str) -> float:
    return statistics.median([getattr(sample, name) for sample in samples] or [0])


@dataclass(frozen=True)
class Balance:
    """What became of the images that were sent.

    Attributes:
        sent: images published.
        received: images that arrived in the node.
        lost: images that did not, by the gaps in their sequence numbers that the node saw.
        out: images whose outputs the node published.
        dropped: the others that it received, by reason.
    """

    sent: int
    received: int
    lost: int
    out: int
    dropped: Mapping[str, int]

    @property
    def unexplained(self) -> int:
        """Images in no figure, or in two."""
        on_the_way = self.sent - self.received - self.lost
        return abs(on_the_way) + abs(self.received - self.out - sum(self.dropped.values()))

    def lines(self) -> tuple[str, str]:
        """Both balances."""
        reasons = ", ".join(f"{count} {why}" for why, count in sorted(self.dropped.items()))
        return (
            f"published {self.sent} = received {self.received} + lost {self.lost}"
            + ("" if self.sent == self.received + self.lost else ": DOES NOT ADD UP"),
            f"received {self.received} = out {self.out} + dropped {sum(self.dropped.values())} "
            f"({reasons or 'none'})"
            + (
                ""
                if self.received == self.out + sum(self.dropped.values())
                else ": DOES NOT ADD UP"
            ),
        )


def bench_soak(options: Soak) -> Result:
    """Send images in step, each when the outputs of the one before have come, or at a rate.

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
        node = NodeUnderTest(variant, parameters, folder, options.count // Soak.SAMPLES)
        try:
            node.wait_ready()
            feeder = Feeder(node.namespace, pixels, executor)
            feeder.wait_matched()
            sent = _in_step(feeder, _AROUND)  # gaps are counted from the first that arrives
            began = time.monotonic()
            if options.rate_hz > 0:
                sent += _at_rate(feeder, options)
            else:
                sent += _in_step(feeder, options.count)
            seconds = time.monotonic() - began
            sent += _in_step(feeder, _AROUND)  # and up to the last one
        finally:
            found = node.stop()
    figures = (found["frames_in"], found["lost"], found["frames_out"], found["drops"])
    return judge(options, found["samples"], seconds, Balance(sent, *figures))


def _in_step(feeder: Feeder, count: int) -> int:
    """Send images, each when the outputs of the one before have come; their number.

    An image that was lost is followed by the next after a while.
    """
    for number in range(1, count + 1):
        stamp, deadline_s = feeder.send(), time.monotonic() + _PATIENCE_S
        while not feeder.has(stamp) and time.monotonic() < deadline_s:
            feeder.spin_to(min(deadline_s, time.monotonic() + 0.01))
        if not feeder.has(stamp) and number == count:
            raise NodeError(f"the last of {count} images got no output within {_PATIENCE_S:g} s")
        _forget(feeder)
    return count


def _at_rate(feeder: Feeder, options: Soak) -> int:
    """Send images at a rate, whatever comes of them; their number."""
    began = time.monotonic()
    for index in range(options.count):
        feeder.spin_to(began + index / options.rate_hz)
        feeder.send()
        _forget(feeder)
    return options.count


def _forget(feeder: Feeder) -> None:
    for heard in feeder.heard.values():
        heard.clear()


def judge(
    options: Soak, samples: Sequence[MemorySample], seconds: float, balance: Balance
) -> Result:
    """The verdict on samples taken at equal distances, whose first quarter warms up, and a balance.

    Growth is the median of the last quarter over that of the second. Up to 4 MiB and 500 blocks of
    Python are noise. The node keeps the times of its last 2000 frames; runs of fewer than 8000 see
    them come in, four blocks a frame.
    """
    quarter = max(1, len(samples) // 4)
    grown = {
        name: _median(samples[-quarter:], name) - _median(samples[quarter : 2 * quarter], name)
        for name in ("resident_bytes", "blocks")
    }
    filling = 0 if options.count >= _FULL_AFTER else _BLOCKS_UNTIL_FULL * options.count // 2
    is_flat = grown["resident_bytes"] <= _SLACK_BYTES and grown["blocks"] <= _SLACK_BLOCKS + filling
    faults = [] if is_flat else ["memory grows"]
    if len(samples) < _LEAST_SAMPLES:
        faults = [f"{balance.out} of {balance.sent} images are too few to judge the memory"]
    if balance.unexplained:
        faults.append(f"{balance.unexplained} images are unexplained")
    verdict = "; ".join(faults) or "passed: every image is accounted for and memory is flat"
    machine = hardware(bench_device("cpu"))
    asked = {"frames": options.count, "image_rows": options.image_height}
    asked |= {"rate_hz": options.rate_hz}
    asked |= {"depth_rows": options.height, "model": options.model}
    return Result(
        f"soak-{options.model}" + (f"-{options.rate_hz:g}hz" if options.rate_hz else ""),
        machine,
        ("frames", "resident MiB", "Python blocks", "objects"),
        tuple(
            (str(s.frames), f"{s.resident_bytes / 2**20:.1f}", str(s.blocks), str(s.objects))
            for s in samples[:: max(1, len(samples) // 10)]
        ),
        (
            f"{options.count} frames of {options.model} in {seconds:.0f} s, "
            f"{options.count / seconds:.0f} a second",
            *balance.lines(),
            f"from the second to the last quarter: {grown['resident_bytes'] / 2**20:+.2f} MiB, "
            f"{grown['blocks']:+.0f} blocks: memory {'is flat' if is_flat else 'GROWS'}",
            verdict,
        ),
        {"bench": "soak", "options": asked, "hardware": asdict(machine),
         "samples": [asdict(s) for s in samples], "seconds": seconds,
         "growth_bytes": grown["resident_bytes"], "growth_blocks": grown["blocks"],
         "is_flat": is_flat, "balance": asdict(balance), "unexplained": balance.unexplained},
        text_columns=0,
        failure="; ".join(faults),
    )  # fmt: skip
