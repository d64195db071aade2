"""Benchmarks of pinhole depth, in the layouts in which they are published."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from .diode import diode
from .files import BenchmarkReader, OpenBenchmark
from .relative import eth3d, kitti, nyu, scannet
from .zero_shot import ZERO_SHOT

BENCHMARKS: Mapping[str, OpenBenchmark] = MappingProxyType(
    {"nyu": nyu, "kitti": kitti, "eth3d": eth3d, "scannet": scannet, "diode": diode}
)
"""Readers by name, called with the root and the list; None takes the one list in the root."""

__all__ = [
    "BENCHMARKS", "ZERO_SHOT", "BenchmarkReader",
    "diode", "eth3d", "kitti", "nyu", "scannet",
]  # fmt: skip
