"""The options of every panoptic model; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..options import model_option, option
from .options import EstimatorOptions


@dataclass(frozen=True)
class PanopticOptions(EstimatorOptions):
    """How a panoptic model runs, and which model measures the depth of its segments."""

    depth_model: str | None = model_option(
        None,
        "Metric depth model for pinhole images that gives the depth of the segments, such as "
        "moge-2-vits-normal, for any panoptic model. Unset: the depth of the panoptic model, if "
        "it has any.",
        unset="",
        group="panoptic",
    )
    depth_checkpoint: str | Path | None = model_option(
        None,
        "Weights file of the depth model that gives the depth of the segments. Unset: the "
        "downloaded weights.",
        unset="",
        group="panoptic",
    )
    drop: tuple[str, ...] = option(
        (),
        "Classes that are no segments of the result, such as ground and sky; their depth stays.",
        library_only=True,
    )
    without_depth: tuple[str, ...] = option(
        ("sky", "sky-other-merged"),
        "Classes whose depth is not valid; names that the model does not know have no effect.",
        library_only=True,
    )

    def __post_init__(self) -> None:
        if self.flip:
            raise ValueError("flip=True is not possible: segments of two runs are not the same")
        for name in ("drop", "without_depth"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name} must be a tuple of names, got {getattr(self, name)!r}")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()
