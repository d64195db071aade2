"""The data sets on which ScaleDepth is evaluated without training: protocol and input size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from ..systems import Estimator
from ..systems.scaledepth.windows import fitted_size, scaledepth_input
from .loop import Predict, Sample, Values, filled
from .nyu_kitti import PROTOCOLS, PhotoProtocol
from .pinhole import kitti_crop

View = Literal["own", "long side", "square", "wide", "kitti"]
_LONG_SIDE, _WIDE = 480, (352, 1120)


@dataclass(frozen=True)
class ZeroShot:
    """One data set.

    Attributes:
        rules: name of its protocol among :data:`~.nyu_kitti.PROTOCOLS`.
        view: what the network gets: the image at its own size, with a long side of 480, squashed to
            480 x 480 or 352 x 1120, or KITTI's crop of it (the ground truth is cropped as well).
    """

    rules: str
    view: View


ZERO_SHOT: Mapping[str, ZeroShot] = {
    "sunrgbd": ZeroShot("sunrgbd", "own"),
    "ibims": ZeroShot("ibims", "long side"),
    "diode-indoor": ZeroShot("diode-indoor", "long side"),
    "hypersim-list": ZeroShot("hypersim", "long side"),
    "diode-outdoor": ZeroShot("diode-outdoor", "square"),
    "diml": ZeroShot("diml-outdoor", "own"),
    "ddad": ZeroShot("ddad", "wide"),
    "vkitti2": ZeroShot("vkitti", "kitti"),
}


@dataclass(frozen=True)
class ZeroShotProtocol(PhotoProtocol):
    """The protocol of a data set, on the part of a frame that its view keeps."""

    view: View = "own"

    @classmethod
    def of(cls, dataset: str) -> ZeroShotProtocol:
        """The protocol of a data set of :data:`ZERO_SHOT`."""
        rules = PROTOCOLS[ZERO_SHOT[dataset].rules]
        return cls(**vars(rules), view=ZERO_SHOT[dataset].view)

    def sample(self, frame: Any) -> Sample:
        if self.view != "kitti":
            return super().sample(frame)
        cropped = kitti_crop(frame)
        return replace(cropped, mask=self.mask(cropped.ground_truth))


def seen_size(view: View, height: int, width: int) -> tuple[int, int]:
    """Size (height, width) at which the network gets an image."""
    if view == "long side":
        return fitted_size(height, width, _LONG_SIDE, _LONG_SIDE)
    if view == "square":
        return (_LONG_SIDE, _LONG_SIDE)
    return _WIDE if view == "wide" else (height, width)


def predict_as_published(estimator: Estimator, dataset: str) -> Predict:
    """ScaleDepth on images at the size of its authors' evaluation."""
    view = ZERO_SHOT[dataset].view
    return lambda sample: Values(depth_as_seen(estimator, sample.rgb, view).cpu())


def depth_as_seen(estimator: Estimator, rgb: Tensor, view: View) -> Tensor:
    """Z-depth (H, W) in metres of an image (3, H, W) uint8 that ScaleDepth gets at that size.

    The depth is resized to the image bilinearly.
    """
    size = tuple(int(n) for n in rgb.shape[1:])
    seen = seen_size(view, *size)
    image = scaledepth_input(rgb.permute(1, 2, 0), seen)[0].to(torch.uint8)
    twin = estimator.with_options(height=seen[0])
    depth_m = filled(twin(image.permute(1, 2, 0).contiguous()).depth)[None, None]
    if seen != size:
        depth_m = F.interpolate(depth_m, size, mode="bilinear", align_corners=False)
    return depth_m[0, 0]
