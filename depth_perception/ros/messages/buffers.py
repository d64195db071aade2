"""Message payloads that are filled in place.

A message can hold an ``array.array`` without a copy, and publishing serialises it immediately, so
that one array per publisher serves all frames.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np
import torch
from sensor_msgs.msg import Image, PointCloud2
from torch import Tensor

_DEVICES = ("cuda",)


class Staging:
    """A page-locked buffer for one direction, kept between frames. Only CUDA devices use it.

    The driver would stage copies of pageable memory in small pieces, one after the other;
    page-locked memory gives the full rate of the bus.
    """

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


class PayloadBuffer:
    """The ``data`` of the messages of one publisher, of the size last reserved."""

    def __init__(self) -> None:
        self.data = array("B")
        self._staging = Staging()

    def lend(self, message: Image | PointCloud2) -> None:
        """Make the bytes the data of a message, without a copy.

        After Humble, constructors copy, as do setters of messages that do not check their fields.
        """
        if hasattr(message, "_check_fields"):
            message._check_fields = True
        message.data = self.data

    def reserve(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor on the CPU over the bytes, to be filled; valid until the next call.

        The memory is kept while the size is constant, and is rarely moved when it varies, as for
        clouds without invalid points.
        """
        size = math.prod(shape) * dtype.itemsize
        missing = size - len(self.data)
        try:
            if missing > 0:
                self.data.frombytes(bytes(missing))
            elif missing < 0:
                del self.data[size:]
        except BufferError:  # the bytes of an earlier message are still in use: leave them
            self.data = array("B", bytes(size))
        if not size:
            return torch.empty(tuple(shape), dtype=dtype, device="cpu")
        return torch.frombuffer(self.data, dtype=dtype).view(tuple(shape))

    def fill(self, values: Tensor) -> array:
        """Copy a tensor of any device, row-major; the bytes, valid until the next call."""
        room = self.reserve(values.shape, values.dtype)
        if values.device.type == "cpu":
            np.copyto(room.numpy(), values.numpy())  # PyTorch would use threads, which is slower
        else:
            self._staging.download(values, room)
        return self.data
