"""Options of the blind-spot VGG; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from ...options import model_option, option, shared
from ..options import EstimatorOptions, Seam
from .config import ANISOTROPY, KITTI_BASELINE_M, PANORAMA_BASELINE_M

RangeFormula = Literal["authors", "consistent", "training", "relative"]
"""How a disparity becomes the range of a panorama; see :func:`~.disparity.range_factor`."""
PinholeFormula = Literal["authors", "relative"]


def _positive(default: float, text: str, **properties: object) -> float:
    return model_option(default, text, minimum=1e-9, **properties)


@dataclass(frozen=True)
class BlindSpotOptions(EstimatorOptions):
    """How the blind-spot VGG runs on panoramas. ``height`` is half the columns of a full turn.

    ``seam`` and ``flip`` are on, as the authors run it; their ring padding is ``circular``.
    """

    seam: Seam = shared(EstimatorOptions, "seam", default="circular")
    flip: bool = shared(EstimatorOptions, "flip", default=True)
    formula: RangeFormula = model_option(
        "authors",
        "How disparity becomes metres: authors, consistent or training, see docs/systems/"
        "blindspot.md. relative returns the disparity itself: inverse range up to one factor.",
        choices=get_args(RangeFormula),
    )
    baseline_m: float = _positive(
        PANORAMA_BASELINE_M,
        "Distance between the two cameras with which the blind-spot VGG was trained.",
        unit="m",
    )
    training_fov_deg: float = _positive(
        82.5, "Field of view of the images of the training.", unit="deg", maximum=360.0
    )
    training_width: int = model_option(512, "Width of the training images.", unit="px", minimum=1)
    latitudes_deg: tuple[float, float] | None = option(
        (-15.5, 37.3),
        "(upper, lower) border, degrees downward from the horizon, of what the network sees; the "
        "rest is not valid. The default is the crop of the paper, rows 424 to 723 of 1024. None "
        "shows everything.",
        unit="deg",
        library_only=True,
    )
    anisotropy: float = _positive(
        ANISOTROPY, "Columns per degree divided by rows per degree of the network input."
    )
    authors_size: tuple[int, int] | None = option(
        None,
        "(height, width) of the network input in the authors' evaluation, which is then followed "
        "exactly: no crop, Lanczos on bytes, zeros on top. height, latitudes_deg and anisotropy "
        "have no effect, and an image without a camera is a full turn with its horizon in the "
        "middle.",
        unit="px",
        library_only=True,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.latitudes_deg is not None:
            upper, lower = self.latitudes_deg
            if not -90 <= upper < lower <= 90:
                raise ValueError(
                    "latitudes_deg must be (upper, lower) with -90 <= upper < lower <= 90, "
                    f"downward from the horizon, got {self.latitudes_deg}"
                )
        if self.authors_size is not None and min(self.authors_size) < 1:
            raise ValueError(f"authors_size must be positive, got {self.authors_size}")


@dataclass(frozen=True)
class BlindSpotPinholeOptions(EstimatorOptions):
    """How the same network runs on pinhole images. ``height`` is half its columns, as in training.

    ``flip`` takes the outer twentieths of the image from one run alone, as monodepth does.
    """

    formula: PinholeFormula = model_option(
        "authors",
        "How disparity becomes z-depth: authors is z = f_x B / (d W); relative returns the "
        "disparity itself: inverse z-depth up to one factor.",
        choices=get_args(PinholeFormula),
    )
    baseline_m: float = shared(BlindSpotOptions, "baseline_m", default=KITTI_BASELINE_M)
