"""What one training step sees."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

B = TypeVar("B", bound="StepBatch")


@dataclass(frozen=True)
class StepBatch:
    """Base of the batches of all tasks.

    A subclass adds tensors whose first axis is the image, and tuples with one entry for each image.

    Attributes:
        step: number of the training step; 0 in validation.
    """

    step: int = field(default=0, kw_only=True)

    def __len__(self) -> int:
        """Number of images."""
        return len(next(iter(self._parts().values())))

    def to(self: B, device: torch.device) -> B:
        """The same on another device."""
        return replace(self, **{k: _moved(v, device) for k, v in self._parts().items()})

    def split(self: B, count: int) -> tuple[B, ...]:
        """At most ``count`` batches of nearly the same size, in order."""
        bounds = torch.arange(len(self)).tensor_split(min(count, len(self)))
        cuts = [slice(int(b[0]), int(b[-1]) + 1) for b in bounds]
        parts = self._parts()
        return tuple(replace(self, **{k: v[cut] for k, v in parts.items()}) for cut in cuts)

    def _parts(self) -> dict[str, Tensor | tuple]:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v for k, v in values.items() if isinstance(v, (Tensor, tuple))}


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, tuple):
        return tuple(_moved(entry, device) for entry in value)
    return value.to(device) if isinstance(value, Tensor) else value
