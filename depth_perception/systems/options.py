"""The options that every estimator has; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, get_args

from ..options import Backend, Precision, check_options, option

Seam = Literal["off", "circular", "blend"]
OutputSize = Literal["network", "input"]

ASSUMED_PINHOLE_FOV_DEG = 55.0


@dataclass(frozen=True)
class EstimatorOptions:
    """How an estimator runs its network.

    Subclasses add the options of a system, and say in ``lacks`` which of these it does not have and
    which option, if any, takes their place.
    """

    lacks: ClassVar[Mapping[str, str]] = {}

    height: int | None = option(
        None,
        "Rows of the network input: of the full sphere for panoramic models, the shorter side for "
        "pinhole models, the side of a panel where a pinhole model runs on a panorama. Sides are "
        "rounded to multiples of the patch size. Fewer rows are faster. Unset: the default of the "
        "model; the model inside the package is trained for its own 112 rows only.",
        unit="px",
        minimum=1,
        maximum=16384,
        unset=0,
        reload=True,
    )
    precision: Precision = option(
        "float32",
        "Arithmetic of the encoder; heads and geometry stay in float32, of a panoptic model only "
        "its depth branch and geometry. Other backends than torch use it for the whole network.",
        choices=get_args(Precision),
        reload=True,
    )
    backend: Backend = option(
        "torch",
        "Inference backend: torch, openvino (CPU), onnxruntime or tensorrt (CUDA), or inductor "
        "(compiled by PyTorch). All but torch compile the network for each image size when it is "
        "first used and cache the result; inductor needs a C++ compiler for that.",
        choices=get_args(Backend),
        reload=True,
    )
    seam: Seam = option(
        "off",
        "How the left/right seam of a full-turn panorama is handled: off (as in the original "
        "models), circular (padding across the seam, at no cost) or blend (blended with a run on "
        "the image turned by 180 degrees, at twice the cost). Pinhole models have no seam.",
        choices=get_args(Seam),
        reload=True,
    )
    flip: bool = option(
        False,
        "Average with the prediction of the mirrored image: slightly better, at twice the cost.",
        reload=True,
    )
    output_size: OutputSize = option(
        "input",
        "Size of the result: that of the network output, or resampled to the input image.",
        choices=get_args(OutputSize),
        reload=True,
    )
    align_corners: bool = option(
        False,
        "Align the corners when resampling to the image, as the authors' infer_image methods do; "
        "by default pixel centres are aligned, as in their scripts.",
        library_only=True,
    )

    def __post_init__(self) -> None:
        check_options(self)
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name in self.lacks and value != item.default:
                instead = self.lacks[item.name]
                raise ValueError(
                    f"{item.name}={value!r} is not an option of this model"
                    + (f": use {instead}" if instead else "")
                )
