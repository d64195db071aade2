"""The recipe of the task ``panda``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .. import recipe
from .augment import AugmentRecipe
from .frames import DataRecipe
from .losses import LossRecipe


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the choice of trained parameters.

    Attributes:
        train: ``full`` trains every parameter; ``lora`` freezes the encoder except its LoRA
            branches and trains the head.
        start: model of the ``checkpoint`` in the catalogue if it is not ``name``: PanDA starts from
            the metric indoor weights of Depth Anything V2.
    """

    train: Literal["full", "lora"] = "full"
    start: str | None = None


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """Adds the alignment in validation.

    Attributes:
        align: fit scale and shift of each frame before validation.
    """

    align: bool = False


@dataclass(frozen=True, kw_only=True)
class PandaRecipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    losses: tuple[LossRecipe, ...]
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("losses must name at least one loss")
