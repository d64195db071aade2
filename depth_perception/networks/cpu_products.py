"""Products of large float32 matrices on AMD processors, for inference.

PyTorch hands them to MKL, which uses half the width of AVX-512 on processors of other makers.
oneDNN, which PyTorch carries for its convolutions, uses all of it: linear layers then take less
than half the time, attention two thirds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_LEAST_PRODUCTS = 1 << 24  # of one call: below, what a call costs weighs more
_LEAST_PARAMETERS = 10_000_000  # of a network: every operation passes through the mode
_QUERIES = 256  # whose scores stay in the cache
_CPUINFO = Path("/proc/cpuinfo")


def on_cpu(network: nn.Module) -> Callable[..., Any]:
    """What to call in place of a network, for inference: itself, or with :class:`CpuProducts`."""
    if isinstance(products_for(network), nullcontext):
        return network

    def call(*inputs: Any, **options: Any) -> Any:
        with CpuProducts():
            return network(*inputs, **options)

    return call


def products_for(network: nn.Module) -> AbstractContextManager[object]:
    """:class:`CpuProducts` where it is worth while for this network, else nothing."""
    here = [p.numel() for p in network.parameters() if p.device.type == "cpu"]
    return CpuProducts() if sum(here) >= _LEAST_PARAMETERS and pays_off() else nullcontext()


@lru_cache(maxsize=1)
def pays_off() -> bool:
    """Whether this processor is one where oneDNN is faster, and this PyTorch can be told so."""
    if (
        torch.backends.cpu.get_cpu_capability() != "AVX512"
        or not torch.backends.mkldnn.is_available()
    ):
        return False
    is_amd = _CPUINFO.is_file() and "AuthenticAMD" in _CPUINFO.read_text(errors="replace")
    return is_amd and has_onednn()


def has_onednn() -> bool:
    """Whether this PyTorch can be told to compute a product by oneDNN."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


class CpuProducts(TorchFunctionMode):
    """Within it, large linear layers and attention on the CPU are computed by oneDNN.

    Everything else, and everything that autograd records, is as without it.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.linear and _is_large_linear(*args, **kwargs):
            return onednn_linear(*args, **kwargs)
        if function is F.scaled_dot_product_attention and _is_large_attention(*args, **kwargs):
            return _attention(*args[:3])
        return function(*args, **kwargs)


def _is_plain(*tensors: Tensor) -> bool:
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return all(t.device.type == "cpu" and t.dtype is torch.float32 for t in tensors)


def _is_large_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    is_large = input.numel() * len(weight) >= _LEAST_PRODUCTS
    return is_large and weight.is_contiguous() and _is_plain(input, weight)


def _is_large_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, **options: object
) -> bool:
    if attn_mask is not None or any(options.values()):  # dropout, causal, another scale
        return False
    size = query.numel() * key.shape[-2]
    return query.ndim == 4 and size >= _LEAST_PRODUCTS and _is_plain(query, key, value)


def onednn_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The linear layer (..., D) to (..., E) of a contiguous weight (E, D) by oneDNN."""
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")


def _attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, heads, N, D) of queries (B, heads, N, D), keys and values (B, heads, M, D)."""
    batch, heads, count, width = query.shape
    query = query * width**-0.5
    mixed = query.new_empty(batch, count, heads, value.shape[-1])  # as it is used afterwards
    for one, head in product(range(batch), range(heads)):
        keys, values = key[one, head].contiguous(), value[one, head].T.contiguous()
        for first in range(0, count, _QUERIES):
            some = slice(first, first + _QUERIES)
            weights = onednn_linear(query[one, head, some], keys).softmax(-1)
            mixed[one, some, head] = onednn_linear(weights, values)
    return mixed.transpose(1, 2)
