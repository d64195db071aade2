"""Products of large float32 matrices on AMD processors, for inference.

PyTorch hands them to MKL, which uses half the width of AVX-512 on processors of other makers.
oneDNN, which PyTorch carries for its convolutions, uses all of it: linear layers then take less
than half the time, attention about three quarters (two threads, Zen 5). Switched off by
``torch.backends.mkldnn.enabled = False``, as the convolutions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from .cpu_info import cpu_facts

# Multiply-adds of one call, below which the call costs more than it saves.
_LEAST_PRODUCTS = 1 << 24
_LEAST_OF_A_HEAD = 1 << 22
_LEAST_PARAMETERS = 10_000_000  # of a network: every operation passes through the mode
_QUERIES = 128  # for each thread, whose scores stay in the cache


class OnCpu:
    """Replaces a network in inference: the same call within :class:`CpuProducts`."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        with CpuProducts():
            return self.network(*inputs, **options)


def on_cpu(network: nn.Module) -> Callable[..., Any]:
    """The callable for inference with a network: the network itself if oneDNN is not faster."""
    return OnCpu(network) if _gains(network) else network


def products_for(network: nn.Module) -> AbstractContextManager[object]:
    """:class:`CpuProducts` if it makes this network faster, else a context without effect."""
    return CpuProducts() if _gains(network) else nullcontext()


def _gains(network: nn.Module) -> bool:
    here = sum(p.numel() for p in network.parameters() if p.device.type == "cpu")
    return here >= _LEAST_PARAMETERS and torch.backends.mkldnn.enabled and pays_off()


@lru_cache(maxsize=1)
def pays_off() -> bool:
    """Whether oneDNN is faster on this processor and can be selected in this PyTorch."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    return "AuthenticAMD" in cpu_facts("vendor_id") and has_onednn()


def has_onednn() -> bool:
    """Whether oneDNN can be selected for a product in this PyTorch."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


class CpuProducts(TorchFunctionMode):
    """Within it, large linear layers and attention on the CPU are computed by oneDNN.

    Calls recorded by autograd, other types and devices, and small calls are unchanged. Do not use
    it for tracing or exporting: the graph would contain oneDNN's operations.
    """

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function is F.linear:
            return _linear(*args, **kwargs)
        if function is F.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        return function(*args, **kwargs)


def onednn_linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The linear layer (..., D) to (..., E) by oneDNN.

    Weight (E, D) and bias (E,) must be contiguous.
    """
    return torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")


def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    is_large = input.numel() * len(weight) >= _LEAST_PRODUCTS
    is_usual = weight.ndim == 2 and (bias is None or bias.shape == weight.shape[:1])
    if is_large and is_usual and _is_plain(input) and all(map(_is_dense, (weight, bias))):
        return onednn_linear(input, weight, bias)
    return F.linear(input, weight, bias)


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    is_usual = attn_mask is None and not (dropout_p or is_causal or enable_gqa) and scale is None
    if is_usual and _is_large_attention(query, key, value) and _is_plain(query, key, value):
        return _attention_by_heads(query, key, value)
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )


def _is_large_attention(query: Tensor, key: Tensor, value: Tensor) -> bool:
    if query.ndim != 4 or not query.shape[:2] == key.shape[:2] == value.shape[:2]:
        return False
    return query.shape[-2] * query.shape[-1] * key.shape[-2] >= _LEAST_OF_A_HEAD


def _attention_by_heads(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, heads, N, D) of queries (B, heads, N, D), keys and values (B, heads, M, D)."""
    batch, heads, count, width = query.shape
    query = query * width**-0.5
    mixed = query.new_empty(batch, count, heads, value.shape[-1])  # as it is used afterwards
    step = _QUERIES * torch.get_num_threads()
    for one, head in product(range(batch), range(heads)):
        keys, values = key[one, head].contiguous(), value[one, head].T.contiguous()
        for first in range(0, count, step):
            some = slice(first, first + step)
            weights = onednn_linear(query[one, head, some], keys).softmax(-1)
            mixed[one, some, head] = onednn_linear(weights, values)
    return mixed.transpose(1, 2)


def _is_dense(tensor: Tensor | None) -> bool:
    return tensor is None or (tensor.is_contiguous() and _is_plain(tensor))


def _is_plain(*tensors: Tensor) -> bool:
    if torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    return all(t.device.type == "cpu" and t.dtype is torch.float32 for t in tensors)
