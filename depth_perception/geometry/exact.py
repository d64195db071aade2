"""Use of float64 where float32 is too inaccurate, with a fallback for devices without it."""

from __future__ import annotations

import torch
from torch import Tensor

_WITHOUT_FLOAT64 = ("mps",)


def exact_dtype(device: torch.device | str) -> torch.dtype:
    """Float64, or float32 on devices without it."""
    return torch.float32 if torch.device(device).type in _WITHOUT_FLOAT64 else torch.float64


def exact(values: Tensor) -> Tensor:
    """The values in float64: on their device, or on the CPU if the device has no float64."""
    return near_exact(values).double()


def near_exact(values: Tensor) -> Tensor:
    """The values on the device where :func:`exact` puts them, in their own dtype."""
    return values.cpu() if exact_dtype(values.device) != torch.float64 else values
