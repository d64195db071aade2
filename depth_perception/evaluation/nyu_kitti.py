"""How NYU, KITTI and related sets of pinhole pictures are judged: crops, ranges, ten numbers.

The conventions that monocular depth has kept since Eigen et al. (NeurIPS 2014) and AdaBins, with
the ranges that ScaleDepth (arXiv 2407.08187) is published with. No prediction is aligned.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from ..systems.scaledepth.config import NYU_FOCAL_PX

Crop = Literal["none", "nyu", "eigen", "garg"]

CROP_SHARES = {
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
}
"""Top, bottom, left and right border of the part of a KITTI picture that counts."""
_EIGEN_SIZE = (352, 1216)


@dataclass(frozen=True)
class PhotoMetrics:
    """The numbers of one image, or their mean over images.

    Attributes:
        d0_5, d1, d2, d3: share of pixels whose ratio to the truth is below 1.25 to the power of
            0.5, 1, 2, 3.
        abs_rel: mean absolute error relative to the truth. sq_rel: mean squared one, metres.
        rmse: root mean square error, metres. rmse_log: of natural logarithms.
        log10: mean absolute difference of base-10 logarithms.
        silog: deviation of the natural log error around its mean, times 100.
    """

    d0_5: float
    d1: float
    d2: float
    d3: float
    abs_rel: float
    sq_rel: float
    rmse: float
    rmse_log: float
    log10: float
    silog: float


@dataclass(frozen=True)
class PhotoProtocol:
    """Which pixels count, and what happens to the depth before it is compared.

    Attributes:
        min_depth_m, max_depth_m: truth at or beyond these does not count.
        crop: see :func:`crop_mask`.
        clamp: bring the prediction into the range.
        reference_focal_px: multiply the prediction by the focal length of the camera over this one.
    """

    min_depth_m: float = 1e-3
    max_depth_m: float = 10.0
    crop: Crop = "none"
    clamp: bool = False
    reference_focal_px: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.min_depth_m < self.max_depth_m:
            raise ValueError(
                f"depth must count from a smaller to a larger value, got {self.min_depth_m} to "
                f"{self.max_depth_m} m"
            )

    def judge(
        self, depth_m: Tensor, truth_m: Tensor, *, focal_px: float | None = None
    ) -> tuple[PhotoMetrics, int] | None:
        """The numbers of one image, and how many pixels they are of.

        Args:
            depth_m, truth_m: (H, W) metres, the truth 0 where unknown.
            focal_px: of the camera, needed with ``reference_focal_px``.

        Returns:
            None where no pixel counts.

        Raises:
            ValueError: the focal length is missing, or the image has not the size of the crop.
        """
        if self.reference_focal_px is not None:
            if focal_px is None:
                raise ValueError("this protocol needs focal_px, the focal length of the camera")
            depth_m = depth_m * (focal_px / self.reference_focal_px)
        limits = (self.min_depth_m, self.max_depth_m)
        if self.clamp:
            depth_m = depth_m.clamp(*limits)
        mask = (truth_m > self.min_depth_m) & (truth_m < self.max_depth_m)
        mask &= crop_mask(self.crop, *truth_m.shape).to(mask.device)
        count = int(mask.sum())
        return (photo_metrics(depth_m[mask], truth_m[mask]), count) if count else None


_INDOOR = PhotoProtocol(crop="nyu")
_OUTDOOR = PhotoProtocol(max_depth_m=80.0, crop="garg")
PROTOCOLS = {
    "nyu": _INDOOR,
    "kitti": _OUTDOOR,
    "sunrgbd": PhotoProtocol(
        max_depth_m=8.0,
        crop="nyu",
        clamp=True,
        reference_focal_px=NYU_FOCAL_PX,
    ),
    "ibims": _INDOOR,
    "diode-indoor": _INDOOR,
    "hypersim": PhotoProtocol(max_depth_m=80.0, crop="nyu"),
    "diode-outdoor": _OUTDOOR,
    "diml-outdoor": PhotoProtocol(min_depth_m=2.0, max_depth_m=80.0, crop="garg"),
    "ddad": PhotoProtocol(max_depth_m=80.0, crop="garg", clamp=True),
    "vkitti": PhotoProtocol(max_depth_m=80.0, crop="garg", clamp=True),
    "worlds": PhotoProtocol(max_depth_m=80.0),
}


def crop_mask(crop: Crop, height: int, width: int) -> Tensor:
    """(height, width) bool, true where pixels count.

    ``nyu`` are rows 45 to 470 and columns 41 to 600 whatever the size, ``garg`` (Garg et al., ECCV
    2016) a share of the image, ``eigen`` a part of KITTI at 352 x 1216.

    Raises:
        ValueError: an ``eigen`` crop of another size.
    """
    mask = torch.zeros((height, width), dtype=torch.bool)
    if crop == "none":
        return ~mask
    if crop == "nyu":
        mask[45:471, 41:601] = True
        return mask
    if crop == "eigen" and (height, width) != _EIGEN_SIZE:
        raise ValueError(f"the eigen crop is for {_EIGEN_SIZE} (height, width), got {mask.shape}")
    top, bottom, left, right = CROP_SHARES[crop]
    mask[int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return mask


def photo_metrics(depth_m: Tensor, truth_m: Tensor) -> PhotoMetrics:
    """Compare flat vectors of positive depth.

    Raises:
        ValueError: no pixels, or shapes differ.
    """
    if truth_m.numel() == 0 or truth_m.shape != depth_m.shape:
        raise ValueError(f"cannot compare {tuple(depth_m.shape)} with {tuple(truth_m.shape)}")
    depth, truth = depth_m.double(), truth_m.double()
    ratio = torch.maximum(truth / depth, depth / truth)
    error, logs = depth - truth, depth.log() - truth.log()
    numbers = (
        *((ratio < 1.25**power).double().mean() for power in (0.5, 1, 2, 3)),
        (error.abs() / truth).mean(),
        (error.square() / truth).mean(),
        error.square().mean().sqrt(),
        logs.square().mean().sqrt(),
        (depth.log10() - truth.log10()).abs().mean(),
        100 * (logs.square().mean() - logs.mean().square()).clamp_min(0).sqrt(),
    )
    return PhotoMetrics(*torch.stack(numbers).tolist())


def photo_metric_names() -> tuple[str, ...]:
    """Names of the ten numbers in order."""
    return tuple(field.name for field in fields(PhotoMetrics))
