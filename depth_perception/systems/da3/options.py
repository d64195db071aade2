"""Options of Depth Anything 3; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from ...options import model_option
from ..options import EstimatorOptions

SizeRule = Literal[
    "upper_bound_resize", "upper_bound_crop", "lower_bound_resize", "lower_bound_crop"
]
Sky = Literal["invalid", "filled"]


@dataclass(frozen=True)
class Da3Options(EstimatorOptions):
    """How the monocular models of Depth Anything 3 run."""

    lacks: ClassVar[Mapping[str, str]] = {"height": "process_res", "flip": "", "seam": ""}

    process_res: int | None = model_option(
        None,
        "Side of the network input: of the longer side of the image with process_res_method "
        "upper_bound_*, of the shorter one with lower_bound_*. Fewer pixels are faster. Unset: the "
        "default of the model.",
        unit="px",
        within=(14, 4096),
        unset=0,
    )
    process_res_method: SizeRule = model_option(
        "upper_bound_resize",
        "How the network input gets its size. upper_bound and lower_bound: the longer or the "
        "shorter side of the image becomes process_res. resize: sides are then resized to the "
        "nearest multiples of 14. crop: they are cut to multiples of 14; the border has no depth.",
        choices=get_args(SizeRule),
    )
    sky: Sky = model_option(
        "invalid",
        "Depth of sky. invalid: sky has no depth. filled: sky has the 99 % quantile of the depth "
        "of the remaining pixels, as the authors fill it.",
        choices=get_args(Sky),
    )
