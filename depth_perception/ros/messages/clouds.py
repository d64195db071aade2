"""PointCloud2 messages, packed on the device of the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from torch import Tensor

from ..parameters.outputs import CloudSettings
from .buffers import PayloadBuffer

_NO_ALPHA = 0x00FFFFFF
_BAND_POINTS = 1 << 16
_PLACE = tuple((axis, PointField.FLOAT32) for axis in "xyz")
_COLOUR = (("rgb", PointField.FLOAT32),)
_LABELS = (("label", PointField.UINT32), ("instance", PointField.UINT32))
_FIELDS = {
    len(fields): fields
    for fields in (_PLACE, _PLACE + _COLOUR, _PLACE + _LABELS, _PLACE + _COLOUR + _LABELS)
}
_LARGEST, _SMALLEST = torch.finfo(torch.float32).max, torch.finfo(torch.float32).tiny
_RECORD = torch.complex128  # sixteen bytes: a coloured point is one number
_RECORD_DEVICES = ("cuda",)


@dataclass(frozen=True)
class Grid:
    """Input of the records of a cloud; (h, w) are every ``stride``-th row and column.

    Attributes:
        rays: (H, W, 3) float32 unit directions, of the whole grid; passing the same object for all
            frames is faster.
        range_m: (h, w) float32 along the rays, metres.
        keep: (h, w) bool.
        colours: (h, w, 3) uint8 RGB.
        labels: (h, w, 2) int32.
        stride: distance of the rows and columns that are used.
    """

    rays: Tensor
    range_m: Tensor
    keep: Tensor
    colours: Tensor | None
    labels: Tensor | None
    stride: int

    @property
    def numbers(self) -> int:
        """Number of four-byte fields in a record."""
        return 3 + (self.colours is not None) + (0 if self.labels is None else 2)


class CpuRecords:
    """Packs grids of points on the CPU, in memory that is kept between calls.

    NumPy and OpenCV are several times as fast as PyTorch in comparing, interleaving and selecting.
    A band of rows is packed at a time, so that intermediate results stay in the cache of a core.
    """

    def __init__(self) -> None:
        self._of_rays: tuple[Tensor, int] | None = None
        self._rays = np.empty((3, 0, 0), np.float32)
        self._points = np.empty((3, 0, 0), np.float32)
        self._band = np.empty((0, 0, 0), np.float32)

    def pack(self, grid: Grid, buffer: PayloadBuffer, *, organised: bool) -> tuple[int, int, int]:
        """Fill ``buffer`` with records; (rows, columns, numbers in a record).

        ``organised`` keeps the grid, with NaN where there is no point.
        """
        kept, distance, numbers = grid.keep.numpy(), grid.range_m.numpy(), grid.numbers
        rows, columns = kept.shape
        count = kept.size if organised else int(np.count_nonzero(kept))
        shape = (rows, columns) if organised else (1, count)
        out = buffer.reserve((count, numbers), torch.float32).numpy()
        self._prepare(grid.rays, grid.stride, columns, numbers)
        first = 0
        for top in range(0, rows, len(self._band)):
            band = slice(top, min(top + len(self._band), rows))
            here, chosen = distance[band], kept[band]
            is_whole = bool(chosen.all())
            if organised and not is_whole:
                here = np.where(chosen, here, np.float32(np.nan))
            place = np.multiply(self._rays[:, band], here, out=self._points[:, : len(here)])
            attached = (None if x is None else x[band] for x in (grid.colours, grid.labels))
            planes = [*place, *_payload(*attached)]
            if organised or is_whole:
                last = first + here.size
                cv2.merge(planes, dst=out[first:last].reshape(*here.shape, numbers))
            else:
                merged = cv2.merge(planes, dst=self._band[: len(here)])
                last = first + int(np.count_nonzero(chosen))
                records = merged.view(np.dtype((np.void, 4 * numbers)))[..., 0]
                out[first:last] = records[chosen].view(np.float32).reshape(-1, numbers)
            first = last
        return (*shape, numbers)

    def _prepare(self, rays: Tensor, stride: int, columns: int, numbers: int) -> None:
        """Rays by axis, and memory for a band."""
        if self._of_rays is None or self._of_rays[0] is not rays or self._of_rays[1] != stride:
            sampled = rays[::stride, ::stride].permute(2, 0, 1)
            self._rays, self._of_rays = sampled.contiguous().numpy(), (rays, stride)
        height = max(1, _BAND_POINTS // max(1, columns))
        if self._band.shape != (height, columns, numbers):
            self._band = np.empty((height, columns, numbers), np.float32)
            self._points = np.empty((3, height, columns), np.float32)


def _payload(colours: Tensor | None, labels: Tensor | None) -> list[np.ndarray]:
    """Planes (h, w) float32 with the bits of colours and labels."""
    planes = []
    if colours is not None:
        pixels = cv2.cvtColor(np.ascontiguousarray(colours.numpy()), cv2.COLOR_RGB2BGRA)
        bits = pixels.view(np.uint32)[..., 0]  # little-endian, as in the message
        planes.append(np.bitwise_and(bits, _NO_ALPHA, out=bits).view(np.float32))
    if labels is not None:
        split = np.ascontiguousarray(labels.permute(2, 0, 1).numpy())
        planes.extend(split.view(np.float32))
    return planes


class CloudPacker:
    """Packs the clouds of one publisher, in memory that is kept between calls."""

    def __init__(self) -> None:
        self._cpu = CpuRecords()
        self._buffer = PayloadBuffer()

    def message(
        self,
        header: Header,
        rays: Tensor,
        range_m: Tensor,
        keep: Tensor,
        colours: Tensor | None,
        options: CloudSettings,
        labels: Tensor | None = None,
    ) -> PointCloud2:
        """The cloud of a range image; its ``data`` is valid until the next call.

        A point has the fields x, y, z; with colours also rgb, with the bits 0x00RRGGBB; with labels
        also label and instance.

        Args:
            header: its frame is that of the rays.
            rays: (H, W, 3) float32 unit directions.
            range_m: (H, W) float32 along the rays, metres.
            keep: (H, W) bool; ranges that are not positive and finite are always omitted.
            colours: (H, W, 3) uint8 RGB.
            options: stride, order and range limits of the points.
            labels: (H, W, 2) int32, class and instance of every pixel.
        """
        step = options.stride
        range_m, keep = range_m.detach()[::step, ::step], keep[::step, ::step]
        colours, labels = (None if x is None else x[::step, ::step] for x in (colours, labels))
        keep = _within(range_m, keep, options)
        grid = Grid(rays, range_m, keep, colours, labels, step)
        pack = self._cpu.pack if range_m.device.type == "cpu" else _pack_on_device
        shape = pack(grid, self._buffer, organised=options.organised)
        height, width, count = shape
        message = PointCloud2(
            header=header,
            height=height,
            width=width,
            fields=[
                PointField(name=name, offset=4 * k, datatype=kind, count=1)
                for k, (name, kind) in enumerate(_FIELDS[count])
            ],
            is_bigendian=False,
            point_step=4 * count,
            row_step=4 * count * width,
            is_dense=not options.organised,
        )
        self._buffer.lend(message)
        return message


def _pack_on_device(grid: Grid, buffer: PayloadBuffer, *, organised: bool) -> tuple[int, int, int]:
    """Like :meth:`CpuRecords.pack`, with one copy from the device."""
    columns, range_m = grid.numbers, grid.range_m
    fields = torch.empty((*range_m.shape, columns), device=range_m.device)
    if organised:
        range_m = torch.where(grid.keep, range_m, torch.nan)
    rays = grid.rays[:: grid.stride, :: grid.stride]
    torch.mul(rays, range_m[..., None], out=fields[..., :3])
    if grid.colours is not None:
        red, green, blue = grid.colours.unbind(-1)
        bits = red.to(torch.int32).mul_(256).add_(green).mul_(256).add_(blue)
        fields.view(torch.int32)[..., 3] = bits
    if grid.labels is not None:
        fields.view(torch.int32)[..., -2:] = grid.labels
    if not organised:
        is_one_number = columns == 4 and fields.device.type in _RECORD_DEVICES
        records = fields.view(_RECORD)[..., 0] if is_one_number else fields
        fields = records[grid.keep].view(torch.float32).view(1, -1, columns)
    buffer.fill(fields)
    return tuple(fields.shape)


def _within(range_m: Tensor, keep: Tensor, options: CloudSettings) -> Tensor:
    """Points to keep that are within the limits, positive and finite."""
    nearest, farthest = options.min_range_m, min(options.max_range_m, _LARGEST)
    if range_m.device.type == "cpu" and range_m.numel():  # faster than comparing all values
        values = range_m.numpy()
        low, high = values.min(), values.max()  # NaN if there is one
        if low >= nearest and low > 0 and high <= farthest:
            return keep
    near = range_m >= nearest if nearest >= _SMALLEST else range_m > 0
    return keep & near & (range_m <= farthest)
