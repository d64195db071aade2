"""The options that every estimator has; importing them loads no network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, get_args

from ..options import Backend, Precision, check_options, model_option, option

Seam = Literal["auto", "off", "circular", "blend"]
OutputSize = Literal["network", "input"]

ASSUMED_PINHOLE_FOV_DEG = 55.0


@dataclass(frozen=True)
class EstimatorOptions:
    """How an estimator runs its network.

    Subclasses add the options of a system, and say in ``lacks`` which of these it does not have and
    which option, if any, takes their place.
    """

    lacks: ClassVar[Mapping[str, str]] = {}

    height: int | None = model_option(
        None,
        "Rows of the network input: of the full sphere for panoramic models, the shorter side for "
        "pinhole models, the side of a panel where a pinhole model runs on a panorama. Sides are "
        "rounded to multiples of the patch size. Fewer rows are faster. Unset: the default of the "
        "model; the model inside the package is trained for its own 112 rows only.",
        unit="px",
        within=(1, 16384),
        unset=0,
    )
    precision: Precision = model_option(
        "float32",
        "Arithmetic of the encoder; heads and geometry stay in float32, of a panoptic model only "
        "its depth branch and geometry. Other backends than torch use it for the whole network.",
        choices=get_args(Precision),
    )
    backend: Backend = model_option(
        "torch",
        "Inference backend: torch, openvino (CPU), onnxruntime or tensorrt (CUDA), or inductor "
        "(compiled by PyTorch). All but torch compile the network for each image size when it is "
        "first used and cache the result; inductor needs a C++ compiler for that.",
        choices=get_args(Backend),
    )
    seam: Seam = model_option(
        "auto",
        "How the left/right seam of a full-turn panorama is handled: off (as in the original "
        "models), circular (padding across the seam, at no cost), auto (circular), or blend "
        "(blended with a run on the image turned by 180 degrees, at twice the cost). Pinhole "
        "models have no seam.",
        choices=get_args(Seam),
    )
    flip: bool = model_option(
        False,
        "Average with the prediction of the mirrored image: slightly better, at twice the cost.",
    )
    output_size: OutputSize = model_option(
        "network",
        "Size of the result: that of the network output, or resampled to the input image.",
        choices=get_args(OutputSize),
    )
    align_corners: bool = option(
        False,
        "Align the corners when resampling to the image, as the authors' infer_image methods do; "
        "by default pixel centres are aligned, as in their scripts.",
        library_only=True,
    )

    def __post_init__(self) -> None:
        check_options(self)
        if self.align_corners and self.output_size != "input":
            raise ValueError('align_corners needs output_size="input": else nothing is resampled')
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ValueError(f"{item.name} must be finite, got {value}")
            is_neutral = (item.name, value) == ("seam", "off")
            if item.name in self.lacks and value != item.default and not is_neutral:
                instead = self.lacks[item.name]
                raise ValueError(
                    f"{item.name}={value!r} is not an option of this model"
                    + (f": use {instead}" if instead else "")
                )
