"""The node ``panoptic_depth``: what stands where in front of one pinhole camera."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from ...segment_classes import PanopticClass, check_classes, read_classes
from ...systems import PanopticDepthEstimator
from ...systems.catalog import card
from ...systems.panopticdepth.config import PanopticLimits
from ..inputs.camera_info_sync import Arrival
from ..inputs.masks import hide
from ..outputs.depth import DepthOutput, Frame, Output
from ..outputs.segments import InstanceOutput, LabelledCloudOutput, SegmentOutput
from ..parameters.models import estimator_options
from ..parameters.panoptic import PanopticSettings
from ..parameters.segments import SegmentSettings
from .depth_node import Loaded
from .loading import load_chosen
from .pinhole_camera_node import PinholeCameraNode
from .scaled_node import ScaledNode
from .segment_selection import renamed, selected

_WARM_UP_SIZE = (480, 640)


class PanopticNode(ScaledNode[PanopticSettings], PinholeCameraNode[PanopticSettings]):
    """Segments, their distances, depth and cloud from an image and its CameraInfo."""

    def __init__(self, **options: Any) -> None:
        self._estimator: PanopticDepthEstimator | None = None
        self._classes: tuple[PanopticClass, ...] = ()
        self._limits = PanopticLimits()
        self._has_depth = True
        self._found = 0
        super().__init__("panoptic_depth", PanopticSettings, **options)

    def load(self, settings: PanopticSettings) -> Loaded:
        estimator = load_panoptic(settings)
        self._classes = classes_of(estimator, settings.classes_file, settings.segments.dropped)
        estimator.warm_up(*_WARM_UP_SIZE)
        self.load_reference(settings.scale, estimator.device, "pinhole")
        self._estimator, self._limits = estimator, estimator.options.limits
        self._has_depth = estimator.card.has_depth
        return Loaded.by(settings, estimator.device)

    def unload(self) -> None:
        super().unload()
        had_estimator = self._estimator is not None
        self._estimator = None
        self._found = 0
        if had_estimator and torch.cuda.is_available():
            torch.cuda.empty_cache()

    def make_outputs(self, settings: PanopticSettings) -> Sequence[Output]:
        found = (
            SegmentOutput(self.make_publisher, self._classes, lambda: self.settings.segments),
            InstanceOutput(
                self.make_publisher,
                self._classes,
                lambda: self.settings.instances,
                lambda: self.settings.markers,
            ),
        )
        if not self._has_depth:
            return found
        return (
            DepthOutput(self.make_publisher),
            LabelledCloudOutput(self.make_publisher, lambda: self.settings.cloud),
            *found,
        )

    def work(self, arrival: Arrival, settings: PanopticSettings) -> Frame:
        if self._estimator is None:
            raise RuntimeError("no model is loaded")
        estimator = self._limited(self._estimator, settings.segments)
        picture = self.picture(arrival, settings, estimator.device)
        prediction = estimator(picture.image, picture.camera)
        if picture.unseen is not None:
            prediction = hide(prediction, picture.unseen)
        if settings.classes_file:
            prediction = renamed(prediction, self._classes)
        prediction = selected(
            prediction,
            settings.segments.dropped,
            settings.segments.min_thing_area_px,
            picture.unseen,
        )
        self._found = len(prediction.instances)
        header = arrival.message.header
        if not self._has_depth:
            return Frame(header, picture.image, prediction)
        return self.in_metres(header, picture.image, prediction, settings)

    def details(self) -> Mapping[str, str]:
        return {**super().details(), "segments": str(self._found)}

    def _limited(
        self, estimator: PanopticDepthEstimator, settings: SegmentSettings
    ) -> PanopticDepthEstimator:
        """The estimator with the limits of the parameters, which may change while it runs."""
        limits = limits_of(settings, self._limits)
        if limits != estimator.options.limits:
            self._estimator = estimator = estimator.with_options(limits=limits)
        return estimator


def load_panoptic(settings: PanopticSettings) -> PanopticDepthEstimator:
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
    if not model.has_depth and settings.scale.source != "model":
        raise ValueError(
            f"model {model.name} has no depth that scale.source {settings.scale.source} could "
            "bring to metres: leave it at model"
        )
    return load_chosen(settings, **estimator_options(settings))


def classes_of(
    estimator: PanopticDepthEstimator, classes_file: str = "", dropped: Sequence[str] = ()
) -> tuple[PanopticClass, ...]:
    """The classes of the model under the names and colours of the parameters.

    Raises:
        ValueError: the file with classes is wrong, or a class is to be dropped that is not there.
    """
    known = tuple(estimator.network.config.classes)
    classes = known
    if classes_file:
        classes = read_classes(classes_file)
        check_classes(classes, known, estimator.card.name)
    names = [entry.name for entry in classes]
    unknown = [name for name in dropped if name not in names]
    if unknown:
        raise ValueError(
            f"segments.drop names classes that are not there: {', '.join(unknown)}; there are: "
            f"{', '.join(names)}"
        )
    return classes


def limits_of(settings: SegmentSettings, usual: PanopticLimits) -> PanopticLimits:
    """The limits of a model with those that the parameters replace."""
    changes: dict[str, Any] = {}
    if settings.min_score >= 0:
        changes["combine_score"] = settings.min_score
        changes["rescored"] = min(usual.rescored, settings.min_score)
    if settings.min_stuff_area_px >= 0:
        changes["stuff_area_px"] = settings.min_stuff_area_px
    return replace(usual, **changes)
