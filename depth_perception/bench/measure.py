"""Time, peak memory and arithmetic of variants that do the same work."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..layers.cpu_products import has_onednn
from .result import Difference, Measurement

T = TypeVar("T", bound=nn.Module)

# what torch does not count, or not in all releases: fused attention, products by oneDNN
_UNCOUNTED = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: (
        lambda query, key, value, *_, **__: sdpa_flop_count(query, key, value)
    )
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
class Variant:
    """A way to do the work; ``run`` returns its results, in the same order for all variants."""

    name: str
    run: Callable[[], tuple[Tensor, ...]]
    evaluations: int = 0
    """Evaluations of the network in a run."""
    warm_up: Callable[[], object] | None = None
    """Something smaller to run before :func:`measure_once`; None is ``run``."""


def measure(
    variants: Sequence[Variant],
    device: torch.device,
    *,
    repeats: int = 5,
    warm_up: int = 1,
    python_memory: bool = False,
) -> tuple[Measurement, ...]:
    """Run variants in alternation, so that background load affects all of them equally.

    Memory and operations are taken in runs of their own, which the times do not see;
    ``python_memory`` adds that of Python and NumPy, on the CPU.
    """
    for variant in variants:
        for _ in range(warm_up):
            variant.run()
    times: list[list[tuple[float, float]]] = [[] for _ in variants]
    for repeat in range(repeats):
        for index in range(len(variants))[:: 1 if repeat % 2 == 0 else -1]:
            times[index].append(elapsed(variants[index].run, device))
    return tuple(
        Measurement(
            v.name,
            tuple(wall for wall, _ in found),
            peak_bytes(v.run, device, python_memory),
            flop_of(v.run),
            tuple(cpu for _, cpu in found),
            v.evaluations,
        )
        for v, found in zip(variants, times, strict=True)
    )


def measure_once(
    variants: Sequence[Variant], device: torch.device, *, python_memory: bool = False
) -> tuple[Measurement, ...]:
    """Run each variant once, after its warm-up, and take everything from that run.

    Recording the allocations and counting the operations takes some microseconds for each
    operation of torch, which are part of the times: for networks that take seconds.
    """
    return tuple(_measured_once(variant, device, python_memory) for variant in variants)


def _measured_once(variant: Variant, device: torch.device, python_memory: bool) -> Measurement:
    (variant.warm_up or variant.run)()
    seen: list[tuple[float, float, int]] = []

    def watched() -> None:
        with FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as counter:
            wall, cpu = elapsed(variant.run, device)
        seen.append((wall, cpu, int(counter.get_total_flops())))

    peak = _peak_of_one(watched, device, python_memory)
    ((wall, cpu, flop),) = seen
    return Measurement(variant.name, (wall,), peak, flop, (cpu,), variant.evaluations)


def elapsed(run: Callable[[], object], device: torch.device) -> tuple[float, float]:
    """Seconds and processor seconds of one run, with the device idle before and after it."""
    _wait(device)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    _wait(device)
    return time.perf_counter() - wall, time.process_time() - cpu


def peak_bytes(run: Callable[[], object], device: torch.device, python_memory: bool = False) -> int:
    """Working memory of one run, see :func:`memory_means`."""
    if device.type == "cuda":
        _wait(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        _wait(device)
        return torch.cuda.max_memory_allocated(device) - before
    most = _peak_of_tensors(run)
    if not python_memory or device.type != "cpu":
        return most
    return most + _peak_of_python(run)


def _peak_of_one(run: Callable[[], object], device: torch.device, python_memory: bool) -> int:
    """As :func:`peak_bytes`, with a single run for tensors and Python."""
    if device.type == "cuda" or not python_memory:
        return peak_bytes(run, device)
    python: list[int] = []
    # what the profiler makes of its records is not part of it
    return _peak_of_tensors(lambda: python.append(_peak_of_python(run))) + python[0]


def _peak_of_tensors(run: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recording:
        run()
    events = recording.profiler.kineto_results.events()
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]
    held = np.cumsum([change for _, change in sorted(changes, key=lambda entry: entry[0])])
    return int(held.max(initial=0))


def _peak_of_python(run: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


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


def size_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors, such as the parameters of a network."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def frozen(network: T, device: torch.device) -> T:
    """A network on a device, ready for inference, in the memory layout of the estimators."""
    network.to(device, memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
