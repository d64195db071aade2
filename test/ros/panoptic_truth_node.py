"""``panoptic_depth`` with known segments and depth in place of a network.

``checkpoint`` is an archive (.npz) of scenes: ``depth_N`` (H, W) float32, ``segments_N`` (H, W)
int32 and ``classes_N`` (M,) class numbers of the ids from 0. The red of the first pixel of an image
says which one it shows. Run as a script by the tests.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import torch

from depth_perception.geometry import DepthKind, Pinhole
from depth_perception.geometry.segment_boxes import segment_boxes
from depth_perception.prediction import DepthSpace, Instance, Prediction, ScaleKind
from depth_perception.ros.nodes.depth_node import Loaded
from depth_perception.ros.nodes.panoptic import PanopticNode
from depth_perception.ros.nodes.runner import run
from depth_perception.ros.nodes.segments import NodeSegments
from depth_perception.ros.parameters.pinhole import PanopticSettings
from depth_perception.segment_classes import CITYSCAPES
from depth_perception.systems import card
from depth_perception.systems.panopticdepth.config import PanopticLimits


def truth(depth: np.ndarray, segments: np.ndarray, classes: np.ndarray, camera: Pinhole):
    """The prediction of one scene; class -1 at an id that is not there."""
    depth, segments = torch.from_numpy(depth), torch.from_numpy(segments)
    ids = [number for number in segments.unique().tolist() if number]
    instances = [
        Instance(
            id=number,
            class_id=int(classes[number]),
            label=CITYSCAPES[classes[number]].name,
            score=0.5 + number / 1024,
            is_thing=CITYSCAPES[classes[number]].is_thing,
            box=box,
            mask=segments[box[1] : box[3], box[0] : box[2]] == number,
        )
        for number, box in zip(ids, segment_boxes(segments, ids), strict=True)
    ]
    return Prediction(
        values=depth,
        valid=torch.isfinite(depth),
        camera=camera,
        kind=DepthKind.Z,
        space=DepthSpace.DEPTH,
        scale=ScaleKind.METRIC,
        instances=tuple(instances),
        segments=segments,
    )


class Truth:
    """An estimator that knows its scenes by heart."""

    device = torch.device("cpu")
    options = SimpleNamespace(limits=PanopticLimits())

    def __init__(self, model: str, path: str) -> None:
        self.card = card(model)
        self.network = SimpleNamespace(config=SimpleNamespace(classes=CITYSCAPES))
        self.scenes = dict(np.load(path))

    def __call__(self, image: torch.Tensor, camera: Pinhole) -> Prediction:
        scene = int(image[0, 0, 0])
        parts = (self.scenes[f"{part}_{scene}"] for part in ("depth", "segments", "classes"))
        return truth(*parts, camera)


class TruthNode(PanopticNode):
    """The node around it."""

    def load(self, settings: PanopticSettings) -> Loaded:
        self._estimator = Truth(settings.model, settings.checkpoint)
        self._segments = NodeSegments(self._estimator, settings.classes_file, settings.segments)
        return Loaded("truth", "cpu", settings.precision)


if __name__ == "__main__":
    sys.exit(run(TruthNode))
