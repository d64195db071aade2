"""Segments in the nodes: classes, limits, outputs, and which segments are published."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...geometry.sampling import on_grid
from ...geometry.segment_boxes import box_columns, segment_boxes
from ...prediction import Prediction
from ...segment_classes import PanopticClass, check_classes, read_classes
from ...systems import PanopticEstimator
from ...systems.eomt.config import EomtLimits
from ...systems.panolite.config import CentreLimits
from ...systems.panopticdepth.config import PanopticLimits
from ..outputs.output import MakePublisher, Output
from ..outputs.segments import InstanceOutput, SegmentOutput
from ..parameters.panoramic import PanoramicSettings
from ..parameters.pinhole import PanopticSettings
from ..parameters.segments import SegmentSettings

Limits = PanopticLimits | EomtLimits | CentreLimits


class NodeSegments:
    """Classes, limits and outputs of the segments of one panoptic model.

    Args:
        model: the model.
        classes_file: YAML file with names and colours of its classes; empty: those of the model.
        settings: parameters when the node is configured.

    Attributes:
        count: number of segments in the last image.

    Raises:
        ValueError: the file with classes is wrong, or an unknown class is to be removed.
    """

    def __init__(
        self, model: PanopticEstimator, classes_file: str, settings: SegmentSettings
    ) -> None:
        self._classes = classes_of(model, classes_file, settings.dropped)
        self._is_renamed = bool(classes_file)
        self._usual = self._limits = model.options.limits
        self.count = 0

    def outputs(
        self, make: MakePublisher, settings: Callable[[], PanoramicSettings | PanopticSettings]
    ) -> tuple[Output, ...]:
        """The outputs besides those of depth."""
        groups = (lambda: settings().instances, lambda: settings().markers)
        return (
            SegmentOutput(make, self._classes, lambda: settings().segments),
            InstanceOutput(make, self._classes, *groups),
        )

    def changed_limits(self, settings: SegmentSettings) -> Limits | None:
        """The limits that the model must have from now on; None if it has them already."""
        limits = limits_of(settings, self._usual)
        if limits == self._limits:
            return None
        self._limits = limits
        return limits

    def chosen(
        self, prediction: Prediction, settings: SegmentSettings, unseen: Tensor | None
    ) -> Prediction:
        """The prediction with the segments that the parameters select, under their names.

        ``unseen`` (H, W) bool are pixels of no segment, such as the body of the robot.
        """
        if self._is_renamed:
            prediction = renamed(prediction, self._classes)
        prediction = selected(prediction, settings.dropped, settings.min_thing_area_px, unseen)
        self.count = len(prediction.instances)
        return prediction


def classes_of(
    estimator: PanopticEstimator, classes_file: str = "", dropped: Sequence[str] = ()
) -> tuple[PanopticClass, ...]:
    """The classes of a model with the names and colours of the parameters.

    Raises:
        ValueError: the file with classes is wrong, or an unknown class is to be removed.
    """
    classes = known = tuple(estimator.network.config.classes)
    if classes_file:
        classes = read_classes(classes_file)
        check_classes(classes, known, estimator.card.name)
    names = [entry.name for entry in classes]
    unknown = [name for name in dropped if name not in names]
    if unknown:
        raise ValueError(
            f"segments.drop has unknown classes: {', '.join(unknown)}; known are {', '.join(names)}"
        )
    return classes


def limits_of(settings: SegmentSettings, usual: Limits) -> Limits:
    """The limits of a model, with those that are parameters replaced."""
    return usual.changed(settings.min_score, settings.min_stuff_area_px)


def renamed(prediction: Prediction, classes: Sequence[PanopticClass]) -> Prediction:
    """The prediction with the names of another list of the same classes."""
    instances = tuple(replace(i, label=classes[i.class_id].name) for i in prediction.instances)
    return replace(prediction, instances=instances)


def selected(
    prediction: Prediction,
    drop: Collection[str] = (),
    least_area_px: int = 0,
    unseen: Tensor | None = None,
) -> Prediction:
    """The prediction without some of its segments; depth stays.

    Args:
        prediction: with or without segments.
        drop: names of classes to remove.
        least_area_px: minimum area of a thing.
        unseen: (H, W) bool of the same view at any size: pixels without content, which are removed
            from all segments.
    """
    if prediction.segments is None or not prediction.instances:
        return prediction
    segments, given = prediction.segments, prediction.instances
    if unseen is not None:
        segments = segments.masked_fill(on_grid(unseen, *segments.shape).to(segments.device), 0)
    kept = [instance for instance in given if instance.label not in drop]
    if unseen is not None or least_area_px > 1:
        areas = torch.bincount(segments.flatten(), minlength=1 + max(i.id for i in given)).tolist()
        kept = [i for i in kept if areas[i.id] >= (max(1, least_area_px) if i.is_thing else 1)]
    if unseen is None and len(kept) == len(given):
        return prediction
    ids = torch.tensor([i.id for i in kept], dtype=torch.int32, device=segments.device)
    table = segments.new_zeros(1 + max(i.id for i in given))
    table[ids.long()] = ids
    segments = table[segments.long()]
    if unseen is not None:  # boxes and masks changed
        camera = prediction.camera
        boxes = segment_boxes(segments, [i.id for i in kept], wraps=camera.is_full_turn)
        for k, (instance, box) in enumerate(zip(kept, boxes, strict=True)):
            columns = box_columns(box, camera.width, segments.device)
            mask = segments[box[1] : box[3], columns] == instance.id
            kept[k] = replace(instance, box=box, mask=mask)
    return replace(prediction, segments=segments, instances=tuple(kept))
