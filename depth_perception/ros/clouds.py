"""PointCloud2 messages, packed on the device of the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from torch import Tensor

from .buffers import PayloadBuffer

_PLACE = tuple((axis, PointField.FLOAT32) for axis in "xyz")
_COLOUR = (("rgb", PointField.FLOAT32),)
_LABELS = (("label", PointField.UINT32), ("instance", PointField.UINT32))
_FIELDS = {
    len(fields): fields
    for fields in (_PLACE, _PLACE + _COLOUR, _PLACE + _LABELS, _PLACE + _COLOUR + _LABELS)
}
_LARGEST = torch.finfo(torch.float32).max
_RECORD = torch.complex128  # sixteen bytes: a coloured point moves as one number
_RECORD_DEVICES = ("cpu", "cuda")


@dataclass(frozen=True)
class CloudOptions:
    """Which points a cloud holds and how.

    Attributes:
        stride: every so many rows and columns.
        organised: keep the grid, with NaN where there is no point; else one row of points.
        min_range_m, max_range_m: limits of the distance from the camera.
    """

    stride: int = 1
    organised: bool = False
    min_range_m: float = 0.0
    max_range_m: float = float("inf")


class CloudPacker:
    """Makes the clouds of one publisher, in memory that it keeps from one to the next."""

    def __init__(self) -> None:
        self._grid = torch.empty(0)
        self._buffer = PayloadBuffer()

    def message(
        self,
        header: Header,
        rays: Tensor,
        range_m: Tensor,
        keep: Tensor,
        colours: Tensor | None,
        options: CloudOptions,
        labels: Tensor | None = None,
    ) -> PointCloud2:
        """The cloud of a range image; its ``data`` is valid until the next call.

        A point has the fields x, y, z, with colours rgb, which holds the bits 0x00RRGGBB, and with
        labels label and instance.

        Args:
            header: its frame is that of the rays.
            rays: (H, W, 3) float32 unit directions.
            range_m: (H, W) float32 along the rays, metres.
            keep: (H, W) bool; ranges that are not positive and finite are left out anyhow.
            colours: (H, W, 3) uint8 RGB.
            options: stride, order, range limits.
            labels: (H, W, 2) int32, class and instance of every pixel.
        """
        step = options.stride
        rays, range_m, keep = (x[::step, ::step] for x in (rays, range_m, keep))
        keep = _within(range_m, keep, options)
        columns = 3 + (colours is not None) + (0 if labels is None else 2)
        fields = self._fields((*range_m.shape, columns), range_m.device, options)
        if options.organised:
            range_m = torch.where(keep, range_m, torch.nan)
        torch.mul(rays, range_m[..., None], out=fields[..., :3])
        if colours is not None:
            red, green, blue = colours[::step, ::step].unbind(-1)
            bits = red.to(torch.int32).mul_(256).add_(green).mul_(256).add_(blue)
            fields.view(torch.int32)[..., 3] = bits
        if labels is not None:
            fields.view(torch.int32)[..., -2:] = labels[::step, ::step]
        if not options.organised:
            fields = self._kept(fields, keep)[None]
        elif fields.device.type != "cpu":
            self._buffer.fill(fields)
        return _message(header, self._buffer, tuple(fields.shape), options.organised)

    def _fields(
        self, shape: tuple[int, int, int], device: torch.device, options: CloudOptions
    ) -> Tensor:
        """Where the whole grid is packed: at once into the message if that is what it holds."""
        if options.organised and device.type == "cpu":
            return self._buffer.reserve(shape, torch.float32)
        if self._grid.shape != shape or self._grid.device != device:
            self._grid = torch.empty(shape, device=device)
        return self._grid

    def _kept(self, fields: Tensor, keep: Tensor) -> Tensor:
        """The records (N, F) to keep, in order, also in the buffer."""
        columns = fields.shape[-1]
        if columns != 4 or fields.device.type not in _RECORD_DEVICES:
            chosen = fields[keep]
            self._buffer.fill(chosen)
            return chosen
        records = fields.view(_RECORD)[..., 0]
        if fields.device.type != "cpu":
            chosen = records[keep].view(torch.float32).view(-1, columns)
            self._buffer.fill(chosen)
            return chosen
        chosen = self._buffer.reserve((int(keep.count_nonzero()), columns), torch.float32)
        if len(chosen):
            torch.masked_select(records, keep, out=chosen.view(_RECORD)[:, 0])
        return chosen


def _within(range_m: Tensor, keep: Tensor, options: CloudOptions) -> Tensor:
    """What is to be kept and lies within the limits, positive and finite."""
    nearest, farthest = options.min_range_m, min(options.max_range_m, _LARGEST)
    if range_m.device.type == "cpu" and range_m.numel():  # two comparisons cost more than this
        low, high = range_m.aminmax()
        if bool(low >= nearest) and bool(low > 0) and bool(high <= farthest):
            return keep
    near = range_m >= nearest if nearest > 0 else range_m > 0
    return keep & near & (range_m <= farthest)


def _message(
    header: Header, buffer: PayloadBuffer, shape: tuple[int, int, int], organised: bool
) -> PointCloud2:
    height, width, count = shape
    return PointCloud2(
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
        data=buffer.data,
        is_dense=not organised,
    )
