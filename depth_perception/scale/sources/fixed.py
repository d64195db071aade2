"""Scale and shift that somebody knows beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..fits import FitModel, ScaleFit


@dataclass(frozen=True)
class FixedOptions:
    """Given numbers: ``scale * value + shift`` is what the model of the fit says.

    Attributes:
        scale: factor, positive.
        shift: offset, in metres for values that are depth, 1 / metre for inverse depth.
    """

    scale: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale > 0 and math.isfinite(self.shift)):
            raise ValueError(
                f"scale must be positive and both finite, got {self.scale} and {self.shift}"
            )


def fixed_fit(model: FitModel, options: FixedOptions) -> ScaleFit:
    """The given numbers as a fit of no samples.

    Raises:
        ValueError: a shift for a model without one.
    """
    if options.shift and not model.has_shift:
        raise ValueError(f"a fit of model {model.value!r} has no shift, got {options.shift}")
    return ScaleFit(model, options.scale, options.shift, 0.0, 0.0, 0.0, 0.0, 0, 0)
