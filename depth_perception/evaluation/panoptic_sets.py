"""Data sets with panoptic labels, and a model judged on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from ..data.cityscapes import CityscapesPanoptic
from ..data.dvps import CityscapesDvps, SemKittiDvps
from ..data.panoptic import PanopticFrame, PanopticReader
from ..geometry import Pinhole
from ..prediction import Prediction
from ..segment_classes import CITYSCAPES
from ..systems.panopticdepth.estimator import PanopticDepthEstimator
from .panoptic import CITYSCAPES_DVPS, CITYSCAPES_PQ, SEMKITTI_DVPS, PanopticRules
from .panoptic_score import JudgedFrame, PanopticJudge, PanopticScore

_CITYSCAPES = tuple(entry.name for entry in CITYSCAPES)


@dataclass(frozen=True)
class PanopticBenchmark:
    """A data set and its rules.

    Attributes:
        open: reads a split of a folder.
        rules: by which is counted.
        names: of the classes that count, by number.
        synonyms: what models call a class -> what it is here.
        has_depth: whether it knows distances; without, there is no DPQ.
        one_video: windows reach over all frames of a split; otherwise over those of a sequence.
    """

    open: Callable[[str | Path, str], PanopticReader]
    rules: PanopticRules
    names: tuple[str, ...] = _CITYSCAPES
    synonyms: Mapping[str, str] = field(default_factory=dict)
    one_video: bool = False
    has_depth: bool = True

    def numbers(self, classes: Sequence[str]) -> tuple[int | None, ...]:
        """The number here of each class of a model; None where the data set has no such class."""
        here = {name: number for number, name in enumerate(self.names)}
        return tuple(here.get(self.synonyms.get(name, name)) for name in classes)

    def never_found(self, classes: Sequence[str]) -> tuple[str, ...]:
        """What counts here but the model has no class for."""
        known = set(self.numbers(classes))
        return tuple(name for number, name in enumerate(self.names) if number not in known)


PANOPTIC_BENCHMARKS: Mapping[str, PanopticBenchmark] = MappingProxyType(
    {
        "cityscapes": PanopticBenchmark(CityscapesPanoptic, CITYSCAPES_PQ, has_depth=False),
        "cityscapes-dvps": PanopticBenchmark(CityscapesDvps, CITYSCAPES_DVPS),
        "semkitti-dvps": PanopticBenchmark(
            SemKittiDvps,
            SEMKITTI_DVPS,
            (
                *("car", "bicycle", "motorcycle", "truck", "other-vehicle", "person"),
                *("bicyclist", "motorcyclist", "road", "parking", "sidewalk", "other-ground"),
                *("building", "fence", "vegetation", "trunk", "terrain", "pole", "traffic-sign"),
            ),
            {
                "traffic sign": "traffic-sign",
                "rider": "bicyclist",
                "bus": "other-vehicle",
                "train": "other-vehicle",
            },
            one_video=True,
        ),
    }
)
"""By name. SemanticKITTI's classes (arXiv 1904.01416) are counted without the unlabelled one."""


@dataclass(frozen=True)
class PanopticEvaluation:
    """A model on a data set.

    Attributes:
        seconds: in the estimator, for all frames.
    """

    name: str
    score: PanopticScore
    seconds: float


def evaluate_panoptic(
    name: str,
    estimator: PanopticDepthEstimator,
    reader: PanopticReader,
    benchmark: PanopticBenchmark,
    *,
    windows: Sequence[int] = (1,),
    indices: Iterable[int] | None = None,
) -> PanopticEvaluation:
    """Judge what an estimator finds in the frames of a data set.

    Args:
        name: for the report.
        windows: see :class:`~.panoptic_score.PanopticJudge`; objects count as found in several
            frames only where the model gives them the same number.
        indices: which frames, in order; None takes all.

    Raises:
        ValueError: there are no frames, or no video is as long as a window.
    """
    rules, numbers = benchmark.rules, benchmark.numbers(estimator.class_names)
    has_depth = estimator.card.has_depth and benchmark.has_depth
    judge = PanopticJudge(rules, depth=has_depth, windows=windows)
    rows, seconds = [], 0.0
    for index in range(len(reader)) if indices is None else indices:
        frame = reader[index]
        start = time.perf_counter()
        prediction = estimator(frame.rgb.permute(1, 2, 0).contiguous(), _camera(frame))
        segments = segment_map(prediction, numbers, rules).cpu()
        seconds += time.perf_counter() - start
        judged = JudgedFrame(
            segments,
            frame.segments(rules.divisor, rules.ignored_class),
            prediction.values.cpu() if has_depth else None,
            frame.depth_m,
            frame.crowd_segments(rules.divisor),
        )
        video = "" if benchmark.one_video else frame.name.partition("_")[0]
        rows.append(judge.row(judged, video))
    if not rows:
        raise ValueError("there are no frames to judge by")
    score = PanopticScore.of(rows, rules)
    if short := sorted(set(windows) - set(score.windows)):
        raise ValueError(f"no video has {short[0]} successive frames for a window")
    return PanopticEvaluation(name, score, seconds)


def segment_map(
    prediction: Prediction, numbers: Sequence[int | None], rules: PanopticRules
) -> Tensor:
    """(H, W) int64 segment map of a prediction, -1 where nothing of the data set was found.

    Args:
        numbers: of the classes of the model, see :meth:`PanopticBenchmark.numbers`.

    Raises:
        ValueError: the prediction has no segments.
    """
    if prediction.segments is None:
        raise ValueError("the prediction has no segments")
    found = prediction.instances
    table = torch.full((1 + max((entry.id for entry in found), default=0),), -1)
    for entry in found:
        number = numbers[entry.class_id]
        if number is not None:
            table[entry.id] = number * rules.divisor + (entry.id if entry.is_thing else 0)
    return table.to(prediction.segments.device)[prediction.segments.long()]


def _camera(frame: PanopticFrame) -> Pinhole | None:
    if frame.focal_px is None:
        return None
    height, width = frame.classes.shape
    return Pinhole(height, width, frame.focal_px, frame.focal_px, width / 2, height / 2)
