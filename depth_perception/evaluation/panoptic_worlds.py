"""Panoptic quality on synthetic worlds: rules, and the shares of near things that are found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..data.labelled_worlds import LabelledFrame
from ..depth_space import DepthKind
from ..geometry import Pinhole
from ..prediction import Prediction
from ..segment_classes import PanopticClass
from .loop import EvaluationProtocol, Sample
from .panoptic import (
    PanopticCounter,
    PanopticResult,
    PanopticRow,
    PanopticRules,
    PanopticScore,
    match_segments,
)
from .panoptic_sets import segment_map

FOUND: Mapping[str, tuple[str, float]] = {"cars": ("car", 20.0), "persons": ("person", 15.0)}
"""Shares of things that a predicted segment matches: their class, and their greatest range in
metres, the median over their visible pixels."""


def world_rules(classes: Sequence[PanopticClass]) -> PanopticRules:
    """Rules for the classes of a model; means are over the classes that occur."""
    things = tuple(number for number, entry in enumerate(classes) if entry.is_thing)
    count = len(classes)
    return PanopticRules(count, things, ignored_class=count, averaged="occurring")


def found_counts(
    segments: Tensor,
    ground_truth: Tensor,
    range_m: Tensor,
    names: Sequence[str],
    rules: PanopticRules,
) -> dict[str, tuple[float, float]]:
    """By name of :data:`FOUND`: things that are matched, and all that are near enough.

    Args:
        segments, ground_truth: (H, W) integers, as for :func:`~.panoptic.match_segments`.
        range_m: (H, W) true range, 0 where unknown.
        names: of the classes by their numbers.
    """
    found = {}
    for what, (name, most_m) in FOUND.items():
        if name not in names:
            found[what] = (0.0, 0.0)
            continue
        number = names.index(name)
        is_class = torch.div(ground_truth, rules.divisor, rounding_mode="floor") == number
        near = ground_truth.clone()
        for thing in ground_truth[is_class].unique().tolist():
            pixels = ground_truth == thing
            known = range_m[pixels & (range_m > 0)]
            if not known.numel() or float(known.median()) > most_m:
                near[pixels] = rules.void  # neither found nor missed
        counts = match_segments(segments, near, rules)
        matched = float(counts.tp[number])
        found[what] = (matched, matched + float(counts.fn[number]))
    return found


def true_segments(labels: Tensor, instances: Tensor, rules: PanopticRules) -> Tensor:
    """(H, W) int64 segment map of labels and instances; void where there is nothing to find.

    Raises:
        ValueError: an instance has a number that the map cannot hold.
    """
    labels, numbers = labels.long(), instances.long()
    things = torch.isin(labels, torch.tensor(rules.things, device=labels.device))
    numbers = torch.where(things, numbers, 0)
    if int(numbers.max()) >= rules.divisor:
        numbers = numbers.unique(return_inverse=True)[1]
        numbers = torch.where(things, numbers, 0)
        if int(numbers.max()) >= rules.divisor:
            raise ValueError(f"a frame has {int(numbers.max())} things, too many to score")
    return torch.where(labels < rules.classes, labels * rules.divisor + numbers, rules.void)


@dataclass(frozen=True)
class WorldRow:
    """What one frame adds: segments with depth, and :func:`found_counts`."""

    panoptic: PanopticRow
    found: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class WorldScore:
    """The result of a data set; ``found`` in percent, NaN where there is nothing to find."""

    panoptic: PanopticScore
    found: Mapping[str, float]
    counts: Mapping[str, tuple[float, float]]


@dataclass(frozen=True, eq=False)
class WorldSegments(EvaluationProtocol):
    """Panoptic quality of frames of :class:`~depth_perception.data.labelled_worlds.LabelledWorlds`
    that were opened with the ``classes`` of the model."""

    classes: Sequence[PanopticClass]
    has_depth: bool
    _rules: PanopticRules = field(init=False, repr=False)
    _counter: PanopticCounter = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_rules", world_rules(self.classes))
        counter = PanopticCounter(self._rules, depth=self.has_depth)
        object.__setattr__(self, "_counter", counter)

    def sample(self, frame: LabelledFrame) -> Sample:
        depth_m, camera = frame.range_m, frame.camera
        if isinstance(camera, Pinhole):
            depth_m = camera.convert(depth_m, DepthKind.RANGE, DepthKind.Z)
        everywhere = torch.ones(depth_m.shape, dtype=torch.bool)
        return Sample(frame.rgb, depth_m, everywhere, camera, frame)  # type: ignore[arg-type]

    def score(self, prediction: Prediction, sample: Sample) -> WorldRow:
        frame, rules = sample.frame, self._rules
        segments = segment_map(prediction, range(rules.classes), rules).cpu()
        truth = true_segments(frame.labels, frame.instances, rules)
        depth_m = prediction.values.cpu() if self.has_depth else None
        result = PanopticResult(segments, truth, depth_m, sample.ground_truth)
        names = [entry.name for entry in self.classes]
        found = found_counts(segments, truth, frame.range_m, names, rules)
        return WorldRow(self._counter.row(result), found)

    def mean(self, scores: Sequence[WorldRow]) -> WorldScore:
        """The sum of all frames."""
        counts = {
            name: tuple(sum(row.found[name][k] for row in scores) for k in (0, 1)) for name in FOUND
        }
        found = {name: 100 * a / b if b else math.nan for name, (a, b) in counts.items()}
        score = PanopticScore.of([row.panoptic for row in scores], self._rules)
        return WorldScore(score, found, counts)
