"""Real images, one by one: as they are, scaled by the median, and beside a constant."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ..data.reality import RealFrame
from ..systems import Estimator
from .plain import for_camera_height
from .report import Sheet

_HEADER = ("image", "AbsRel", "δ<1.25", "factor", "AbsRel, scaled", "δ<1.25, scaled")
_HEADER += ("AbsRel, constant", "δ<1.25, constant", "compared")


@dataclass(frozen=True)
class RealScore:
    """Errors of one image, or their mean.

    Attributes:
        name: of the image.
        metric: mean relative error and share of pixels less than 1.25 times off, as predicted; NaN
            where the ground truth has no scale.
        factor: median ratio of ground truth and prediction.
        scaled: the errors after multiplication by it.
        constant: the errors of a constant, the median of the ground truth.
        compared: share of the pixels with ground truth that have a prediction.
    """

    name: str
    metric: tuple[float, float]
    factor: float
    scaled: tuple[float, float]
    constant: tuple[float, float]
    compared: float

    @property
    def cells(self) -> tuple[str, ...]:
        """Texts of a row of the table."""
        numbers = (*self.metric, self.factor, *self.scaled, *self.constant, self.compared)
        return (self.name, *("-" if math.isnan(x) else f"{x:.3f}" for x in numbers))


def score_real(
    estimator: Estimator,
    frames: Any,
    max_depth_m: float,
    track: Callable[[int], Iterable[int]] = range,
) -> list[RealScore]:
    """The score of each frame with ground truth up to ``max_depth_m``.

    Every pixel counts alike, whether its prediction is valid or not. A model that takes the height
    of the camera is told it where it is known. Raises ValueError: no frame can be compared.
    """
    scores = []
    for index in track(len(frames)):
        frame: RealFrame = frames[index]
        known = for_camera_height(estimator, frame.camera_height_m)
        prediction = known(frame.rgb.permute(1, 2, 0).contiguous(), frame.camera)
        score = _score(frame, prediction.depth.cpu(), max_depth_m)
        if score is not None:
            scores.append(score)
    if not scores:
        raise ValueError(f"no image has ground truth up to {max_depth_m:g} m")
    return scores


def _score(frame: RealFrame, depth: Tensor, max_depth_m: float) -> RealScore | None:
    truth = frame.depth_m.double()
    depth = interpolate(depth[None, None].double(), tuple(truth.shape), mode="nearest-exact")[0, 0]
    counted = (truth > 0) & (truth <= max_depth_m)
    both = counted & depth.isfinite() & (depth > 0)
    if not both.any():
        return None
    truth, depth = truth[both], depth[both]
    factor = (truth / depth).median()
    return RealScore(
        frame.name,
        _errors(depth, truth) if frame.is_metric else (math.nan, math.nan),
        float(factor),
        _errors(factor * depth, truth),
        _errors(truth.median().expand_as(truth), truth),
        float(both.sum() / counted.sum()),
    )


def _errors(depth: Tensor, truth: Tensor) -> tuple[float, float]:
    ratio = depth / truth
    near = torch.maximum(ratio, 1 / ratio) < 1.25
    return float((ratio - 1).abs().mean()), float(near.double().mean())


def real_sheet(scores: list[RealScore]) -> Sheet:
    """One row for each image, and their mean."""

    def mean(values: Iterable[float]) -> float:
        return float(torch.tensor(list(values), dtype=torch.float64).nanmean())

    def means(name: str) -> tuple[float, float]:
        first, second = zip(*(getattr(s, name) for s in scores), strict=True)
        return mean(first), mean(second)

    total = RealScore(
        f"mean of {len(scores)}",
        means("metric"),
        math.nan,
        means("scaled"),
        means("constant"),
        mean(s.compared for s in scores),
    )
    return Sheet(_HEADER, tuple(score.cells for score in (*scores, total)))
