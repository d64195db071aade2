"""Which segments of a panoptic prediction the outputs show, and what they are called."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...geometry import Camera
from ...geometry.segment_boxes import box_columns, segment_boxes
from ...prediction import Instance, Prediction
from ...segment_classes import PanopticClass
from ..inputs.masks import on_grid


def renamed(prediction: Prediction, classes: Sequence[PanopticClass]) -> Prediction:
    """The prediction with the names of another class list, which has all of its classes."""
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
        prediction: with segments, or without, then it stays as it is.
        drop: names of classes.
        least_area_px: things of fewer pixels are left out.
        unseen: (H, W) bool of the same view at any size, pixels without content, which belong to
            no segment.
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
    instances = kept if unseen is None else _cut(kept, segments, prediction.camera)
    return replace(prediction, segments=segments, instances=tuple(instances))


def _cut(instances: Sequence[Instance], segments: Tensor, camera: Camera) -> list[Instance]:
    """Instances with the boxes and masks that a map tells."""
    ids = [instance.id for instance in instances]
    found = []
    boxes = segment_boxes(segments, ids, wraps=camera.is_full_turn)
    for instance, box in zip(instances, boxes, strict=True):
        columns = box_columns(box, camera.width, segments.device)
        mask = segments[box[1] : box[3], columns] == instance.id
        found.append(replace(instance, box=box, mask=mask))
    return found
