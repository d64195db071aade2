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


def pack_cloud(
    points_m: Tensor,
    keep: Tensor,
    colours: Tensor | None,
    options: CloudOptions,
    labels: Tensor | None = None,
) -> Tensor:
    """Records of a cloud: (H', W', F) float32 if organised, else (1, N, F).

    F is 3; colours add one that holds the bits 0x00RRGGBB, and labels two that hold the bits of
    their integers.

    Args:
        points_m: (H, W, 3) float32, metres.
        keep: (H, W) bool; points that are not finite are left out anyhow.
        colours: (H, W, 3) uint8 RGB.
        options: stride, order, range limits.
        labels: (H, W, 2) int32, class and instance of every pixel.
    """
    step = options.stride
    points, keep = points_m[::step, ::step], keep[::step, ::step]
    distance = points.norm(dim=-1)
    keep = keep & (distance >= options.min_range_m) & (distance <= options.max_range_m)
    place, marks = 3 + (colours is not None), 0 if labels is None else 2
    fields = points.new_empty((*points.shape[:2], place + marks))
    fields[..., :3] = torch.where(keep[..., None], points, torch.nan)
    if colours is not None:
        red, green, blue = colours[::step, ::step].to(torch.int32).unbind(-1)
        fields[..., 3] = (red << 16 | green << 8 | blue).view(torch.float32)
    if labels is not None:
        fields[..., place:] = labels[::step, ::step].contiguous().view(torch.float32)
    return fields if options.organised else fields[keep & torch.isfinite(distance)][None]


def cloud_message(
    header: Header, fields: Tensor, organised: bool, buffer: PayloadBuffer | None = None
) -> PointCloud2:
    """A message of the records of :func:`pack_cloud`; ``buffer`` lends its memory."""
    height, width, count = fields.shape
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
        data=(buffer or PayloadBuffer()).fill(fields),
        is_dense=not organised,
    )
