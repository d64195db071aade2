"""The estimator of DAP: range of panoramas, metres."""

from __future__ import annotations

import torch
from torch import Tensor

from ..estimator import DenseEstimator
from ..image_input import network_input
from .network import Dap, unlucky_side
from .options import DapOptions

_FAR = 0.5  # probability from which on a pixel is not valid


class DapEstimator(DenseEstimator):
    """Metric range by DAP. Pixels that are more likely too far than not are not valid.

    ``seam="off"`` is the published network, with zeros beyond all borders.
    """

    default_options = DapOptions
    network: Dap
    options: DapOptions

    def _accepted_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Larger by patches where the original garbles its tokens."""
        rows, columns = size
        patch = self.card.patch_size
        while unlucky_side((size[0] // patch, size[1] // patch)) is not None:
            taller = size[0] + patch
            size = (taller, round(columns / rows * taller / patch) * patch)
        return size

    def _network_input(self, pixels: Tensor, size: tuple[int, int], circular: bool) -> Tensor:
        return network_input(pixels, size, normalise=self.options.normalise)

    def _run(self, images: Tensor, circular: bool) -> Tensor:
        return torch.cat(tuple(super()._run(images, circular)), 1)

    def _valid(self, maps: Tensor) -> Tensor:
        return super()._valid(maps) & (maps[1] < _FAR)

    def _set_precision(self, precision: torch.dtype) -> None:
        periods = self.network.encoder.periods  # half precision is too coarse for angles
        super()._set_precision(precision)
        self.network.encoder.periods = periods
