"""Metric scale from any source, for nodes and the command line."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..prediction import Prediction
from .options import ScaleOptions, ScaleSource
from .recovery import Recovered, ScaleRecovery
from .reference import SourceError
from .sources.other_model import Predictor, predicted_reference
from .sources.points import points_reference


@dataclass(frozen=True)
class Measurement:
    """A range measurement at the time of an image.

    Attributes:
        points: (N, 3) metres in the frame of the sensor.
        to_camera: (4, 4) rigid, from there to the optical frame of the camera.
    """

    points: Tensor
    to_camera: Tensor


class MetricScale:
    """Makes the reference of the selected source, then recovers the scale. Not thread-safe.

    Args:
        options: options of scale recovery, with the source.
        other: the metric model of the source ``reference``, run on every image.
        name: of the source ``points`` in reports: "points", "scan", ...

    Raises:
        ValueError: the source is ``object_size``, which needs objects, or ``reference`` without
            its model.
    """

    def __init__(
        self, options: ScaleOptions, other: Predictor | None = None, *, name: str = "points"
    ) -> None:
        if options.source is ScaleSource.OBJECT_SIZE:
            raise ValueError("objects of known size need boxes: use ScaleRecovery with them")
        if options.source is ScaleSource.REFERENCE and other is None:
            raise ValueError("source 'reference' needs its model")
        self.options = options
        self._other = other
        self._name = name
        self._recovery = ScaleRecovery(options)

    def reset(self) -> None:
        """Clear all state."""
        self._recovery.reset()

    def recover(
        self,
        prediction: Prediction,
        image: Tensor,
        stamp_s: float,
        measurement: Measurement | None = None,
        *,
        missing: str = "",
    ) -> Recovered:
        """The prediction in metres, or the original one with the reason in its note.

        Args:
            prediction: as in :meth:`ScaleRecovery.recover`.
            image: (H, W, 3) uint8 RGB that it is of, at any size.
            stamp_s: time of the image, seconds.
            measurement: for the source ``points``; None if there is none.
            missing: why there is none.

        Raises:
            ValueError: the time is not finite, or the fixed scale and shift do not suit the
                prediction.
        """
        reference = None
        try:
            if self.options.source is ScaleSource.POINTS and measurement is not None:
                reference = points_reference(
                    measurement.points,
                    measurement.to_camera,
                    prediction.camera,
                    prediction.kind,
                    self.options.points,
                    device=prediction.values.device,
                )
            elif self.options.source is ScaleSource.REFERENCE and self._other is not None:
                reference = predicted_reference(prediction, image, self._other)
        except (SourceError, ValueError) as error:
            missing = str(error)
        result = self._recovery.recover(prediction, reference, stamp_s, missing=missing)
        if self.options.source is not ScaleSource.POINTS or self._name == "points":
            return result
        named = result.prediction
        if result.report.is_metric:
            named = replace(named, fit_source=self._name)
        return Recovered(named, replace(result.report, source=self._name))
