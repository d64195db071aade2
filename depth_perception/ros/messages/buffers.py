"""Message payloads that are filled in place.

A message can hold an ``array.array`` as it is, and publishing serialises at once, so that one array
per publisher can serve every frame.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence

import numpy as np
import torch
from sensor_msgs.msg import Image, PointCloud2
from torch import Tensor

from .staging import Staging


class PayloadBuffer:
    """The ``data`` of one publisher's messages."""

    def __init__(self) -> None:
        self._bytes = array("B")
        self._staging = Staging()

    @property
    def data(self) -> array:
        """The bytes, as long as what was asked for last."""
        return self._bytes

    def lend(self, message: Image | PointCloud2) -> None:
        """Make the bytes the data of a message, without a copy.

        After Humble, constructors copy, and setters of messages that do not check their fields.
        """
        if hasattr(message, "_check_fields"):
            message._check_fields = True
        message.data = self._bytes

    def reserve(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor on the CPU over the bytes, to be filled: valid until the next call.

        The memory stays while the size does, and follows a size that goes up and down, as that of
        a dense cloud, with few moves.
        """
        size = math.prod(shape) * dtype.itemsize
        missing = size - len(self._bytes)
        try:
            if missing > 0:
                self._bytes.frombytes(bytes(missing))
            elif missing < 0:
                del self._bytes[size:]
        except BufferError:  # somebody still looks at the bytes of an earlier message: it is theirs
            self._bytes = array("B", bytes(size))
        if not size:
            return torch.empty(tuple(shape), dtype=dtype, device="cpu")
        return torch.frombuffer(self._bytes, dtype=dtype).view(tuple(shape))

    def fill(self, values: Tensor) -> array:
        """Copy a tensor of any device, row-major; the bytes, valid until the next call."""
        room = self.reserve(values.shape, values.dtype)
        if values.device.type == "cpu":
            np.copyto(room.numpy(), values.numpy())  # threads would wait for each other
        else:
            self._staging.download(values, room)
        return self._bytes
