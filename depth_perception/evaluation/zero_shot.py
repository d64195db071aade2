"""How ScaleDepth is judged on data sets that it has not seen: which rules, which size it sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.benchmarks import BenchmarkFrame
from ..data.frames import PinholeReader
from ..data.photos import KITTI_CROP, bottom_centre_box
from ..systems import Estimator
from ..systems.scaledepth.windows import fitted_size, scaledepth_input
from .pinhole import filled

View = Literal["own", "long side", "square", "wide", "kitti"]
_LONG_SIDE, _WIDE = 480, (352, 1120)


@dataclass(frozen=True)
class ZeroShot:
    """One data set.

    Attributes:
        rules: name of its rules among :data:`~.nyu_kitti.PROTOCOLS`.
        view: what the network sees: the picture as it is, with a long side of 480, squashed to
            480 x 480 or 352 x 1120, or KITTI's crop of it (the truth is cropped as well).
    """

    rules: str
    view: View


ZERO_SHOT: Mapping[str, ZeroShot] = MappingProxyType(
    {
        "sunrgbd": ZeroShot("sunrgbd", "own"),
        "ibims": ZeroShot("ibims", "long side"),
        "diode-indoor": ZeroShot("diode-indoor", "long side"),
        "hypersim-list": ZeroShot("hypersim", "long side"),
        "diode-outdoor": ZeroShot("diode-outdoor", "square"),
        "diml": ZeroShot("diml-outdoor", "own"),
        "ddad": ZeroShot("ddad", "wide"),
        "vkitti2": ZeroShot("vkitti", "kitti"),
    }
)


class Viewed:
    """A reader whose frames are those parts that count.

    Raises:
        ValueError: on reading, a picture is smaller than KITTI's crop of it.
    """

    def __init__(self, reader: PinholeReader, view: View) -> None:
        self._reader, self._view = reader, view

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> BenchmarkFrame:
        frame = self._reader[index]
        if self._view != "kitti":
            return frame
        top, bottom, left, right = bottom_centre_box(*frame.depth_m.shape, KITTI_CROP)
        camera = frame.camera and frame.camera.crop(top, left, *KITTI_CROP)
        rgb, depth_m = frame.rgb[:, top:bottom, left:right], frame.depth_m[top:bottom, left:right]
        return BenchmarkFrame(rgb, depth_m, camera, frame.name)


def seen_size(view: View, height: int, width: int) -> tuple[int, int]:
    """Size (height, width) at which the network sees a picture."""
    if view == "long side":
        return fitted_size(height, width, _LONG_SIDE, _LONG_SIDE)
    if view == "square":
        return (_LONG_SIDE, _LONG_SIDE)
    return _WIDE if view == "wide" else (height, width)


def depth_as_seen(estimator: Estimator, rgb: Tensor, view: View) -> Tensor:
    """Z-depth (H, W) in metres of a picture (3, H, W) uint8 that ScaleDepth sees at that size.

    It is brought back to the size of the picture bilinearly.
    """
    size = tuple(int(n) for n in rgb.shape[1:])
    seen = seen_size(view, *size)
    picture = scaledepth_input(rgb.permute(1, 2, 0), seen)[0].to(torch.uint8)
    twin = estimator.with_options(height=seen[0])
    depth_m = filled(twin(picture.permute(1, 2, 0).contiguous()).depth)[None, None]
    if seen != size:
        depth_m = F.interpolate(depth_m, size, mode="bilinear", align_corners=False)
    return depth_m[0, 0]
