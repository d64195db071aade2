"""Base class of the outputs of a node, and the frame that they publish."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rclpy.publisher import Publisher
from std_msgs.msg import Header
from torch import Tensor

from ...geometry import DepthKind
from ...prediction import Prediction
from ...scale import ScaleReport
from ..messages.images import colours_on_grid

MakePublisher = Callable[[type[Any], str], Publisher]


@dataclass(frozen=True)
class Frame:
    """One image with its prediction.

    Attributes:
        header: of the image; every output carries its stamp.
        image: (H, W, 3) uint8 RGB.
        prediction: on a grid of its own.
        report: how it became metric, if a source of scale was used.
    """

    header: Header
    image: Tensor
    prediction: Prediction
    report: ScaleReport | None = None

    @cached_property
    def range_m(self) -> Tensor:
        """(h, w) float32 distance of every pixel along its ray; for metric depth only."""
        prediction = self.prediction
        return prediction.camera.convert(prediction.depth, prediction.kind, DepthKind.RANGE)

    def colours(self) -> Tensor:
        """(h, w, 3) uint8 RGB on the grid and the device of the prediction."""
        grid = self.prediction.values
        return colours_on_grid(self.image.to(grid.device), *grid.shape)


class Output:
    """A group of topics, with these publishers."""

    def __init__(self, *publishers: Publisher) -> None:
        self.publishers = publishers

    def is_wanted(self) -> bool:
        """Whether it has subscribers."""
        return any(map(has_listener, self.publishers))

    def publish(self, frame: Frame) -> None:
        """Publish the topics that have subscribers."""


class RateLimit:
    """Limits the rate of events, by the monotonic clock."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def allows(self, rate_hz: float) -> bool:
        """Whether an event may happen now, which is then counted. Rate 0 allows all.

        The rate of this call counts, not that of earlier ones.
        """
        now = time.monotonic()
        if rate_hz <= 0:
            self._last_s = now
            return True
        period_s = 1.0 / rate_hz
        if now < self._last_s + period_s:
            return False
        # Keep the phase unless it was lost, so that a limit near the input rate is reached.
        self._last_s = max(self._last_s + period_s, now - 0.5 * period_s)
        return True


def has_listener(publisher: Publisher) -> bool:
    """Whether it has a matched subscription."""
    return publisher.get_subscription_count() > 0
