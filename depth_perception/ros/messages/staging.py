"""Page-locked memory between a CUDA device and the host.

Copies from and to ordinary memory go through such a buffer anyway, in small pieces and one after
the other; with one of our own they run at the full rate of the bus.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DEVICES = ("cuda",)


class Staging:
    """One buffer, for one direction, kept from frame to frame. Other devices do without."""

    def __init__(self) -> None:
        self._memory = torch.empty(0, dtype=torch.uint8, device="cpu")
        self._sent: torch.cuda.Event | None = None

    def upload(self, values: Tensor, device: torch.device) -> Tensor:
        """The values of the CPU on the device; work queued there afterwards sees them."""
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
