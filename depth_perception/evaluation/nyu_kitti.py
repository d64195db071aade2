"""Protocols of NYU, KITTI and related pinhole data sets: crops, ranges, ten metrics.

The conventions of monocular depth since Eigen et al. (NeurIPS 2014) and AdaBins, with the ranges
that ScaleDepth (arXiv 2407.08187) is published with. Predictions are not aligned unless stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from ..systems.scaledepth.config import NYU_FOCAL_PX
from .loop import EvaluationProtocol, Sample, Values
from .metrics import Metrics, photo_metrics, tensor_mean_of

Crop = Literal["none", "nyu", "eigen", "garg"]

_SHARES = {
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
}
_EIGEN_SIZE = (352, 1216)


@dataclass(frozen=True)
class PhotoProtocol(EvaluationProtocol):
    """Which pixels are scored, and what happens to the depth before it is compared.

    Attributes:
        min_depth_m, max_depth_m: ground truth at or beyond these is not scored.
        crop: see :func:`crop_box`.
        clamp: limit the prediction to the range.
        reference_focal_px: multiply the prediction by the focal length of the camera over this one.
        focal_px: that focal length, for data sets whose frames have no camera.
        median: scale each prediction by the medians of the scored pixels.
    """

    min_depth_m: float = 1e-3
    max_depth_m: float = 10.0
    crop: Crop = "none"
    clamp: bool = False
    reference_focal_px: float | None = None
    focal_px: float | None = None
    median: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_depth_m < self.max_depth_m:
            raise ValueError(
                f"min_depth_m must be below max_depth_m and not negative, got {self.min_depth_m} "
                f"and {self.max_depth_m}"
            )
        if self.crop not in ("none", "nyu", *_SHARES):
            raise ValueError(f"crop must be none, nyu, eigen or garg, not {self.crop}")

    def mask(self, ground_truth_m: Tensor) -> Tensor:
        """(H, W) bool, the pixels of a ground truth (H, W) that are scored; see
        :func:`crop_mask`."""
        mask = (ground_truth_m > self.min_depth_m) & (ground_truth_m < self.max_depth_m)
        return mask & self._crop_mask(*ground_truth_m.shape).to(mask.device)

    def metrics(
        self, depth_m: Tensor, ground_truth_m: Tensor, *, focal_px: float | None = None
    ) -> Metrics | None:
        """The ten metrics of one image; None where no pixel is scored.

        Both maps are (H, W) metres, the ground truth 0 where unknown. ``focal_px`` is needed
        with ``reference_focal_px``; ValueError without it, or see :meth:`mask`.
        """
        mask = self.mask(ground_truth_m)
        if not mask.any():
            return None
        if self.reference_focal_px is not None:
            focal_px = focal_px or self.focal_px
            if focal_px is None:
                raise ValueError("this protocol needs focal_px, the focal length of the camera")
            depth_m = depth_m * (focal_px / self.reference_focal_px)
        if self.median:
            depth_m = depth_m * (ground_truth_m[mask].median() / depth_m[mask].median())
        if self.clamp:
            depth_m = depth_m.clamp(self.min_depth_m, self.max_depth_m)
        return photo_metrics(depth_m[mask], ground_truth_m[mask])

    def sample(self, frame: Any) -> Sample:
        camera = getattr(frame, "camera", None)
        return Sample(frame.rgb, frame.depth_m, self.mask(frame.depth_m), camera, frame)

    def score(self, prediction: Values, sample: Sample) -> Metrics | None:
        focal_px = None if sample.camera is None else sample.camera.fx
        return self.metrics(prediction.values, sample.ground_truth, focal_px=focal_px)

    def mean(self, scores: Sequence[Metrics]) -> Metrics:
        return tensor_mean_of(scores)

    def _crop_mask(self, height: int, width: int) -> Tensor:
        return crop_mask(self.crop, height, width)


_INDOOR = PhotoProtocol(crop="nyu")
_OUTDOOR = PhotoProtocol(max_depth_m=80.0, crop="garg")
_CLAMPED_OUTDOOR = PhotoProtocol(max_depth_m=80.0, crop="garg", clamp=True)
PROTOCOLS = {
    "nyu": _INDOOR,
    "kitti": _OUTDOOR,
    "sunrgbd": PhotoProtocol(1e-3, 8.0, "nyu", clamp=True, reference_focal_px=NYU_FOCAL_PX),
    "ibims": _INDOOR,
    "diode-indoor": _INDOOR,
    "hypersim": PhotoProtocol(max_depth_m=80.0, crop="nyu"),
    "diode-outdoor": _OUTDOOR,
    "diml-outdoor": PhotoProtocol(min_depth_m=2.0, max_depth_m=80.0, crop="garg"),
    "ddad": _CLAMPED_OUTDOOR,
    "vkitti": _CLAMPED_OUTDOOR,
    "worlds": PhotoProtocol(max_depth_m=80.0),
}


def crop_box(crop: Crop, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the part of an image that is scored.

    ``nyu`` is rows 45 to 470 and columns 41 to 600 whatever the size; ``garg`` (Garg et al., ECCV
    2016) and ``eigen`` are shares of the image.
    """
    if crop == "none":
        return 0, height, 0, width
    if crop == "nyu":
        return 45, 471, 41, 601
    top, bottom, left, right = _SHARES[crop]
    return int(top * height), int(bottom * height), int(left * width), int(right * width)


def box_mask(box: tuple[int, int, int, int], height: int, width: int) -> Tensor:
    """(height, width) bool, true within a box."""
    top, bottom, left, right = box
    mask = torch.zeros((height, width), dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def crop_mask(crop: Crop, height: int, width: int) -> Tensor:
    """(height, width) bool, true within the crop; ValueError for an ``eigen`` crop of another
    size than 352 x 1216, which ScaleDepth keeps of KITTI."""
    if crop == "eigen" and (height, width) != _EIGEN_SIZE:
        raise ValueError(
            f"the eigen crop is for {_EIGEN_SIZE} (height, width), got {(height, width)}"
        )
    return box_mask(crop_box(crop, height, width), height, width)
