"""Pixel-Perfect Depth's five benchmarks: what counts in each, and the published way to judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from types import MappingProxyType

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from ..data.frames import PinholeFrame, PinholeReader
from ..data.photos import KITTI_CROP, bottom_centre_box
from ..geometry import Pinhole
from ..prediction import DepthSpace, Prediction
from ..systems import Estimator, PpdEstimator
from ..systems.moge.estimator import image_planes
from ..systems.ppd.flow import noise_field
from ..systems.ppd.input import ppd_size
from .evaluate import Estimate, Values
from .nyu_kitti import PhotoProtocol, crop_mask
from .relative import RelativeMetrics, aligned_metrics

ETH3D_SIZE = (1360, 2048)


@dataclass(frozen=True)
class JudgedFrame:
    """The part of a frame that a benchmark judges.

    Attributes:
        rgb: (3, H, W) uint8. depth_m: (H, W) float32 z-depth in metres.
        mask: (H, W) bool, pixels that count.
        camera: None where the data set does not say.
    """

    rgb: Tensor
    depth_m: Tensor
    mask: Tensor
    camera: Pinhole | None


def within(frame: PinholeFrame, low_m: float, high_m: float) -> JudgedFrame:
    """The whole frame; truth between the limits counts."""
    mask = (frame.depth_m > low_m) & (frame.depth_m < high_m)
    return JudgedFrame(frame.rgb, frame.depth_m, mask, frame.camera)


def part_of_rules(rules: PhotoProtocol) -> Callable[[PinholeFrame], JudgedFrame]:
    """What the rules of a data set let count: a crop of the frame, truth between two limits."""

    def part(frame: PinholeFrame) -> JudgedFrame:
        judged = within(frame, rules.min_depth_m, rules.max_depth_m)
        return replace(judged, mask=judged.mask & crop_mask(rules.crop, *frame.depth_m.shape))

    return part


def kitti_part(frame: PinholeFrame) -> JudgedFrame:
    """The lowest 352 rows and the middle 1216 columns; 0.1 to 80 m within the box of Eigen et al.

    Raises:
        ValueError: the frame is smaller.
    """
    top, bottom, left, right = bottom_centre_box(*frame.depth_m.shape, KITTI_CROP)
    part = (slice(top, bottom), slice(left, right))
    camera = frame.camera and frame.camera.crop(top, left, *KITTI_CROP)
    depth_m = frame.depth_m[part]
    mask = crop_mask("eigen", *KITTI_CROP) & (depth_m > 0.1) & (depth_m < 80)
    return JudgedFrame(frame.rgb[(slice(None), *part)], depth_m, mask, camera)


def eth3d_part(frame: PinholeFrame) -> JudgedFrame:
    """The frame shrunk to 2048 x 1360, the picture by area, the depth to the nearest pixel.

    Smaller frames stay as they are. Truth beyond 1 cm counts.
    """
    rgb, depth_m, camera = frame.rgb, frame.depth_m, frame.camera
    if depth_m.shape[0] > ETH3D_SIZE[0] and depth_m.shape[1] > ETH3D_SIZE[1]:
        depth_m = F.interpolate(depth_m[None, None], ETH3D_SIZE, mode="nearest")[0, 0]
        rgb = _area(rgb, ETH3D_SIZE)
        camera = camera and camera.resize(*ETH3D_SIZE)
    return JudgedFrame(rgb, depth_m, (depth_m > 0.01) & depth_m.isfinite(), camera)


BENCHMARK_PARTS: Mapping[str, Callable[[PinholeFrame], JudgedFrame]] = MappingProxyType(
    {
        "nyu": lambda frame: within(frame, 0.1, 10),
        "kitti": kitti_part,
        "eth3d": eth3d_part,
        "scannet": lambda frame: within(frame, 0.01, 10),
        "diode": lambda frame: within(frame, 0, math.inf),  # the reader knows the rule
    }
)
"""What counts in each benchmark."""

MOST_DEPTH_M: Mapping[str, float] = MappingProxyType(
    {"nyu": 10.0, "kitti": 80.0, "eth3d": 350.0, "scannet": 10.0, "diode": 350.0}
)
"""How far the truth of each benchmark goes at most."""

PUBLISHED: Mapping[str, Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "ppd-large": MappingProxyType(
            {
                "nyu": (0.041, 0.977),
                "kitti": (0.070, 0.955),
                "eth3d": (0.043, 0.980),
                "scannet": (0.046, 0.972),
                "diode": (0.068, 0.959),
            }
        ),
        "ppd-large-moge": MappingProxyType(
            {
                "nyu": (0.033, 0.982),
                "kitti": (0.053, 0.970),
                "eth3d": (0.030, 0.991),
                "scannet": (0.035, 0.981),
                "diode": (0.052, 0.970),
            }
        ),
    }
)
"""AbsRel and the share below 1.25 that the authors publish: model -> benchmark -> both."""


class AsRanges:
    """A benchmark for :func:`~depth_perception.evaluation.evaluate.evaluate`, which takes what is
    0 as unknown; its ``range_m`` is the z-depth of the pixels that count."""

    def __init__(
        self, reader: PinholeReader, part_of: Callable[[PinholeFrame], JudgedFrame]
    ) -> None:
        self._reader, self._part_of = reader, part_of

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> RangeFrame:
        part = self._part_of(self._reader[index])
        return RangeFrame(part.rgb, torch.where(part.mask, part.depth_m, 0))


@dataclass(frozen=True)
class RangeFrame:
    """rgb (3, H, W) uint8; range_m (H, W) float32 metres, 0 where nothing counts."""

    rgb: Tensor
    range_m: Tensor


LogDepth = Callable[[Tensor, Pinhole | None], Tensor]
"""Picture (H, W, 3) uint8 and camera to values (H, W), linear in log(depth + 1)."""


@dataclass(frozen=True)
class RelativeEvaluation:
    """The mean over the frames of a benchmark.

    Attributes:
        name: of what was judged.
        frames, skipped: frames that count, and frames without any pixel of truth.
        pixels: pixels that were compared.
        seconds: in the estimator, for all frames.
        metrics: plain mean over the frames.
    """

    name: str
    frames: int
    skipped: int
    pixels: int
    seconds: float
    metrics: RelativeMetrics


def evaluate_relative(
    name: str,
    estimate: LogDepth,
    reader: PinholeReader,
    part_of: Callable[[PinholeFrame], JudgedFrame],
    *,
    indices: Iterable[int] | None = None,
    seed: int = 0,
) -> RelativeEvaluation:
    """Judge an estimator after the published alignment of each frame to its truth.

    Args:
        name: for the report.
        estimate: see :func:`log_depth_of`.
        reader: the frames; ``indices`` picks some of them, None takes all.
        part_of: a value of :data:`BENCHMARK_PARTS`.
        seed: of the draws of the alignment.

    Raises:
        ValueError: no frame has truth, or a frame cannot be aligned.
    """
    found: list[RelativeMetrics] = []
    skipped = pixels = 0
    seconds = 0.0
    for index in range(len(reader)) if indices is None else indices:
        frame = part_of(reader[index])
        if not frame.mask.any():
            skipped += 1
            continue
        start = time.perf_counter()
        values = estimate(frame.rgb.permute(1, 2, 0).contiguous(), frame.camera)
        seconds += time.perf_counter() - start
        found.append(aligned_metrics(values, frame.depth_m, frame.mask, seed=seed))
        pixels += int(frame.mask.sum())
    if not found:
        raise ValueError("no image had a pixel with truth")
    sums = [sum(numbers) / len(found) for numbers in zip(*map(astuple, found), strict=True)]
    return RelativeEvaluation(name, len(found), skipped, pixels, seconds, RelativeMetrics(*sums))


def log_depth_of(estimator: Estimator) -> LogDepth:
    """What :func:`evaluate_relative` asks of a loaded model.

    Pixel-Perfect Depth sees the picture as its authors' evaluation shows it, resampled bilinearly
    to its area, and every pixel takes the nearest of its values. Other models run as usual.
    """
    if isinstance(estimator, PpdEstimator):
        return lambda image, _camera: _published_run(estimator, image)
    return lambda image, camera: _log_depth(estimator(image, camera))


def without_holes(estimate: Estimate) -> Estimate:
    """An estimate whose pixels without depth say the largest one, see :func:`filled`."""

    def whole(image: Tensor) -> Values:
        said = estimate(image)
        return replace(said, values=filled(said.values))

    return whole


def _published_run(estimator: PpdEstimator, image: Tensor) -> Tensor:
    options = estimator.options
    height, width = image.shape[:2]
    size = ppd_size(height, width, options.max_pixels)
    with torch.inference_mode():
        images = image_planes(image.to(estimator.device))
        images = F.interpolate(images, size, mode="bilinear", align_corners=False)
        noise = noise_field(*size, options.seed)
        precision = getattr(torch, options.precision)
        depth = estimator.network(images, noise, options.steps, precision=precision)
        return F.interpolate(depth, (height, width), mode="nearest")[0, 0].cpu()


def _log_depth(prediction: Prediction) -> Tensor:
    """Raises ValueError where the values are not linear in depth and of unknown shift."""
    if prediction.space is DepthSpace.LOG1P_DEPTH:
        return prediction.values.cpu()
    if not prediction.is_metric:
        raise ValueError(
            f"values of kind {prediction.space.value} with unknown scale cannot be aligned in "
            "log(depth + 1): take --protocol plain"
        )
    return filled(prediction.depth).clamp_min(0).log1p().cpu()


def filled(depth_m: Tensor) -> Tensor:
    """Depth (H, W) whose infinite values are the largest finite one, as the authors fill MoGe-2's.

    Raises:
        ValueError: nothing is finite.
    """
    finite = depth_m.isfinite()
    if not finite.any():
        raise ValueError("the model gives no depth for any pixel of a frame")
    return torch.where(finite, depth_m, depth_m[finite].max())


def _area(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """(3, H, W) uint8 shrunk by the mean over areas."""
    pixels = cv2.resize(rgb.permute(1, 2, 0).numpy(), size[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(pixels).permute(2, 0, 1)
