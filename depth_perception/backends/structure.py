"""Results of networks as flat lists of tensors, and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

from ..systems.moge import MogeMaps
from ..systems.panopticdepth import PanopticFeatures
from ..systems.scaledepth import ScaleDepthOutput

# What networks return besides tensors and plain tuples.
_CLASSES = {kind.__name__: kind for kind in (MogeMaps, PanopticFeatures, ScaleDepthOutput)}
_TENSOR, _NOTHING, _TUPLE = "tensor", "none", "tuple"

Layout = list  # [kind, part, part, ...], of what JSON can hold


def flatten(value: Any) -> tuple[Layout, list[Tensor]]:
    """The layout of a result and its tensors in order.

    Raises:
        TypeError: something in it is none of tensor, None, tuple, or a known class.
    """
    if isinstance(value, Tensor):
        return [_TENSOR], [value]
    if value is None:
        return [_NOTHING], []
    if type(value) is tuple:
        kind, parts = _TUPLE, value
    elif type(value) in _CLASSES.values():
        kind = type(value).__name__
        parts = value
        if is_dataclass(value):
            parts = tuple(getattr(value, entry.name) for entry in fields(value))
    else:
        raise TypeError(f"results of type {type(value).__name__} cannot leave a graph")
    layout, tensors = [kind], []
    for part in parts:
        inner, found = flatten(part)
        layout.append(inner)
        tensors += found
    return layout, tensors


def rebuild(layout: Layout, tensors: list[Tensor]) -> Any:
    """The result that :func:`flatten` took apart."""
    rest = iter(tensors)
    value = _rebuilt(layout, rest)
    left = sum(1 for _ in rest)
    if left:
        raise ValueError(f"{left} tensors too many for {layout}")
    return value


def _rebuilt(layout: Layout, rest: Any) -> Any:
    kind, *parts = layout
    if kind == _TENSOR:
        return next(rest)
    if kind == _NOTHING:
        return None
    values = tuple(_rebuilt(part, rest) for part in parts)
    return values if kind == _TUPLE else _CLASSES[kind](*values)


def names(layout: Layout, prefix: str = "output") -> list[str]:
    """What each tensor is called in messages."""
    kind, *parts = layout
    if kind == _TENSOR:
        return [prefix]
    if kind == _NOTHING:
        return []
    if kind == _TUPLE:
        labels = [f"{prefix}[{index}]" for index in range(len(parts))]
    else:
        of = _CLASSES[kind]
        labels = list(of._fields) if hasattr(of, "_fields") else [f.name for f in fields(of)]
    return [name for label, part in zip(labels, parts, strict=True) for name in names(part, label)]
