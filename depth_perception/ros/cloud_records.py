"""The records of a cloud, packed on the CPU by NumPy and OpenCV.

Both do in a fraction of a millisecond what PyTorch needs several for: comparisons, interleaving,
and the choice of records, which they copy in runs.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from .buffers import PayloadBuffer

_NO_ALPHA = 0x00FFFFFF


class CpuRecords:
    """Packs grids of points of one size after the other, in memory that it keeps."""

    def __init__(self) -> None:
        self._of_rays: tuple[Tensor, int] | None = None
        self._rays = np.empty((3, 0, 0), np.float32)
        self._points = np.empty((3, 0, 0), np.float32)
        self._grid = np.empty((0, 0, 0), np.float32)

    def pack(
        self,
        rays: Tensor,
        range_m: Tensor,
        keep: Tensor,
        colours: Tensor | None,
        labels: Tensor | None,
        stride: int,
        buffer: PayloadBuffer,
        *,
        organised: bool,
    ) -> tuple[int, int, int]:
        """Fill ``buffer`` with records; (rows, columns, numbers in a record).

        Args:
            rays: (H, W, 3) float32 unit directions, of the whole grid; the same object from frame
                to frame saves work.
            range_m: (h, w) float32, every ``stride``-th row and column, metres.
            keep: (h, w) bool.
            colours: (h, w, 3) uint8 RGB.
            labels: (h, w, 2) int32.
            stride: every so many rows and columns of ``rays``.
            buffer: of the message.
            organised: keep the grid, with NaN where there is no point.
        """
        kept = keep.numpy()
        count = int(np.count_nonzero(kept))
        distance = np.ascontiguousarray(range_m.numpy())
        if organised and count < kept.size:
            distance = np.where(kept, distance, np.float32(np.nan))
        planes = [*self._place(rays, distance, stride), *_payload(colours, labels)]
        shape = (*distance.shape, len(planes))
        if organised or count == kept.size:
            cv2.merge(planes, dst=buffer.reserve(shape, torch.float32).numpy())
            return shape if organised else (1, count, len(planes))
        if self._grid.shape != shape:
            self._grid = np.empty(shape, np.float32)
        cv2.merge(planes, dst=self._grid)
        record = np.dtype((np.void, 4 * len(planes)))  # moved as one
        out = buffer.reserve((count, len(planes)), torch.float32).numpy()
        out.view(record)[:, 0] = self._grid.view(record)[..., 0][kept]
        return 1, count, len(planes)

    def _place(self, rays: Tensor, distance: np.ndarray, stride: int) -> np.ndarray:
        """(3, h, w) x, y and z."""
        if self._of_rays is None or self._of_rays[0] is not rays or self._of_rays[1] != stride:
            sampled = rays[::stride, ::stride].permute(2, 0, 1)
            self._rays, self._of_rays = sampled.contiguous().numpy(), (rays, stride)
            self._points = np.empty_like(self._rays)
        return np.multiply(self._rays, distance, out=self._points)


def _payload(colours: Tensor | None, labels: Tensor | None) -> list[np.ndarray]:
    """Planes (h, w) float32 that hold the bits of colours and labels."""
    planes = []
    if colours is not None:
        pixels = cv2.cvtColor(np.ascontiguousarray(colours.numpy()), cv2.COLOR_RGB2BGRA)
        bits = pixels.view(np.uint32)[..., 0]  # little-endian, as the message says
        planes.append(np.bitwise_and(bits, _NO_ALPHA, out=bits).view(np.float32))
    if labels is not None:
        split = np.ascontiguousarray(labels.permute(2, 0, 1).numpy())
        planes.extend(split.view(np.float32))
    return planes
