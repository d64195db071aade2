"""PointCloud2 messages, packed on the device of the prediction."""

from __future__ import annotations

import torch
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from torch import Tensor

from ..parameters.common import CloudSettings
from .buffers import PayloadBuffer
from .cloud_records import CpuRecords, Grid

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
        return _message(header, self._buffer, shape, options.organised)


def _pack_on_device(grid: Grid, buffer: PayloadBuffer, *, organised: bool) -> tuple[int, int, int]:
    """Like :meth:`.cloud_records.CpuRecords.pack`, with one copy from the device."""
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


def _message(
    header: Header, buffer: PayloadBuffer, shape: tuple[int, int, int], organised: bool
) -> PointCloud2:
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
        is_dense=not organised,
    )
    buffer.lend(message)
    return message
