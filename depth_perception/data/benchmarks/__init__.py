"""Benchmarks of pinhole depth, in the layouts in which they are published.

A list in a text file names the files of every frame, relative to the root: ``image depth`` and,
in some sets, more words, which are passed over unless a module says otherwise.

| name | depth | unit |
|---|---|---|
| nyu, scannet | 16-bit PNG | millimetres |
| kitti | 16-bit PNG | 1/256 m |
| eth3d | bare float32 of the size of the picture | metres |
| diode | .npy (H, W, 1) and a mask, found beside the pictures | metres |

:mod:`.zero_shot` has the data sets that ScaleDepth is judged on beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from .diode import diode
from .eth3d import eth3d
from .files import BenchmarkFrame, BenchmarkReader
from .kitti import kitti
from .nyu import nyu
from .scannet import scannet
from .zero_shot import ZERO_SHOT

BENCHMARKS: Mapping[str, Callable[[str | Path, str | Path | None], BenchmarkReader]] = (
    MappingProxyType(
        {"nyu": nyu, "kitti": kitti, "eth3d": eth3d, "scannet": scannet, "diode": diode}
    )
)
"""Readers by name, called with the root and the list; None takes the one list in the root."""

__all__ = [
    "BENCHMARKS",
    "ZERO_SHOT",
    "BenchmarkFrame",
    "BenchmarkReader",
    "diode",
    "eth3d",
    "kitti",
]
__all__ += ["nyu", "scannet"]
