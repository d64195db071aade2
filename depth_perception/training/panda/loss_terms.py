"""Terms of a loss on depth, as recipes name them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from .. import losses
from .epnl import epnl

_LOSS_OPTIONS = {
    "silog": ("variance_focus",),
    "dav2_silog": ("variance_focus",),
    "gradient": ("scales", "both_axes"),
}


@dataclass(frozen=True)
class LossRecipe:
    """One term of the loss; which of the last three are used depends on ``kind``."""

    kind: Literal[
        "l1", "l2", "berhu", "silog", "dav2_silog", "rmselog", "log_l1", "relative_l1",
        "scale_invariant", "gradient", "l1norm", "epnl",
    ]  # fmt: skip
    weight: float = 1.0
    variance_focus: float | None = None
    scales: int | None = None
    both_axes: bool | None = None

    def __post_init__(self) -> None:
        unused = set(self.options()) - set(_LOSS_OPTIONS.get(self.kind, ()))
        if unused:
            raise ValueError(f"the loss {self.kind} has no {', '.join(sorted(unused))}")

    def options(self) -> dict[str, Any]:
        """The options that the recipe gives, for the loss function."""
        names = ("variance_focus", "scales", "both_axes")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


def loss_value(term: LossRecipe, target: Tensor, pred: Tensor, mask: Tensor, seed: int) -> Tensor:
    """One weighted term; all maps are (B, 1, H, W). EPNL draws its rectangles from the seed."""
    if term.kind == "epnl":
        return epnl(target, pred, mask, term.weight, rng=np.random.RandomState(seed % 2**32))
    loss = getattr(losses, term.kind)
    return loss(target, pred, mask, weight=term.weight, **term.options())
