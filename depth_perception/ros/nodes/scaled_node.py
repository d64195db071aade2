"""Metric scale in the nodes, from parameters to diagnostics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from sensor_msgs.msg import LaserScan, PointCloud2
from std_msgs.msg import Header
from torch import Tensor

from ...prediction import Prediction
from ...scale import MetricScale, ScaleReport
from ...scale.sources.other_model import Predictor
from ...systems import PanelsEstimator, load
from ...systems.catalog import card
from ..compat.transforms import BufferLookup, transform_lookup
from ..inputs.camera_info_sync import stamp_ns
from ..inputs.range_sensor import RangeInput
from ..outputs.output import Frame
from ..parameters.node import NodeSettings
from ..parameters.scale import ScaleSettings
from .depth_node import DepthNode, Loaded
from .qos import input_profile
from .segments import NodeSegments

S = TypeVar("S", bound=NodeSettings)


class ScaledNode(DepthNode[S]):
    """A node whose settings have a group ``scale``, and perhaps segments.

    The thread of the executor collects measurements; the worker thread recovers the scale. A reset
    takes effect with the next image.
    """

    def __init__(self, name: str, settings_type: type[S], **options: Any) -> None:
        self._estimator: Any = None
        self._segments: NodeSegments | None = None
        self._ranges: RangeInput | None = None
        self._lookup: BufferLookup | None = None
        self._reference: Predictor | None = None
        self._recovery: tuple[ScaleSettings, MetricScale] | None = None
        self._is_reset_wanted = False
        self._report: ScaleReport | None = None
        super().__init__(name, settings_type, **options)

    @property
    def estimator(self) -> Any:
        """The model. Raises RuntimeError if none is loaded."""
        if self._estimator is None:
            raise RuntimeError("no model is loaded")
        return self._estimator

    def use(self, estimator: Any, settings: S, camera: str, height: int, width: int) -> Loaded:
        """Use a model, warmed up at a size, and load that of the source ``reference`` if needed.

        Raises:
            KeyError, ValueError, OSError: see :meth:`load_reference`.
        """
        estimator.warm_up(height, width)
        self.load_reference(_scale(settings), estimator.device, camera)
        self._estimator = estimator
        device = str(estimator.device)
        return Loaded(settings.model, device, settings.precision, settings.backend)

    def load_reference(self, settings: ScaleSettings, device: torch.device, camera: str) -> None:
        """Load the model of the source ``reference``, as a part of :meth:`load`.

        Args:
            settings: the group of parameters.
            device: of the model.
            camera: kind of camera of the images, as in the cards of models.

        Raises:
            KeyError, ValueError, OSError: no such model, or it does not suit.
        """
        self._reference = None
        if settings.source != "reference":
            return
        chosen = card(settings.reference_model)
        if not chosen.is_metric:
            raise ValueError(
                f"scale.reference_model {chosen.name} is not metric: choose a metric model"
            )
        model = load(chosen.name, settings.reference_checkpoint or None, device)
        if chosen.camera == camera:
            self._reference = model
        elif camera == "equirectangular":
            self._reference = PanelsEstimator(model)
        else:
            raise ValueError(
                f"scale.reference_model {chosen.name} is for {chosen.camera} images: choose a "
                f"{camera} model"
            )

    def make_lookup(self) -> BufferLookup | None:
        """Lookup of transforms; None where TF is not installed."""
        return transform_lookup(self)

    def subscribe(self, settings: S) -> None:
        super().subscribe(settings)
        scale = _scale(settings)
        if not scale.measures:
            return
        if scale.transform == "tf" and self._lookup is None:
            self._lookup = self.make_lookup()
        kind = PointCloud2 if scale.source == "points" else LaserScan
        topic = f"scale/{scale.source}"
        self._ranges = RangeInput(kind, self.resolve_topic_name(topic), self._lookup)
        self.make_subscription(kind, topic, self._ranges.add, input_profile(5))

    def unload(self) -> None:
        super().unload()
        self._estimator = self._reference = self._segments = None
        self._ranges = self._recovery = self._report = None

    def forget(self) -> None:
        super().forget()
        self._is_reset_wanted = True
        if self._ranges is not None:
            self._ranges.clear()
        if self._lookup is not None:
            self._lookup.forget()

    def reset_scale(self) -> str:
        source = _scale(self.settings).source
        if source in ("model", "fixed", "none"):
            return f"nothing to reset: scale.source is {source}"
        self._is_reset_wanted = True
        return "the scale is estimated again from the next image on"

    def warnings(self) -> Sequence[str]:
        found = [*super().warnings(), *getattr(self._estimator, "remarks", ())]
        report, ranges = self._report, self._ranges
        if report is not None and report.is_metric:  # else in the note of the prediction
            found += [f"scale: {text}" for text in report.warnings]
        if ranges is not None and ranges.refusal:
            found.append(ranges.refusal)
        return found

    def details(self) -> Mapping[str, str]:
        found = dict(super().details())
        report, ranges = self._report, self._ranges
        found["scale source"] = _scale(self.settings).source
        if report is not None:
            found["scale status"] = report.status.value
            found["scale age (s)"] = f"{report.age_s:.2f}"
            found["scale sigma"] = f"{report.sigma_ratio:.4f}"
            found["scale agreement"] = f"{report.agreement:.2f}"
        if report is not None and report.fit is not None:
            found["scale"], found["shift"] = f"{report.fit.scale:.6g}", f"{report.fit.shift:.6g}"
        if ranges is not None:
            found["scale messages"] = str(ranges.received)
            found["scale messages refused"] = str(ranges.refused)
        if self._segments is not None:
            found["segments"] = str(self._segments.count)
        return found

    def in_metres(
        self, header: Header, image: Tensor, prediction: Prediction, settings: S
    ) -> Frame:
        """The frame of an image, in metres if there is a valid scale.

        Raises:
            ValueError: the fixed scale and shift do not suit the prediction.
        """
        scale = _scale(settings)
        if self._recovery is None or self._recovery[0] != scale:
            name = scale.source if scale.measures else "points"
            self._recovery = scale, MetricScale(scale.options(), self._reference, name=name)
        recovery = self._recovery[1]
        if self._is_reset_wanted:
            self._is_reset_wanted = False
            recovery.reset()
        measurement, missing = None, ""
        if self._ranges is not None:
            measurement, missing = self._ranges.at(header, scale)
        result = recovery.recover(
            prediction, image, stamp_ns(header) * 1e-9, measurement, missing=missing
        )
        self._report = result.report
        return Frame(header, image, result.prediction, result.report)


def _scale(settings: NodeSettings) -> ScaleSettings:
    return settings.scale  # type: ignore[attr-defined]
