"""Instances of a panorama from those of its panels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..geometry import Equirectangular, Panel
from ..geometry.segment_boxes import box_columns, segment_boxes
from ..geometry.segment_merge import Member, MergedSegments, PanelSegments, merge_segments
from ..prediction import Instance, Prediction


def merge_panel_segments(
    panels: Sequence[Panel], found: Sequence[Prediction], camera: Equirectangular
) -> MergedSegments:
    """Segments of a panorama from what a panoptic model said of its panels.

    See :func:`~depth_perception.geometry.segment_merge.merge_segments`.

    Raises:
        ValueError: a prediction has no segments.
    """
    return merge_segments(
        [_part(panel, said) for panel, said in zip(panels, found, strict=True)], camera
    )


def panorama_instances(
    segments: Tensor,
    members: Sequence[Sequence[Member]],
    found: Sequence[Prediction],
    camera: Equirectangular,
) -> tuple[Instance, ...]:
    """The instances of merged segments, with boxes that may cross the right border.

    Args:
        segments: (H, W) int32 of :func:`merge_panel_segments`.
        members: what each was made of.
        found: the predictions that were merged.
        camera: the panorama.

    Returns:
        One instance for each segment; its score is the mean of those of its parts, each weighed
        by the pixels that it gives.
    """
    ids = range(1, len(members) + 1)
    boxes = segment_boxes(segments, ids, wraps=camera.is_full_turn)
    instances = []
    for number, parts, box in zip(ids, members, boxes, strict=True):
        said = [found[member.part].instances[member.place] for member in parts]
        areas = [member.area_px for member in parts]
        score = sum(s.score * area for s, area in zip(said, areas, strict=True)) / sum(areas)
        columns = box_columns(box, camera.width, segments.device)
        instances.append(
            Instance(
                id=number,
                class_id=said[0].class_id,
                label=said[0].label,
                score=score,
                is_thing=said[0].is_thing,
                box=box,
                mask=segments[box[1] : box[3], columns] == number,
            )
        )
    return tuple(instances)


def _part(panel: Panel, said: Prediction) -> PanelSegments:
    if said.segments is None:
        raise ValueError(f"the model found no segments in panel {panel.name}: is it panoptic?")
    return PanelSegments(
        panel,
        said.segments,
        said.camera,
        tuple(instance.id for instance in said.instances),
        tuple(instance.class_id for instance in said.instances),
        tuple(instance.is_thing for instance in said.instances),
    )
