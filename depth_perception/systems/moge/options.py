"""Options of MoGe-2; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...options import model_option
from ..options import EstimatorOptions


@dataclass(frozen=True)
class MogeOptions(EstimatorOptions):
    """How MoGe-2 runs.

    With ``output_size="network"`` its maps are made at the size at which the encoder sees the
    image, which the number of tokens decides.
    """

    lacks: ClassVar[Mapping[str, str]] = {"height": "num_tokens", "flip": "", "seam": ""}

    num_tokens: int | None = model_option(
        None,
        "Approximate number of image tokens of MoGe-2, also where it is the reference of "
        "Pixel-Perfect Depth. Fewer are faster. Unset: the largest number of its training.",
        within=(1, 100_000),
        unset=0,
    )
