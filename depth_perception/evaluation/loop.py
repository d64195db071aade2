"""The evaluation loop: frames in, a prediction for each, a protocol that scores it, one result."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ..data.frames import Reader
from ..geometry import Pinhole
from ..prediction import DepthSpace
from .metrics import Metrics, mean_of


@dataclass(frozen=True)
class Values:
    """A predicted map (H, W), float32, in a depth space, before any alignment."""

    values: Tensor
    space: DepthSpace = DepthSpace.DEPTH


@dataclass(frozen=True, eq=False)
class Sample:
    """The part of a frame that a protocol scores.

    Attributes:
        rgb: (3, H, W) uint8.
        ground_truth: (H, W) float32 metres: range of panoramas, z-depth of pinhole images.
        mask: (H, W) bool, pixels that are scored.
        camera: None where the data set has none.
        frame: the frame of the reader.
    """

    rgb: Tensor
    ground_truth: Tensor
    mask: Tensor
    camera: Pinhole | None = None
    frame: Any = None

    @property
    def image(self) -> Tensor:
        """(H, W, 3) uint8, as estimators take it."""
        return self.rgb.permute(1, 2, 0).contiguous()


Predict = Callable[[Sample], Any]
"""From a sample to what its protocol scores: :class:`Values`, or a prediction with segments."""


class EvaluationProtocol(ABC):
    """What is scored in a frame, how, and how the scores become the result of a data set.

    Protocols are dataclasses; their plain fields are listed in documents.
    """

    @abstractmethod
    def sample(self, frame: Any) -> Sample:
        """The part of a frame that is scored; a frame with an empty mask is skipped."""

    @abstractmethod
    def score(self, prediction: Any, sample: Sample) -> Any:
        """The score of one frame, as :meth:`mean` takes it."""

    def mean(self, scores: Sequence[Any]) -> Any:
        """The result of all frames, by default the plain mean of their metrics."""
        return mean_of(scores)

    @property
    def rules(self) -> dict[str, Any]:
        """The plain fields by name, for documents."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}  # type: ignore[arg-type]
        return {k: v for k, v in values.items() if v is None or isinstance(v, (str, int, float))}


@dataclass(frozen=True)
class Evaluation:
    """The result of one model on one data set.

    Attributes:
        name: of the model.
        frames, skipped: frames that were scored, and frames without ground truth.
        pixels: pixels that were compared.
        seconds: in the estimator, for all scored frames.
        metrics: result of the protocol, by default the plain mean over the frames.
        groups: results of parts of the data set: label, frames, metrics.
    """

    name: str
    frames: int
    skipped: int
    pixels: int
    seconds: float
    metrics: Any
    groups: tuple[tuple[str, int, Metrics], ...] = ()


def evaluate(
    name: str,
    predict: Predict,
    reader: Reader[Any],
    protocol: EvaluationProtocol,
    *,
    indices: Iterable[int] | None = None,
    groups: Sequence[str] | None = None,
) -> Evaluation:
    """Score the predictions of a model, named for the report, on the frames of a data set.

    Only the frames ``indices`` are scored; None takes all. ``groups`` labels every frame of the
    reader, to report each label separately too. Raises ValueError: no frame has ground truth
    that counts.
    """
    scores: list[Any] = []
    labels: list[str] = []
    skipped = pixels = 0
    seconds = 0.0
    for index in range(len(reader)) if indices is None else indices:
        sample = protocol.sample(reader[index])
        count = int(sample.mask.sum())
        if count == 0:
            skipped += 1
            continue
        start = time.perf_counter()
        prediction = predict(sample)
        seconds += time.perf_counter() - start
        scores.append(protocol.score(prediction, sample))
        pixels += count
        if groups is not None:
            labels.append(groups[index])
    if not scores:
        raise ValueError(f"none of {skipped} frames has ground truth that counts")
    parts = []
    for label in sorted(set(labels)):
        rows = [score for score, other in zip(scores, labels, strict=True) if other == label]
        parts.append((label, len(rows), protocol.mean(rows)))
    result = protocol.mean(scores)
    return Evaluation(name, len(scores), skipped, pixels, seconds, result, tuple(parts))


def filled(depth_m: Tensor) -> Tensor:
    """Depth (H, W) whose infinite values are replaced by the largest finite one, as the authors
    of Pixel-Perfect Depth fill the maps of MoGe-2. Raises ValueError: no value is finite."""
    finite = depth_m.isfinite()
    if not finite.any():
        raise ValueError("the model gives no depth for any pixel of a frame")
    return torch.where(finite, depth_m, depth_m[finite].max())
