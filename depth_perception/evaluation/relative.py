"""The protocol of Pixel-Perfect Depth: relative depth, aligned to the ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.frames import PinholeFrame
from ..prediction import DepthSpace
from ..systems import Estimator, PpdEstimator
from ..systems.moge.estimator import image_planes
from ..systems.ppd.flow import noise_field
from ..systems.ppd.input import ppd_size
from ..systems.ppd.published_alignment import apply_ransac, fit_ransac
from .loop import EvaluationProtocol, Predict, Sample, Values, filled
from .metrics import Metrics

_TINY = 1e-5
_LEAST_GROUND_TRUTH_M = 1e-3


@dataclass(frozen=True)
class RelativeProtocol(EvaluationProtocol):
    """Five metrics after the published alignment of each frame to its ground truth.

    Attributes:
        part_of: the part of a frame that is scored, one of :data:`.pinhole.BENCHMARK_PARTS`.
        seed: of the draws of the alignment.
    """

    part_of: Callable[[PinholeFrame], Sample]
    seed: int = 0

    def sample(self, frame: PinholeFrame) -> Sample:
        return self.part_of(frame)

    def score(self, prediction: Values, sample: Sample) -> Metrics:
        """Metrics of values that are linear in log(depth + 1)."""
        target, mask = sample.ground_truth, sample.mask
        return aligned_metrics(prediction.values, target, mask, seed=self.seed)


def relative_metrics(depth_m: Tensor, ground_truth_m: Tensor, mask: Tensor) -> Metrics:
    """d0_5, d1, d2, d3 and abs_rel within the mask of tensors of one shape; ValueError if it is
    empty."""
    depth, target = depth_m[mask].double(), ground_truth_m[mask].double()
    if depth.numel() == 0:
        raise ValueError("no pixel has ground truth to compare with")
    ratio = torch.maximum(target / (depth + _TINY), depth / (target + _TINY))
    powers = {"d0_5": 0.5, "d1": 1, "d2": 2, "d3": 3}
    shares = {name: float((ratio < 1.25**p).double().mean()) for name, p in powers.items()}
    return {**shares, "abs_rel": float(((target - depth).abs() / (target + _TINY)).mean())}


def aligned_metrics(
    values: Tensor, ground_truth_m: Tensor, mask: Tensor, *, seed: int = 0
) -> Metrics:
    """Compare relative depth with ground truth after the published fit in log(depth + 1).

    Ground truth is in metres, 0 where unknown; the bool mask has the pixels of the benchmark; all
    have the same shape. The fit draws by ``seed``. Raises ValueError: too few pixels to align.
    """
    known = mask & (ground_truth_m > _LEAST_GROUND_TRUTH_M)
    fit = fit_ransac(values, ground_truth_m, known, seed=seed)
    aligned = apply_ransac(fit, values, ground_truth_m, known)
    return relative_metrics(aligned, ground_truth_m, known)


def predict_log_depth(estimator: Estimator) -> Predict:
    """Values of any model that are linear in log(depth + 1)."""

    def predict(sample: Sample) -> Values:
        prediction, space = estimator(sample.image, sample.camera), DepthSpace.LOG1P_DEPTH
        if prediction.space is space:
            return Values(prediction.values.cpu(), space)
        if not prediction.is_metric:
            raise ValueError(
                f"values of kind {prediction.space.value} with unknown scale cannot be aligned in "
                "log(depth + 1): take --protocol plain"
            )
        return Values(space.from_depth(filled(prediction.depth).clamp_min(0)).cpu(), space)

    return predict


def predict_as_published(estimator: PpdEstimator) -> Predict:
    """Pixel-Perfect Depth on the image as in its authors' evaluation.

    It is resampled bilinearly to the area of the network input, and every pixel takes the nearest
    of the values.
    """

    @torch.inference_mode()
    def predict(sample: Sample) -> Values:
        options, image = estimator.options, sample.image
        height, width = image.shape[:2]
        size = ppd_size(height, width, options.max_pixels)
        images = image_planes(image.to(estimator.device))
        images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        noise = noise_field(*size, options.seed)
        precision = getattr(torch, options.precision)
        depth = estimator.network(images, noise, options.steps, precision=precision)
        depth = F.interpolate(depth, (height, width), mode="nearest")[0, 0]
        return Values(depth.cpu(), DepthSpace.LOG1P_DEPTH)

    return predict
