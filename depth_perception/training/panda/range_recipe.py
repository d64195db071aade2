"""What a recipe of the task ``range`` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .. import recipe
from .augment import AugmentRecipe
from .frames import DataRecipe
from .loss_terms import LossRecipe


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Which parameters move as well.

    Attributes:
        train: ``full`` moves every parameter; ``lora`` freezes the encoder except its LoRA
            branches and moves the head.
        start: model of the catalogue whose file ``checkpoint`` is, where it is another one than
            ``name``: PanDA starts from the metric indoor weights of Depth Anything V2.
    """

    train: Literal["full", "lora"] = "full"
    start: str | None = None


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """How to judge as well.

    Attributes:
        align: fit scale and shift of each frame before it is judged.
    """

    align: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    losses: tuple[LossRecipe, ...]
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        if not self.losses:
            raise ValueError("losses must name at least one loss")
