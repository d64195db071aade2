"""Options of metric networks with a largest depth; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import model_option
from ..options import EstimatorOptions


@dataclass(frozen=True)
class BoundedOptions(EstimatorOptions):
    """How a metric network of Depth Anything V2 or PanDA runs."""

    max_depth: float | None = model_option(
        None,
        "Largest depth that a metric network of Depth Anything V2 or PanDA can return. Its weights "
        "file does not contain it: set it for weights fine-tuned with another one, whose metres "
        "are wrong by the ratio otherwise. Unset: that of the released model.",
        unit="m",
        minimum=0.01,
        maximum=10_000.0,
        unset=0.0,
    )
