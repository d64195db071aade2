"""The protocol of data sets with panoptic labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.panoptic import PanopticFrame
from ..geometry import Pinhole
from ..prediction import Prediction
from ..segment_classes import CITYSCAPES, COCO_PANOPTIC
from .loop import EvaluationProtocol, Sample
from .panoptic import (
    CITYSCAPES_DVPS,
    CITYSCAPES_PQ,
    COCO_PQ,
    SEMKITTI_DVPS,
    PanopticCounter,
    PanopticResult,
    PanopticRow,
    PanopticRules,
    PanopticScore,
)

_CITYSCAPES = tuple(entry.name for entry in CITYSCAPES)


@dataclass(frozen=True)
class PanopticBenchmark:
    """A data set and its rules.

    Attributes:
        rules: of the counts.
        names: of the scored classes, by number.
        synonyms: class names of models -> names in this data set.
        one_video: windows reach over all frames of a split; otherwise over those of a sequence.
        has_depth: whether it has depth; without, there is no DPQ.
    """

    rules: PanopticRules
    names: tuple[str, ...] = _CITYSCAPES
    synonyms: Mapping[str, str] = field(default_factory=dict)
    one_video: bool = False
    has_depth: bool = True

    def numbers(self, classes: Sequence[str]) -> tuple[int | None, ...]:
        """The number of each class of a model in this data set; None where it has no such class."""
        here = {name: number for number, name in enumerate(self.names)}
        return tuple(here.get(self.synonyms.get(name, name)) for name in classes)

    def never_found(self, classes: Sequence[str]) -> tuple[str, ...]:
        """Scored classes that the model does not have."""
        known = set(self.numbers(classes))
        return tuple(name for number, name in enumerate(self.names) if number not in known)


PANOPTIC_BENCHMARKS: Mapping[str, PanopticBenchmark] = {
    "cityscapes": PanopticBenchmark(CITYSCAPES_PQ, has_depth=False),
    "cityscapes-dvps": PanopticBenchmark(CITYSCAPES_DVPS),
    "semkitti-dvps": PanopticBenchmark(
        SEMKITTI_DVPS,
        (
            *("car", "bicycle", "motorcycle", "truck", "other-vehicle", "person"),
            *("bicyclist", "motorcyclist", "road", "parking", "sidewalk", "other-ground"),
            *("building", "fence", "vegetation", "trunk", "terrain", "pole", "traffic-sign"),
        ),
        {
            **{"traffic sign": "traffic-sign", "rider": "bicyclist"},
            **{"bus": "other-vehicle", "train": "other-vehicle"},
        },
        one_video=True,
    ),
    "coco-panoptic": PanopticBenchmark(
        COCO_PQ, tuple(entry.name for entry in COCO_PANOPTIC), has_depth=False
    ),
}
"""By data set. Classes of SemanticKITTI (arXiv 1904.01416) are numbered without `unlabeled`."""


@dataclass(frozen=True, eq=False)
class PanopticProtocol(EvaluationProtocol):
    """Panoptic quality, with depth also DPQ; results in :class:`~.panoptic.PanopticScore`.

    Objects are found in windows of several frames only where the model keeps their id.

    Attributes:
        benchmark: the data set. classes: names of the classes of the model.
        has_depth: whether the model, and the data set, have depth.
        windows: see :class:`~.panoptic.PanopticCounter`.
    """

    benchmark: PanopticBenchmark
    classes: Sequence[str]
    has_depth: bool
    windows: Sequence[int] = (1,)
    _counter: PanopticCounter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        depth, rules = self.has_depth and self.benchmark.has_depth, self.benchmark.rules
        object.__setattr__(self, "has_depth", depth)
        counter = PanopticCounter(rules, depth=depth, windows=self.windows)
        object.__setattr__(self, "_counter", counter)

    def sample(self, frame: PanopticFrame) -> Sample:
        everywhere = torch.ones(frame.classes.shape, dtype=torch.bool)
        camera, focal_px = None, frame.focal_px
        if focal_px is not None:
            height, width = frame.classes.shape
            camera = Pinhole(height, width, focal_px, focal_px, width / 2, height / 2)
        return Sample(frame.rgb, frame.depth_m, everywhere, camera, frame)

    def score(self, prediction: Prediction, sample: Sample) -> PanopticRow:
        rules, frame = self.benchmark.rules, sample.frame
        numbers = self.benchmark.numbers(self.classes)
        result = PanopticResult(
            segment_map(prediction, numbers, rules).cpu(),
            frame.segments(rules.divisor, rules.ignored_class),
            prediction.values.cpu() if self.has_depth else None,
            frame.depth_m,
            frame.crowd_segments(rules.divisor),
        )
        video = "" if self.benchmark.one_video else frame.name.partition("_")[0]
        return self._counter.row(result, video)

    def mean(self, scores: Sequence[PanopticRow]) -> PanopticScore:
        """The sum of all frames. Raises ValueError: no video is as long as a window."""
        score = PanopticScore.of(scores, self.benchmark.rules)
        if short := sorted(set(self.windows) - set(score.windows)):
            raise ValueError(f"no video has {short[0]} successive frames for a window")
        return score


def segment_map(
    prediction: Prediction, numbers: Sequence[int | None], rules: PanopticRules
) -> Tensor:
    """(H, W) int64 segment map of a prediction, -1 without a class of the data set; ``numbers``
    see :meth:`PanopticBenchmark.numbers`. Raises ValueError: the prediction has no segments."""
    if prediction.segments is None:
        raise ValueError("the prediction has no segments")
    found = prediction.instances
    table = torch.full((1 + max((entry.id for entry in found), default=0),), -1)
    for entry in found:
        number = numbers[entry.class_id]
        if number is not None:
            table[entry.id] = number * rules.divisor + (entry.id if entry.is_thing else 0)
    return table.to(prediction.segments.device)[prediction.segments.long()]
