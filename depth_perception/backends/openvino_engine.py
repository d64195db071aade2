"""Graphs by OpenVINO, on the CPU."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from .engines import Backend, Precision, Run

_FILE = "graph.xml"
_HINTS = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
_TELEMETRY = "openvino_telemetry"


def export(capture: nn.Module, images: Tensor, folder: Path, precision: Precision) -> None:
    """Write ``graph.xml`` and ``graph.bin``."""
    openvino = _openvino()
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.fx_decoder import TorchFXPythonDecoder

    program = torch.export.export(capture, (images,), strict=False)
    with _without_tracebacks():
        decoder = TorchFXPythonDecoder.from_exported_program(program, dynamic_shapes=False)
    front_end = FrontEndManager().load_by_framework("pytorch")
    model = front_end.convert(front_end.load(decoder))
    openvino.save_model(model, folder / _FILE, compress_to_fp16=False)


def open_graph(folder: Path, backend: Backend, device: torch.device, precision: Precision) -> Run:
    """Compile for as many threads as PyTorch, not bound to cores: ROS processes need these too."""
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "ENABLE_CPU_PINNING": False,
    }
    compiled = _openvino().Core().compile_model(folder / _FILE, "CPU", settings)
    request = compiled.create_infer_request()

    def run(images: Tensor) -> Sequence[Tensor]:
        found = request.infer({0: images.numpy()}, share_inputs=True)
        return [torch.from_numpy(found[output]) for output in compiled.outputs]

    return run


def _openvino() -> ModuleType:
    """The package, imported without the part that reports its use over the network."""
    if "openvino" not in sys.modules and _TELEMETRY not in sys.modules:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # its import fails, as if absent
        try:
            import openvino
        finally:
            del sys.modules[_TELEMETRY]
    import openvino

    return openvino


@contextmanager
def _without_tracebacks() -> Iterator[None]:
    """The decoder logs a traceback for every operation that PyTorch does not decompose anyway."""

    def passes(record: logging.LogRecord) -> bool:
        return "decomp table" not in record.getMessage()

    root = logging.getLogger()
    root.addFilter(passes)
    try:
        yield
    finally:
        root.removeFilter(passes)
