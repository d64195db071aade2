"""Float64 where float32 is not enough, also on devices that have none."""

from __future__ import annotations

import torch
from torch import Tensor

_WITHOUT_FLOAT64 = ("mps",)


def exact_dtype(device: torch.device | str) -> torch.dtype:
    """Float64, or float32 on devices without it."""
    return torch.float32 if torch.device(device).type in _WITHOUT_FLOAT64 else torch.float64


def exact(values: Tensor) -> Tensor:
    """The values in float64: on their device, or on the CPU if that has none."""
    return near_exact(values).double()


def near_exact(values: Tensor) -> Tensor:
    """The values where :func:`exact` would have them, in their own type."""
    return values.cpu() if exact_dtype(values.device) != torch.float64 else values
