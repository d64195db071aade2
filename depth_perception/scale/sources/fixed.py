"""Given scale and shift."""

from __future__ import annotations

from ...depth_space import FitModel, ScaleFit
from ..options import FixedOptions


def fixed_fit(model: FitModel, options: FixedOptions) -> ScaleFit:
    """The given numbers as a fit of no samples.

    Raises:
        ValueError: a shift for a model without one.
    """
    if options.shift and not model.has_shift:
        raise ValueError(f"a fit of model {model.value!r} has no shift, got {options.shift}")
    return ScaleFit(model, options.scale, options.shift, 0.0, 0.0, 0.0, 0.0, 0, 0)
