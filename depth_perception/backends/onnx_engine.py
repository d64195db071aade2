"""Graphs by ONNX Runtime, on the CPU, CUDA, or TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .engines import PROVIDERS, Backend, Precision, Run

_FILE = "graph.onnx"
_OPSET = 20


def export(capture: nn.Module, images: Tensor, folder: Path, precision: Precision) -> None:
    """Write ``graph.onnx`` and its weights beside it."""
    how = {"dynamo": True, "opset_version": _OPSET, "external_data": True, "verbose": False}
    torch.onnx.export(capture, (images,), folder / _FILE, **how)


def open_graph(folder: Path, backend: Backend, device: torch.device, precision: Precision) -> Run:
    """Open a session with as many threads as PyTorch; waiting threads sleep and free their cores.

    TensorRT keeps its engines beside the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(folder, backend, device, precision)
    session = onnxruntime.InferenceSession(folder / _FILE, options, providers=providers)
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Sequence[Tensor]:
        return [torch.from_numpy(it) for it in session.run(None, {name: images.cpu().numpy()})]

    return run


def _providers(
    folder: Path, backend: Backend, device: torch.device, precision: Precision
) -> list[tuple[str, dict[str, Any]]]:
    where = {"device_id": device.index or 0}
    if backend == "tensorrt":
        settings = {
            **where,
            "trt_fp16_enable": precision == "float16",
            "trt_bf16_enable": precision == "bfloat16",
            "trt_engine_cache_enable": True,
            "trt_engine_cache_path": str(folder),
        }
        return [(PROVIDERS["tensorrt"], settings), (PROVIDERS["cuda"], where)]
    return [(PROVIDERS[device.type], where if device.type == "cuda" else {})]
