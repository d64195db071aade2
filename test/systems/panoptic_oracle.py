"""A panoptic pinhole model that knows the world: true masks and z-depth of every panel."""

from __future__ import annotations

import torch
from torch import Tensor

from depth_perception.data.worlds import CLASSES, World, render
from depth_perception.geometry import DepthKind, Panel, Pinhole
from depth_perception.geometry.segment_boxes import segment_boxes
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind
from depth_perception.systems import card

NAMES = {entry.id: entry.name for entry in CLASSES}
THINGS = tuple(entry.id for entry in CLASSES if entry.is_thing)
FIRST_STUFF = 1000  # id of a segment of stuff: this and its class


def segments_of(classes: Tensor, instances: Tensor) -> Tensor:
    """(H, W) int32: things have the number of their instance, stuff that of its class."""
    return torch.where(instances > 0, instances, FIRST_STUFF + classes).int()


def with_instances(segments: Tensor, classes: Tensor, **fields: object) -> Prediction:
    """A prediction with an instance for each segment."""
    ids = [number for number in segments.unique().tolist() if number]
    found = []
    for number, box in zip(ids, segment_boxes(segments, ids), strict=True):
        mask = segments == number
        class_id = int(classes[mask].mode().values)
        left, top, right, bottom = box
        name, is_thing = NAMES[class_id], number < FIRST_STUFF
        crop = mask[top:bottom, left:right]
        found.append(Instance(number, class_id, name, 0.5, is_thing, box, crop))
    return Prediction(
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        segments=segments,
        instances=tuple(found),
        **fields,
    )


class PanopticOracle:
    """Recognises the panel by the order of the calls."""

    device = torch.device("cpu")

    def __init__(self, world: World, pose: Tensor, panels: tuple[Panel, ...]) -> None:
        self.card = card("panopticdepth-tiny")
        self.world, self.pose, self.panels = world, pose, panels
        self.calls = 0

    def __call__(self, image: Tensor, camera: Pinhole) -> Prediction:
        panel = self.panels[self.calls % len(self.panels)]
        assert camera == panel.camera
        self.calls += 1
        pose = self.pose.clone()
        pose[:3, :3] = self.pose[:3, :3] @ panel.rotation.to(self.pose)
        frame = render(self.world, camera, pose, shadows=False)
        segments = segments_of(frame.classes, frame.instances)
        return with_instances(
            # numbers of a panel mean nothing in another one
            torch.where(frame.instances > 0, (segments * 7 + self.calls) % 997 + 1, segments),
            frame.classes,
            values=frame.z_m.float(),
            valid=torch.isfinite(frame.z_m) & (frame.z_m > 0),
            camera=camera,
            kind=DepthKind.Z,
        )
