"""The estimator of OmniDepth: range of panoramas, metres."""

from __future__ import annotations

from torch import Tensor

from ..estimator import DenseEstimator
from ..image_input import plain_input
from .network import OmniDepth


class OmniDepthEstimator(DenseEstimator):
    """Range by RectNet or UResNet at its finest scale.

    Values that are not positive, or beyond the ranges of the training, are not valid.
    ``seam="off"`` is the published network; ``circular`` replaces its zero padding left and right.
    """

    network: OmniDepth

    def _network_input(self, pixels: Tensor, size: tuple[int, int], circular: bool) -> Tensor:
        return plain_input(pixels, size, circular)

    def _run(self, images: Tensor, circular: bool) -> Tensor:
        return self._forward(images, circular=circular)[0]

    def _is_valid(self, values: Tensor) -> Tensor:
        return super()._is_valid(values) & (values > 0)
