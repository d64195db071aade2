"""The node ``pinhole_depth``: z-depth and points from one pinhole camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..inputs.camera_info_sync import Arrival
from ..inputs.masks import hide
from ..outputs.cloud import CloudOutput
from ..outputs.depth_image import DepthOutput
from ..outputs.output import Frame, Output
from ..parameters.models import check_camera, estimator_options
from ..parameters.pinhole import PinholeSettings
from .chosen import load_chosen
from .depth_node import Loaded
from .pinhole_camera_node import PinholeCameraNode
from .scaled_node import ScaledNode


class PinholeNode(ScaledNode[PinholeSettings], PinholeCameraNode[PinholeSettings]):
    """Depth and cloud from an image and its CameraInfo, by any pinhole model."""

    def __init__(self, **options: Any) -> None:
        super().__init__("pinhole_depth", PinholeSettings, **options)

    def load(self, settings: PinholeSettings) -> Loaded:
        estimator = load_chosen(settings, **model_options(settings))
        return self.use(estimator, settings, "pinhole", 480, 640)

    def make_outputs(self, settings: PinholeSettings) -> Sequence[Output]:
        return (
            DepthOutput(self.make_publisher),
            CloudOutput(self.make_publisher, lambda: self.settings.cloud),
        )

    def work(self, arrival: Arrival, settings: PinholeSettings) -> Frame:
        found = self.pinhole_image(arrival, settings, self.estimator.device)
        prediction = hide(self.estimator(found.image, found.camera), found.unseen)
        return self.in_metres(arrival.message.header, found.image, prediction, settings)


def model_options(settings: PinholeSettings) -> dict[str, object]:
    """The options of the estimator of the chosen model.

    Raises:
        KeyError: no such model.
        ValueError: it is no pinhole model, or a parameter is set that it does not have.
    """
    model = check_camera(settings.model, "pinhole", "panoramic_depth for panoramas")
    if model.is_panoptic:
        raise ValueError(f"model {model.name} is panoptic: use panoptic_depth")
    return estimator_options(settings)
