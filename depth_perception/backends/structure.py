"""Results of networks as flat lists of tensors, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from torch import Tensor

_TENSOR, _NOTHING, _TUPLE = "tensor", "none", "tuple"

Layout = list  # [kind, part, part, ...], of what JSON can hold


def flatten(value: Any) -> tuple[Layout, list[Tensor]]:
    """The layout of a result and its tensors in order; TypeError for parts of other types."""
    if isinstance(value, Tensor):
        return [_TENSOR], [value]
    if value is None:
        return [_NOTHING], []
    layout, tensors = [_TUPLE if type(value) is tuple else type(value).__name__], []
    for _, part in _parts(value):
        inner, found = flatten(part)
        layout.append(inner)
        tensors += found
    return layout, tensors


def rebuild(layout: Layout, tensors: list[Tensor], types: Sequence[type] = ()) -> Any:
    """Inverse of :func:`flatten`; ``types`` are those that may occur in the result."""
    rest = iter(tensors)
    value = _rebuilt(layout, rest, {kind.__name__: kind for kind in types})
    left = sum(1 for _ in rest)
    if left:
        raise ValueError(f"{left} tensors too many for {layout}")
    return value


def names(value: Any, prefix: str = "output") -> list[str]:
    """Name of each tensor of a result for messages."""
    if isinstance(value, Tensor):
        return [prefix]
    if value is None:
        return []
    labelled = _parts(value)
    if type(value) is tuple:
        labelled = [(f"{prefix}{label}", part) for label, part in labelled]
    return [name for label, part in labelled for name in names(part, label)]


def _parts(value: Any) -> list[tuple[str, Any]]:
    """The parts of a compound result, each with its name."""
    if type(value) is tuple:
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return list(zip(value._fields, value, strict=True))
    if is_dataclass(value) and not isinstance(value, type):
        return [(entry.name, getattr(value, entry.name)) for entry in fields(value)]
    raise TypeError(f"results of type {type(value).__name__} cannot leave a graph")


def _rebuilt(layout: Layout, rest: Iterator[Tensor], types: Mapping[str, type]) -> Any:
    kind, *parts = layout
    if kind == _TENSOR:
        return next(rest)
    if kind == _NOTHING:
        return None
    values = tuple(_rebuilt(part, rest, types) for part in parts)
    return values if kind == _TUPLE else types[kind](*values)
