"""How the parameters of ScaleDepth move."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from torch import nn

from ...systems.scaledepth.network import ScaleDepth
from .. import recipe
from ..module import Motion
from ..schedules import Poly, Schedule

_EMBEDDINGS = ("queries.content.", "queries.position.", "queries.level.")


@dataclass(frozen=True)
class OptimRecipe(recipe.OptimRecipe):
    """As the authors ran it.

    Attributes:
        encoder_lr: factor of the learning rate for the encoder.
    """

    kind: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 0.05
    schedule: Schedule = field(default_factory=Poly)
    clip: float | None = 0.01
    encoder_lr: float = 0.1

    def __post_init__(self) -> None:
        if not self.encoder_lr >= 0:
            raise ValueError(f"encoder_lr must not be negative, got {self.encoder_lr}")


def motions(network: ScaleDepth, encoder_lr: float) -> dict[str, Motion]:
    """Factors of learning rate and weight decay for each parameter by its name.

    Normalisations and query and level embeddings of the decoders do not decay. As in the authors'
    run, those of the encoder do.
    """
    plain = {name for name, _ in network.named_parameters() if name.startswith(_EMBEDDINGS)}
    for path, module in network.named_modules():
        if isinstance(module, (nn.LayerNorm, nn.GroupNorm)) and not path.startswith("encoder."):
            plain |= {f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)}
    return {
        name: Motion(encoder_lr if name.startswith("encoder.") else 1.0, float(name not in plain))
        for name, _ in network.named_parameters()
    }
