"""Message payloads that are filled in place.

Assigning an ``array.array`` to the data of a message is the one way that copies nothing, and
publishing serialises at once, so that one array per publisher can serve every frame.
"""

from __future__ import annotations

from array import array

import torch
from torch import Tensor


class PayloadBuffer:
    """The ``data`` of one publisher's messages."""

    def __init__(self) -> None:
        self._bytes = array("B")
        self._view = torch.empty(0, dtype=torch.uint8)

    def fill(self, values: Tensor) -> array:
        """Copy a tensor of any device, row-major, and return the bytes: valid until the next call.

        New memory is taken only when the size changes.
        """
        size = values.numel() * values.element_size()
        if size != len(self._bytes):
            self._bytes = array("B", bytes(size))
            self._view = (
                torch.frombuffer(self._bytes, dtype=torch.uint8)
                if size
                else torch.empty(0, dtype=torch.uint8)
            )
        if size:
            self._view.view(values.dtype).view(values.shape).copy_(values)
        return self._bytes
