"""Backends: what each one needs and supports, and the module that implements it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..layers.cpu_info import cpu_facts
from ..options import Backend, Precision

# Images (B, 3, H, W), float32 and contiguous, on the device of the graph, to the results in order,
# on whatever device they come from.
Run = Callable[[Tensor], Sequence[Tensor]]
_GPU_PACKAGES = "onnx onnxscript onnxruntime-gpu tensorrt"
# models and instruction sets, on x86 and on ARM
_CPU_LINES = ("model name", "flags", "Features", "CPU part")


class BackendError(ValueError):
    """A backend is missing, does not support a request, or its results differ from torch.

    The message names the remedy.
    """


class Engine(Protocol):
    """The module of a runtime."""

    @staticmethod
    def export(capture: nn.Module, images: Tensor, folder: Path, precision: Precision) -> None:
        """Write the graph of a module that takes images to files in a folder.

        ``precision`` is for runtimes that fix it in the graph, others take that of
        :meth:`open_graph`.
        """

    @staticmethod
    def open_graph(
        folder: Path, backend: Backend, device: torch.device, precision: Precision
    ) -> Run:
        """Load the graph of a folder."""


@dataclass(frozen=True)
class Traits:
    """What a backend needs and supports.

    Attributes:
        module: of this package, an :class:`Engine`.
        imports: modules that must be installed.
        packages: pip packages that provide them.
        distribution: the package whose version is part of a graph's name.
        devices: types of devices it runs on.
        precisions: of the arithmetic of the whole network.
    """

    module: str
    imports: tuple[str, ...]
    packages: str
    distributions: tuple[str, ...]
    devices: tuple[str, ...]
    precisions: tuple[Precision, ...]


_HALVES: tuple[Precision, ...] = ("float32", "float16", "bfloat16")
_ONNX = ("onnxruntime", "onnx", "onnxscript")
_ONNX_RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
_BOTH = ("cpu", "cuda")

BACKENDS: Mapping[str, Traits] = {
    "openvino": Traits("openvino", ("openvino",), "openvino", ("openvino",), ("cpu",), _HALVES),
    "onnxruntime": Traits(
        "onnx", _ONNX, "onnx onnxscript onnxruntime", _ONNX_RUNTIMES, _BOTH, ("float32",)
    ),
    "tensorrt": Traits("onnx", _ONNX, _GPU_PACKAGES, _ONNX_RUNTIMES[::-1], ("cuda",), _HALVES),
    "inductor": Traits("inductor", ("torch._inductor",), "torch", ("torch",), _BOTH, _HALVES),
}


def check_backend(backend: Backend, device: torch.device, precision: Precision) -> None:
    """Raise BackendError for a missing backend or an unsupported request; ``torch`` passes."""
    if backend == "torch":
        return
    traits = BACKENDS[backend]
    missing = [name for name in traits.imports if find_spec(name) is None]
    if missing:
        raise BackendError(
            f"backend={backend!r} needs {', '.join(missing)}: pip install {traits.packages}"
        )
    if device.type not in traits.devices:
        raise BackendError(
            f"backend={backend!r} runs on {' and '.join(traits.devices)}, not on device {device}"
        )
    if precision not in traits.precisions:
        raise BackendError(
            f"backend={backend!r} computes in {' or '.join(traits.precisions)}, got "
            f"precision={precision!r}"
        )
    if traits.module == "onnx":
        provider = PROVIDERS[backend if backend == "tensorrt" else device.type]
        from onnxruntime import get_available_providers

        if provider not in get_available_providers():
            raise BackendError(
                f"backend={backend!r} on {device} needs an ONNX Runtime with {provider}: "
                f"pip uninstall onnxruntime; pip install {_GPU_PACKAGES}"
            )


PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}


def engine(backend: Backend) -> Engine:
    """The module that runs a backend."""
    return import_module(f".{BACKENDS[backend].module}_engine", __package__)  # type: ignore[return-value]


def engine_version(backend: Backend, device: torch.device) -> str:
    """Version of the runtime that graphs are made for, and of the PyTorch that makes them.

    Graphs of ``inductor`` are machine code: theirs names the processors too.
    """
    made_by = f"torch {torch.__version__}"
    if backend == "inductor":
        return f"{made_by}, {_processors(device)}"
    for name in BACKENDS[backend].distributions:
        try:
            return f"{name} {version(name)}, {made_by}"
        except PackageNotFoundError:
            continue
    return f"unknown, {made_by}"


def _processors(device: torch.device) -> str:
    """What machine code depends on: instruction sets of the CPU, kind of GPU."""
    told = [platform.machine(), torch.backends.cpu.get_cpu_capability()]
    told += [fact for name in _CPU_LINES for fact in cpu_facts(name)]
    if device.type == "cuda":
        told += [torch.cuda.get_device_name(device), str(torch.cuda.get_device_capability(device))]
    return ", ".join(told)
