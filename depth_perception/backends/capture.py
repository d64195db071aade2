"""Networks with all arguments fixed except the images, for export, and trial images."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .engines import BackendError
from .structure import flatten

_CODE_FOLDERS = ("layers", "systems")
_NOISE = 0.1  # share of the range
_CELL_PX = 16


class Capture(nn.Module):
    """Images in, a flat tuple of tensors out."""

    def __init__(self, network: nn.Module, arguments: Mapping[str, Any]) -> None:
        super().__init__()
        self.network = network
        self.arguments = dict(arguments)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The tensors of the result, in the order of :func:`~.structure.flatten`."""
        return tuple(flatten(self.network(images, **self.arguments))[1])


def input_range(network: nn.Module) -> tuple[float, float]:
    """Least and largest input value of a network; BackendError if it is not feed-forward."""
    values = getattr(network, "input_range", None)
    if values is None:
        raise BackendError(
            f"{type(network).__name__} runs only in PyTorch: leave backend='torch'. (Networks that "
            "other backends may run state the values of their images as input_range.)"
        )
    return values


def trial_images(network: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """Images (B, 3, H, W) for a comparison: smooth patches with noise, the same every time."""
    low, high = input_range(network)
    generator = torch.Generator().manual_seed(0)
    cells = (shape[0], shape[1], -(-shape[2] // _CELL_PX), -(-shape[3] // _CELL_PX))
    soft = F.interpolate(torch.rand(cells, generator=generator), tuple(shape[2:]), mode="bicubic")
    noise = torch.rand(shape, generator=generator) - 0.5
    return low + (high - low) * (soft + _NOISE * noise).clamp(0, 1)


def fingerprint(network: nn.Module) -> str:
    """SHA-256 over the weights, the settings of all modules, and our code of networks."""
    digest = hashlib.sha256(code_digest(type(network)).encode())
    for name, module in network.named_modules():
        settings = {
            key: value
            for key, value in sorted(vars(module).items())
            if isinstance(value, (bool, int, float, str, tuple)) or is_dataclass(value)
        }
        digest.update(f"{name} {type(module).__name__} {settings}\n".encode())
    tensors = [*network.named_parameters(), *network.named_buffers()]
    for name, tensor in tensors:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


@lru_cache
def code_digest(network: type[nn.Module]) -> str:
    """SHA-256 over our code of networks, and over that of a network from elsewhere.

    Of a network in a package its whole folder counts, else its file.
    """
    package = Path(__file__).resolve().parents[1]
    files = {path for name in _CODE_FOLDERS for path in (package / name).rglob("*.py")}
    if source := getattr(sys.modules.get(network.__module__), "__file__", None):
        path = Path(source).resolve()
        files |= {path, *(path.parent.rglob("*.py") if "." in network.__module__ else ())}
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()
