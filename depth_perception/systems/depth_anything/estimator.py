"""Estimator of metric networks with a largest depth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ..card import ModelCard
from ..estimator import DenseEstimator, Estimator
from .options import BoundedOptions


class BoundedEstimator(DenseEstimator):
    """Runs a network whose values are shares of its largest depth."""

    default_options = BoundedOptions

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        *,
        device: torch.device | str = "cpu",
        options: BoundedOptions | None = None,
    ) -> None:
        limit = None if options is None else options.max_depth
        if limit is not None and card.max_depth_m is not None:
            network.max_depth = limit
            sky = card.sky_above_m and card.sky_above_m * limit / card.max_depth_m
            card = replace(card, max_depth_m=limit, sky_above_m=sky)
        super().__init__(card, network, device=device, options=options)

    def with_options(self, **changes: Any) -> Estimator:
        if changes.get("max_depth", self.options.max_depth) != self.options.max_depth:
            raise ValueError("estimators that share a network share its max_depth: load another")
        return super().with_options(**changes)
