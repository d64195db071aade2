"""What the hardware can do at best, measured beside the contenders."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..networks.cpu_products import has_onednn, onednn_linear
from .measure import seconds_of

_GPU_SIZE = 8192
_CPU_SIZE = 2048
_COPY_BYTES = 1 << 28


@dataclass(frozen=True)
class Ceiling:
    """Best of several tries.

    Attributes:
        precision: of the matrix product.
        matrix_size: its three sides.
        flop_per_s: rate of the matrix product.
        copy_bytes_per_s: bytes read plus bytes written by a copy in the memory of the device.
    """

    precision: str
    matrix_size: int
    flop_per_s: float
    copy_bytes_per_s: float


def measure_ceiling(
    device: torch.device,
    precision: str = "float32",
    *,
    matrix_size: int | None = None,
    copy_bytes: int = _COPY_BYTES,
    repeats: int = 3,
) -> Ceiling:
    """Multiply two square matrices, by the faster of PyTorch's libraries, and copy a block.

    Args:
        device: where.
        precision: name of a floating-point type of torch.
        matrix_size: None takes one that fills the device.
        copy_bytes: size of the block; it should be larger than the caches.
        repeats: tries of each.
    """
    dtype = getattr(torch, precision)
    size = matrix_size or (_GPU_SIZE if device.type == "cuda" else _CPU_SIZE)
    left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
    product = torch.empty_like(left)
    source = torch.zeros(copy_bytes // 4, dtype=torch.int32, device=device)
    target = torch.ones_like(source)

    def multiply() -> None:
        torch.mm(left, right, out=product)

    def multiply_by_onednn() -> None:
        onednn_linear(left, right)

    def copy() -> None:
        target.copy_(source)

    products = [multiply]
    if device.type == "cpu" and dtype is torch.float32 and has_onednn():
        products.append(multiply_by_onednn)
    for work in (*products, copy):
        work()
    product_s = min(seconds_of(work, device) for work in products for _ in range(repeats))
    copy_s = min(seconds_of(copy, device) for _ in range(repeats))
    moved = 2 * source.numel() * source.element_size()
    return Ceiling(precision, size, 2 * size**3 / product_s, moved / copy_s)
