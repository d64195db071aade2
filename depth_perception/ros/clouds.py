"""PointCloud2 messages, packed on the device of the prediction."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import Header
from torch import Tensor

from .buffers import PayloadBuffer


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
    points_m: Tensor, keep: Tensor, colours: Tensor | None, options: CloudOptions
) -> Tensor:
    """Records of a cloud: (H', W', F) float32 if organised, else (1, N, F).

    F is 3, or 4 with colours: the fourth holds the bits 0x00RRGGBB.

    Args:
        points_m: (H, W, 3) float32, metres.
        keep: (H, W) bool; points that are not finite are left out anyhow.
        colours: (H, W, 3) uint8 RGB.
        options: stride, order, range limits.
    """
    step = options.stride
    points, keep = points_m[::step, ::step], keep[::step, ::step]
    distance = points.norm(dim=-1)
    keep = keep & (distance >= options.min_range_m) & (distance <= options.max_range_m)
    fields = points.new_empty((*points.shape[:2], 3 if colours is None else 4))
    fields[..., :3] = torch.where(keep[..., None], points, torch.nan)
    if colours is not None:
        red, green, blue = colours[::step, ::step].to(torch.int32).unbind(-1)
        fields[..., 3] = (red << 16 | green << 8 | blue).view(torch.float32)
    return fields if options.organised else fields[keep & torch.isfinite(distance)][None]


def cloud_message(
    header: Header, fields: Tensor, organised: bool, buffer: PayloadBuffer | None = None
) -> PointCloud2:
    """A message of the records of :func:`pack_cloud`; ``buffer`` lends its memory."""
    height, width, count = fields.shape
    names = ("x", "y", "z", "rgb")[:count]
    return PointCloud2(
        header=header,
        height=height,
        width=width,
        fields=[
            PointField(name=name, offset=4 * k, datatype=PointField.FLOAT32, count=1)
            for k, name in enumerate(names)
        ],
        is_bigendian=False,
        point_step=4 * count,
        row_step=4 * count * width,
        data=(buffer or PayloadBuffer()).fill(fields),
        is_dense=not organised,
    )
