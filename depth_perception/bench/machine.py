"""The machine that numbers belong to, and what it can do at best."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import torch

from ..layers.cpu_info import cpu_facts, has_instructions_for
from ..layers.cpu_products import has_onednn, onednn_linear
from ..systems.loading import device_of
from .measure import elapsed
from .options import Machine
from .result import Ceiling, Hardware, Result

_GPU_SIZE = 8192
_CPU_SIZE = 2048
_EMULATED_SIZE = 256  # of a product in a precision for which the CPU has no instructions
_COPY_BYTES = 1 << 28
_BUSY_SHARE = 0.5


def bench_machine(options: Machine) -> Result:
    """Measure the hardware alone.

    Raises:
        ValueError: the device or a number is wrong.
    """
    options.check()
    device = bench_device(options.device)
    with torch_threads(options.threads):
        ceiling, machine = measure_ceiling(device, options.precision), hardware(device)
    figures = {"bench": "machine", "hardware": asdict(machine), "ceiling": asdict(ceiling)}
    return Result("machine", machine, lines=(str(machine), str(ceiling)), figures=figures)


def measure_ceiling(
    device: torch.device,
    precision: str = "float32",
    *,
    matrix_size: int | None = None,
    copy_bytes: int | None = None,
    repeats: int = 3,
) -> Ceiling:
    """Multiply two square matrices, by the faster of PyTorch's libraries, and copy a block.

    Args:
        device: where.
        precision: name of a floating-point type of torch.
        matrix_size: None takes one that fills the device, or a small one where a CPU emulates the
            precision.
        copy_bytes: size of the block; None takes one that is larger than the caches.
        repeats: runs of each.
    """
    dtype, size = getattr(torch, precision), matrix_size
    if size is None:
        on_cpu = _CPU_SIZE if has_instructions_for(precision) else _EMULATED_SIZE
        size = _GPU_SIZE if device.type == "cuda" else on_cpu
    left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    source = torch.zeros((copy_bytes or _COPY_BYTES) // 4, dtype=torch.int32, device=device)
    target = torch.ones_like(source)

    def best_s(*works) -> float:
        for work in works:
            work()
        return min(elapsed(work, device)[0] for work in works for _ in range(repeats))

    products = [lambda: torch.mm(left, right, out=product)]
    if device.type == "cpu" and dtype is torch.float32 and has_onednn():
        products.append(lambda: onednn_linear(left, right))
    moved = 2 * source.numel() * source.element_size()
    flop_per_s = 2 * size**3 / best_s(*products)
    return Ceiling(precision, size, flop_per_s, moved / best_s(lambda: target.copy_(source)))


def hardware(device: torch.device) -> Hardware:
    """The device and the software around it."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    else:
        name = next(iter(cpu_facts("model name")), "") or platform.processor() or platform.machine()
    versions = (torch.__version__, platform.python_version())
    system = f"{platform.system()} {platform.machine()}"
    return Hardware(name, torch.get_num_threads(), *versions, system)


def bench_device(name: str | None) -> torch.device:
    """The device of that name; None takes CUDA where it is available, else the CPU.

    Raises:
        ValueError: there is no such device here, or it is of another kind than CPU and CUDA.
    """
    device = device_of(name)
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"benchmarks run on cpu or cuda, got {name!r}")
    return device


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run with that many threads of torch; None changes nothing."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load_note() -> tuple[str, ...]:
    """A warning where other programs keep the machine busy, else nothing."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    if load < _BUSY_SHARE * cores:
        return ()
    return (
        f"the machine was busy: load {load:.1f} on {cores} cores before the run, so that times "
        "and shares of the ceiling say little; memory, operations and differences hold",
    )
