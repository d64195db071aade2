"""Options of EoMT; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..panoptic_options import PanopticOptions
from .config import EomtLimits


@dataclass(frozen=True)
class EomtOptions(PanopticOptions):
    """How EoMT runs.

    With ``output_size="network"`` and without another model's depth, segments have the size at
    which the network sees the image.

    Attributes:
        limits: which queries become segments; a mapping gives some of its fields.
    """

    lacks: ClassVar[Mapping[str, str]] = {"height": "", "flip": "", "seam": ""}

    limits: EomtLimits = field(default_factory=EomtLimits)

    def __post_init__(self) -> None:
        if isinstance(self.limits, Mapping):
            object.__setattr__(self, "limits", EomtLimits(**self.limits))
        super().__post_init__()
