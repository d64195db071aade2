"""The plain protocol: nine metrics, any alignment, panoramas and pinhole images alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ..data.frames import FrameReader
from ..geometry import Equirectangular, Pinhole
from ..systems import Estimator, EstimatorOptions, build_network, card, estimator_class, options_of
from .alignment import Alignment, aligned_depth
from .loop import EvaluationProtocol, Predict, Sample, Values, filled
from .metrics import Metrics, depth_metrics

_LEAST_M = 1e-3


@dataclass(frozen=True)
class PlainProtocol(EvaluationProtocol):
    """See :func:`~depth_perception.evaluation.metrics.depth_metrics`.

    Attributes:
        max_depth_m: ground truth farther than this is not scored, nor is sky.
        alignment: of each prediction to the ground truth of its frame.
        solid_angle: weigh pixels by the part of the sphere that they see, so that the poles of a
            panorama do not count too much. The published numbers do not.
        clamp: limit predictions to 1 mm .. ``max_depth_m`` after the alignment.
        strict: see :func:`~depth_perception.evaluation.metrics.depth_metrics`.
        part_of: the part of a frame that is scored; None takes the whole frame of a panorama.
    """

    max_depth_m: float = 20.0
    alignment: Alignment = Alignment.NONE
    solid_angle: bool = False
    clamp: bool = False
    strict: bool = True
    part_of: Callable[[Any], Sample] | None = None

    def sample(self, frame: Any) -> Sample:
        if self.part_of is None:
            return range_sample(frame, self.max_depth_m)
        part = self.part_of(frame)
        mask = part.mask & (part.ground_truth > 0) & (part.ground_truth <= self.max_depth_m)
        return replace(part, ground_truth=torch.where(part.mask, part.ground_truth, 0), mask=mask)

    def score(self, prediction: Values, sample: Sample) -> Metrics:
        target, mask = sample.ground_truth, sample.mask
        depth = aligned_depth(prediction, target, mask, self.alignment, self.max_depth_m)
        if self.clamp:
            depth = depth.clamp(_LEAST_M, self.max_depth_m)
        weights = None
        if self.solid_angle:
            weights = Equirectangular(*mask.shape).solid_angles().expand(mask.shape)[mask]
        return depth_metrics(target[mask], depth[mask], weights, self.strict)


def range_sample(frame: Any, max_depth_m: float) -> Sample:
    """A whole panorama, scored where its range is known and at most ``max_depth_m``."""
    mask = (frame.range_m > 0) & (frame.range_m <= max_depth_m)
    return Sample(frame.rgb, frame.range_m, mask, frame=frame)


def predict_values(
    estimator: Estimator,
    alignment: Alignment,
    *,
    fill_holes: bool = False,
    with_camera: bool = False,
    focal_px: float | None = None,
) -> Predict:
    """The predictions of a loaded model for depth protocols.

    A model that takes the height of the camera is told it where the data set knows it.

    Without a fit of scale and shift it returns metres and so raises what
    :attr:`Prediction.depth` raises for a model that has none. The estimator must return maps of
    the size of its input.

    Args:
        fill_holes: see :func:`~.loop.filled`.
        with_camera: give the camera of the data set to the estimator.
        focal_px: give a camera with this focal length instead.
    """

    def predict(sample: Sample) -> Values:
        camera = sample.camera if with_camera else None
        if focal_px is not None:
            height, width = sample.rgb.shape[1:]
            camera = Pinhole(height, width, focal_px, focal_px, width / 2, height / 2)
        known = for_camera_height(estimator, getattr(sample.frame, "camera_height_m", None))
        prediction = known(sample.image, camera)
        if alignment is Alignment.SCALE_SHIFT:
            found = Values(prediction.values.cpu(), prediction.space)
        else:
            found = Values(prediction.depth.cpu())
        return replace(found, values=filled(found.values)) if fill_holes else found

    return predict


def for_camera_height(estimator: Estimator, camera_height_m: float | None) -> Estimator:
    """The estimator for a height of the camera, if it is known and the model takes it."""
    if camera_height_m is None or not hasattr(estimator.options, "camera_height_m"):
        return estimator
    return estimator.with_options(camera_height_m=camera_height_m)


def constant(depth_m: float) -> Predict:
    """A baseline: the same depth everywhere. Raises ValueError: the depth is not positive."""
    if not depth_m > 0:
        raise ValueError(f"the constant depth must be positive, got {depth_m} m")
    return lambda sample: Values(torch.full(sample.rgb.shape[1:], float(depth_m)))


def median_depth_m(reader: FrameReader, max_depth_m: float) -> float:
    """Median range, to 1 cm, of all pixels of a data set with ground truth up to
    ``max_depth_m``. Raises ValueError: there are none."""
    counts = torch.zeros(int(100 * max_depth_m) + 1, dtype=torch.int64)
    for index in range(len(reader)):
        range_m: Tensor = reader[index].range_m
        valid = range_m[(range_m > 0) & (range_m <= max_depth_m)]
        counts += torch.bincount((100 * valid).long(), minlength=len(counts))
    if counts.sum() == 0:
        raise ValueError(f"no pixel has ground truth up to {max_depth_m} m")
    half = (counts.sum() + 1) // 2
    return (int(torch.searchsorted(counts.cumsum(0), half)) + 0.5) / 100


def untrained(
    name: str,
    seed: int,
    device: torch.device | str = "cpu",
    options: EstimatorOptions | None = None,
) -> Estimator:
    """A baseline: the network of a model with random parameters; ``options`` as for the model.

    Without options results have the size of the image, as that of the ground truth.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(name)
    options = options or options_of(name)(output_size="input")
    return estimator_class(name)(card(name), network, device=device, options=options)
