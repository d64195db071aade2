"""A pretend device "mps" on the CPU, as strict as the real one: no float64, nothing mixed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

MPS = torch.device("mps", 0)
_REFUSED = (torch.float64, torch.complex128)
# What asks about a device and makes no tensor.
_ABOUT = (
    Tensor.device.__get__,
    Tensor.is_cpu.__get__,
    Tensor.is_cuda.__get__,
    torch.device,
    torch._C._nn._parse_to,
)
# What may take tensors of two devices.
_ACROSS = (Tensor.to, Tensor.copy_, Tensor.__getitem__, Tensor.__setitem__)


class MpsTensor(Tensor):
    """A tensor that says it is on the device, and whose numbers the CPU tensor ``held`` has."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> MpsTensor:
        if held.dtype in _REFUSED:
            raise TypeError(f"MPS has no {held.dtype}")
        made = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=MPS
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} was called outside of pretend_mps")


class _Pretence(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _ABOUT:
            return func(*args, **kwargs)
        if func is torch._has_compatible_shallow_copy_type:  # as between real devices
            return False
        leaves = tree_leaves((args, kwargs))
        there = [leaf for leaf in leaves if isinstance(leaf, MpsTensor)]
        here = [leaf for leaf in leaves if type(leaf) in (Tensor, torch.nn.Parameter)]
        device = next((leaf for leaf in leaves if _is_device(leaf)), None)
        if not there and (device is None or torch.device(device).type != "mps"):
            return func(*args, **kwargs)
        if there and here and func not in _ACROSS:
            raise RuntimeError(f"{func} mixes tensors of the device and of the CPU")
        if there and func is Tensor.numpy:
            raise TypeError("a tensor of MPS has no array: bring it to the CPU first")
        if any(leaf in _REFUSED for leaf in leaves if isinstance(leaf, torch.dtype)):
            raise TypeError(f"{func}: MPS has no float64")
        held_args, held_kwargs = tree_map(_held, (args, kwargs))
        result = func(*held_args, **held_kwargs)
        stays = func is not Tensor.cpu and (device is None or torch.device(device).type == "mps")
        if func is Tensor.copy_:
            stays = isinstance(args[0], MpsTensor)
        elif func is Tensor.to and any(isinstance(other, Tensor) for other in args[1:]):
            stays = isinstance(args[1], MpsTensor)
        if not stays:
            if isinstance(result, Tensor) and result.dtype in _REFUSED:
                raise TypeError(f"{func}: cast it on the CPU, MPS has no {result.dtype}")
            return result
        same = {id(tensor.held): tensor for tensor in there}  # of operations in place
        return tree_map(lambda leaf: _wrapped(leaf, same), result)


@contextmanager
def pretend_mps() -> Iterator[None]:
    """Within it, tensors can be brought to the device and worked with there."""
    with _Pretence():
        yield


def _is_device(leaf: Any) -> bool:
    return isinstance(leaf, torch.device) or (
        isinstance(leaf, str) and leaf.partition(":")[0] in ("mps", "cpu", "cuda")
    )


def _held(leaf: Any) -> Any:
    if isinstance(leaf, MpsTensor):
        return leaf.held
    return torch.device("cpu") if _is_device(leaf) else leaf


def _wrapped(leaf: Any, same: dict[int, MpsTensor]) -> Any:
    if not isinstance(leaf, Tensor):
        return leaf
    return same[id(leaf)] if id(leaf) in same else MpsTensor(leaf)
