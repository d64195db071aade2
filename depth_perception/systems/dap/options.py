"""Options of the estimator of DAP."""

from __future__ import annotations

from dataclasses import dataclass

from ...options import option
from ..options import EstimatorOptions


@dataclass(frozen=True)
class DapOptions(EstimatorOptions):
    """How DAP runs."""

    normalise: bool = option(
        True,
        "Subtract the ImageNet mean from the image and divide by its deviation, as the authors' "
        "evaluation does. False: only scale it to 0..1, as their inference script does.",
    )
