"""Page-locked memory between a CUDA device and the host.

Copies from and to pageable memory are staged by the driver in small pieces, one after the other; a
page-locked buffer of our own gives the full rate of the bus.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DEVICES = ("cuda",)


class Staging:
    """One buffer for one direction, kept between frames. Only CUDA devices use it."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8, device="cpu")
        self._sent: torch.cuda.Event | None = None

    def upload(self, values: Tensor, device: torch.device) -> Tensor:
        """Values of the CPU on the device, for work that is queued there afterwards."""
        if device.type not in _DEVICES:
            return values.to(device)
        if self._sent is not None:
            self._sent.synchronize()  # the device has read what the buffer held
        found = self._room(values).copy_(values).to(device, non_blocking=True)
        self._sent = torch.cuda.Event()
        self._sent.record(torch.cuda.current_stream(device))
        return found

    def download(self, values: Tensor, out: Tensor) -> None:
        """Fill ``out``, of the same shape on the CPU; waits for the device."""
        if values.device.type not in _DEVICES:
            out.copy_(values)
            return
        room = self._room(values)
        room.copy_(values, non_blocking=True)
        torch.cuda.current_stream(values.device).synchronize()
        out.copy_(room)

    def _room(self, values: Tensor) -> Tensor:
        size = math.prod(values.shape) * values.dtype.itemsize
        if len(self._memory) < size:
            self._memory = torch.empty(size, dtype=torch.uint8, device="cpu", pin_memory=True)
        return self._memory[:size].view(values.dtype).view(values.shape)
