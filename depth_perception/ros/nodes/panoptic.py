"""The node ``panoptic_depth``: panoptic segmentation with distances, for a pinhole camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...systems import PanopticEstimator
from ...systems.catalog import card
from ..inputs.camera_info_sync import Arrival
from ..inputs.masks import hide
from ..outputs.depth_image import DepthOutput
from ..outputs.output import Frame, Output
from ..outputs.segments import LabelledCloudOutput
from ..parameters.models import check_camera, estimator_options
from ..parameters.pinhole import PanopticSettings
from .chosen import load_chosen
from .depth_node import Loaded
from .pinhole_camera_node import PinholeCameraNode
from .scaled_node import ScaledNode
from .segments import NodeSegments


class PanopticNode(ScaledNode[PanopticSettings], PinholeCameraNode[PanopticSettings]):
    """Segments, distances, depth and cloud from an image and its CameraInfo."""

    def __init__(self, **options: Any) -> None:
        super().__init__("panoptic_depth", PanopticSettings, **options)

    def load(self, settings: PanopticSettings) -> Loaded:
        estimator = load_panoptic(settings)
        self._segments = NodeSegments(estimator, settings.classes_file, settings.segments)
        return self.use(estimator, settings, "pinhole", 480, 640)

    def make_outputs(self, settings: PanopticSettings) -> Sequence[Output]:
        segments = self._segments.outputs(self.make_publisher, lambda: self.settings)
        if not self.estimator.card.has_depth:
            return segments
        return (
            DepthOutput(self.make_publisher),
            LabelledCloudOutput(self.make_publisher, lambda: self.settings.cloud),
            *segments,
        )

    def work(self, arrival: Arrival, settings: PanopticSettings) -> Frame:
        estimator = self.estimator
        if (limits := self._segments.changed_limits(settings.segments)) is not None:
            self._estimator = estimator = estimator.with_options(limits=limits)
        found = self.pinhole_image(arrival, settings, estimator.device)
        prediction = hide(estimator(found.image, found.camera), found.unseen)
        prediction = self._segments.chosen(prediction, settings.segments, found.unseen)
        header = arrival.message.header
        if not estimator.card.has_depth:
            return Frame(header, found.image, prediction)
        return self.in_metres(header, found.image, prediction, settings)


def load_panoptic(settings: PanopticSettings) -> PanopticEstimator:
    """The model of the parameters.

    Raises:
        KeyError, ValueError, OSError: no such model, it does not suit, or it cannot be loaded.
    """
    model = card(settings.model)
    if not model.is_panoptic:
        raise ValueError(
            f"model {model.name} finds no segments: choose a panoptic model (`depth-perception "
            "models` lists them), or use pinhole_depth"
        )
    check_camera(settings.model, "pinhole", "panoramic_depth")
    if not (model.has_depth or settings.panoptic.depth_model) and settings.scale.source != "model":
        raise ValueError(
            f"model {model.name} has no depth that scale.source {settings.scale.source} could "
            "bring to metres: leave it at model, or set panoptic.depth_model"
        )
    return load_chosen(settings, **estimator_options(settings))
