"""The machine that numbers belong to."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..networks.cpu_info import cpu_facts

_BUSY_SHARE = 0.5


@dataclass(frozen=True)
class Hardware:
    """Where and with what a benchmark ran.

    Attributes:
        device: name of the processor or graphics card.
        threads: of torch on the CPU.
        torch_version, python_version, system: software.
    """

    device: str
    threads: int
    torch_version: str
    python_version: str
    system: str


def hardware(device: torch.device) -> Hardware:
    """The device and the software around it."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name()
    return Hardware(
        name,
        torch.get_num_threads(),
        torch.__version__,
        platform.python_version(),
        f"{platform.system()} {platform.machine()}",
    )


def bench_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ValueError: there is no such device here, or it is of another kind than CPU and CUDA.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device {name!r}; take cpu, cuda or cuda:N") from error
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"benchmarks run on cpu or cuda, got {name!r}")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for but this machine has no CUDA")
    return device


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Run with that many threads of torch; None changes nothing.

    Raises:
        ValueError: ``count`` is less than 1.
    """
    if count is not None and count < 1:
        raise ValueError(f"threads must be at least 1, got {count}")
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


def _cpu_name() -> str:
    return next(iter(cpu_facts("model name")), "") or platform.processor() or platform.machine()
