"""Graphs by PyTorch's own compiler, AOTInductor, on the CPU and CUDA."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .engines import Backend, BackendError, Precision, Run

_FILE = "graph.pt2"
_MODEL = "model"  # PyTorch's name of the only model of a package

SETTINGS: Mapping[str, Any] = {
    # weights are constants: they are laid out for oneDNN and cast once, and what follows a
    # product can join it
    "freezing": True,
    # loops take as many threads as there are when they run
    "cpp.dynamic_threads": True,
    # 300 MB for each compiler and set of options, to save a second
    "aot_inductor.precompile_headers": False,
}


class _InPrecision(nn.Module):
    """A module whose products and convolutions run in half precision; results are float32."""

    def __init__(self, module: nn.Module, precision: torch.dtype) -> None:
        super().__init__()
        self.module = module
        self.precision = precision

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        with torch.autocast(images.device.type, self.precision):
            found = self.module(images)
        return tuple(it.float() if it.is_floating_point() else it for it in found)


def export(capture: nn.Module, images: Tensor, folder: Path, precision: Precision) -> None:
    """Compile to ``graph.pt2``, which holds a shared library with the weights.

    Half precision is that of ``torch.autocast``: norms and sums of many stay in float32.

    Raises:
        BackendError: there is no C++ compiler.
    """
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.utils import fresh_cache

    settings = {**SETTINGS, "cpp.cxx": (None, find_compiler())}
    if precision != "float32":
        capture = _InPrecision(capture, getattr(torch, precision))
    program = torch.export.export(capture, (images,), strict=False)
    # temporary files of the compiler are as large as the weights: they are deleted afterwards
    with fresh_cache(dir=str(folder)):
        file = str(folder / _FILE)
        aoti_compile_and_package(program, package_path=file, inductor_configs=settings)


def find_compiler() -> str:
    """The C++ compiler: ``$CXX``, else g++, else clang++; BackendError if there is none."""
    given = os.environ.get("CXX")
    names = (given,) if given else ("g++", "clang++")
    for name in names:
        if shutil.which(shlex.split(name)[0]):
            return name
    raise BackendError(
        "backend='inductor' needs a C++ compiler to make a graph, not to run one, but there is no "
        f"{' or '.join(names)}: install the package g++ or clang, or name another in $CXX"
    )


def open_graph(folder: Path, backend: Backend, device: torch.device, precision: Precision) -> Run:
    """Load the library; it shares the threads of PyTorch.

    ``torch._inductor.aoti_load_package`` would call the C++ compiler to name the instruction set,
    which is a part of the graph's name here, see :func:`~.engines.engine_version`.
    """
    index = -1 if device.index is None else device.index
    loader = torch._C._aoti.AOTIModelPackageLoader(
        str(folder / _FILE), _MODEL, False, 1, index if device.type == "cuda" else -1
    )
    return lambda images: loader.boxed_run([images])
