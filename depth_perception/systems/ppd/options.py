"""Options of Pixel-Perfect Depth; importing them loads no network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from ...options import model_option, shared
from ..moge.options import MogeOptions
from ..options import EstimatorOptions

Alignment = Literal["robust", "ransac", "none"]

MAX_PIXELS = 1024 * 768


@dataclass(frozen=True)
class PpdOptions(EstimatorOptions):
    """How Pixel-Perfect Depth runs.

    With ``output_size="input"`` each pixel takes the value nearest to it: interpolation would
    bring back the flying pixels that this model avoids.
    """

    lacks: ClassVar[Mapping[str, str]] = {"height": "max_pixels", "flip": "", "seam": ""}

    steps: int = model_option(
        4,
        "Number of evaluations of the diffusion transformer per image; more are sharper and "
        "slower.",
        within=(1, 200),
    )
    seed: int = model_option(
        0,
        "Random seed of the initial noise (shared by all images of one size).",
        within=(0, 2**31 - 1),
    )
    max_pixels: int = model_option(
        MAX_PIXELS,
        "Number of pixels of the network input. Run time grows with its square.",
        unit="px",
        within=(256, 2**24),
    )
    align: Alignment = model_option(
        "robust",
        "Alignment to the metric depth of MoGe-2: robust rejects poor fits, ransac fits as the "
        "authors' scripts do, none returns relative depth.",
        choices=get_args(Alignment),
    )
    num_tokens: int | None = shared(MogeOptions, "num_tokens", group="moge")
    share_encoder: bool = model_option(
        False,
        "Run the encoder of MoGe-2 once for both semantics and metric depth (ppd-large-moge "
        "only). The metric depth changes slightly.",
    )
    semantics_checkpoint: str | Path | None = model_option(
        None,
        "Weights file of the network that gives the semantics. Unset: the downloaded weights.",
        unset="",
    )
    moge_checkpoint: str | Path | None = model_option(
        None,
        "Weights file of the MoGe-2 model that the depth is aligned to (moge-2-vitl-normal). "
        "Unset: the downloaded weights, or those of the semantics.",
        unset="",
    )
