"""The estimator of DA360: range of panoramas up to one factor."""

from __future__ import annotations

from torch import Tensor

from ..estimator import DenseEstimator
from ..image_input import network_input
from .network import Da360


class Da360Estimator(DenseEstimator):
    """Inverse range by DA360.

    ``seam="off"`` is the published network, whose convolutions see across the seam and the poles;
    ``circular`` also enlarges its maps periodically.
    """

    network: Da360
    keeps_aspect = False

    def _network_input(self, pixels: Tensor, size: tuple[int, int], circular: bool) -> Tensor:
        return network_input(pixels, size, levels=True)
