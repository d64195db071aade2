"""Time, peak memory and arithmetic of contenders that do the same work."""

from __future__ import annotations

import json
import math
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..networks.cpu_products import has_onednn

# what torch does not count, or not in all releases: fused attention, products by oneDNN
_UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)
    ),
}
if has_onednn():
    _UNCOUNTED[torch.ops.mkldnn._linear_pointwise] = lambda tokens, weight, *_, **__: (
        2 * math.prod(tokens) * weight[0]
    )
MEMORY_ON_CUDA = "most that the CUDA allocator held during a run, beyond what it held before"
MEMORY_ON_CPU = (
    "most tensor memory alive during a run, beyond what was there before, from the allocations "
    "that torch.profiler records in a run of its own; what libraries keep for themselves is not "
    "in it"
)
MEMORY_OF_PYTHON = "plus the most that Python and NumPy held, as tracemalloc sees it"


@dataclass(frozen=True)
class Contender:
    """A way to do the work; ``run`` returns its results, in the same order for all contenders."""

    name: str
    run: Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Measurement:
    """What was found of one contender.

    Attributes:
        name: of the contender.
        seconds: of every repeat.
        peak_bytes: working memory, see :func:`memory_means`.
        flop: floating-point operations of matrix products, convolutions and attention.
        cpu_seconds: processor time of every repeat, all threads together, which other programs
            disturb less than the clock.
    """

    name: str
    seconds: tuple[float, ...]
    peak_bytes: int
    flop: int
    cpu_seconds: tuple[float, ...] = ()

    @property
    def median_s(self) -> float:
        """Median of the repeats."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Median of the processor time; NaN where it was not taken."""
        return statistics.median(self.cpu_seconds) if self.cpu_seconds else math.nan

    @property
    def flop_per_s(self) -> float:
        """Achieved rate at the median time."""
        return self.flop / self.median_s


@dataclass(frozen=True)
class Difference:
    """How far one result is apart: largest absolute difference, and largest absolute value."""

    what: str
    largest: float
    scale: float


def measure(
    contenders: Sequence[Contender],
    device: torch.device,
    *,
    repeats: int = 5,
    warm_up: int = 1,
    python_memory: bool = False,
) -> tuple[Measurement, ...]:
    """Run contenders by turns, so that what else the machine does meets all of them alike.

    Memory and operations are taken in runs of their own, which the times do not see;
    ``python_memory`` adds that of Python and NumPy, on the CPU.

    Raises:
        ValueError: ``repeats`` or ``warm_up`` is less than 1.
    """
    check_counts(repeats, warm_up)
    for contender in contenders:
        for _ in range(warm_up):
            contender.run()
    seconds: list[list[float]] = [[] for _ in contenders]
    cpu_seconds: list[list[float]] = [[] for _ in contenders]
    for repeat in range(repeats):
        turn = range(len(contenders)) if repeat % 2 == 0 else reversed(range(len(contenders)))
        for index in turn:
            before = time.process_time()
            seconds[index].append(seconds_of(contenders[index].run, device))
            cpu_seconds[index].append(time.process_time() - before)
    return tuple(
        Measurement(
            c.name, tuple(s), peak_bytes(c.run, device, python_memory), flop_of(c.run), tuple(p)
        )
        for c, s, p in zip(contenders, seconds, cpu_seconds, strict=True)
    )


def check_counts(repeats: int, warm_up: int) -> None:
    """Raise ValueError unless both are at least 1."""
    for name, value in (("repeats", repeats), ("warm_up", warm_up)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Wall-clock time of one run, with the device idle before and after it."""
    _wait(device)
    start = time.perf_counter()
    run()
    _wait(device)
    return time.perf_counter() - start


def peak_bytes(run: Callable[[], object], device: torch.device, python_memory: bool = False) -> int:
    """Working memory of one run, see :func:`memory_means`."""
    most = _tensor_peak(run, device)
    return most + _python_peak(run) if python_memory and device.type == "cpu" else most


def _python_peak(run: Callable[[], object]) -> int:
    """Most that Python and NumPy held during a run, beyond what they held before."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _tensor_peak(run: Callable[[], object], device: torch.device) -> int:
    if device.type == "cuda":
        _wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recording:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        recording.export_chrome_trace(str(path))
        events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = [
        (float(event["ts"]), int(event["args"]["Bytes"]))
        for event in events
        if event.get("name") == "[memory]"
    ]
    held = most = 0
    for _, change in sorted(changes, key=lambda entry: entry[0]):
        held += change
        most = max(most, held)
    return most


def memory_means(device: torch.device, python_memory: bool = False) -> str:
    """What :func:`peak_bytes` counts on this kind of device."""
    text = MEMORY_ON_CUDA if device.type == "cuda" else MEMORY_ON_CPU
    return f"{text}; {MEMORY_OF_PYTHON}" if python_memory and device.type == "cpu" else text


def flop_of(run: Callable[[], object]) -> int:
    """Operations of one run: twice the multiply-adds of products, convolutions, attention."""
    with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter:
        run()
    return int(counter.get_total_flops())


def differences(
    names: Sequence[str], expected: Sequence[Tensor], found: Sequence[Tensor]
) -> tuple[Difference, ...]:
    """How far ``found`` is from ``expected``, result by result."""
    return tuple(
        Difference(what, float((a - b).abs().max()), float(a.abs().max()))
        for what, a, b in zip(names, expected, found, strict=True)
    )


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
