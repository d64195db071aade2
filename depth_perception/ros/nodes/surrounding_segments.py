"""What ``panoramic_depth`` adds where its model is panoptic: segments all around."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor

from ...prediction import Prediction
from ...systems import PanelsEstimator, PanopticDepthEstimator
from ..outputs.depth import MakePublisher, Output
from ..outputs.segments import InstanceOutput, SegmentOutput
from ..parameters.common import PanoramicSettings
from .panoptic import classes_of, limits_of
from .segment_selection import renamed, selected


class SurroundingSegments:
    """Classes, limits and outputs of the segments of a panorama.

    Args:
        estimator: a panoptic model that looks around.
        settings: of the node when it is configured.

    Attributes:
        count: segments of the last image.

    Raises:
        ValueError: the file with classes is wrong, or a class is to be dropped that is not there.
    """

    def __init__(self, estimator: PanelsEstimator, settings: PanoramicSettings) -> None:
        pinhole = cast(PanopticDepthEstimator, estimator.pinhole)
        self._classes = classes_of(
            pinhole, settings.panoptic.classes_file, settings.segments.dropped
        )
        self._is_renamed = bool(settings.panoptic.classes_file)
        self._usual = self._limits = pinhole.options.limits
        self.count = 0

    def outputs(
        self, make: MakePublisher, settings: Callable[[], PanoramicSettings]
    ) -> tuple[Output, ...]:
        """The outputs besides those of depth."""
        return (
            SegmentOutput(make, self._classes, lambda: settings().segments),
            InstanceOutput(
                make,
                self._classes,
                lambda: settings().instances,
                lambda: settings().markers,
            ),
        )

    def limited(self, estimator: PanelsEstimator, settings: PanoramicSettings) -> PanelsEstimator:
        """The estimator with the limits of the parameters, which may change while it runs."""
        limits = limits_of(settings.segments, self._usual)
        if limits == self._limits:
            return estimator
        self._limits = limits
        return estimator.with_model_options(limits=limits)

    def chosen(
        self, prediction: Prediction, settings: PanoramicSettings, unseen: Tensor | None
    ) -> Prediction:
        """The prediction with the segments that the parameters ask for, under their names.

        ``unseen`` (H, W) bool are pixels that belong to no segment, such as the robot.
        """
        if self._is_renamed:
            prediction = renamed(prediction, self._classes)
        wanted = settings.segments
        prediction = selected(prediction, wanted.dropped, wanted.min_thing_area_px, unseen)
        self.count = len(prediction.instances)
        return prediction
