"""Pixel-Perfect Depth (arXiv 2510.07316): pre-training and fine-tuning of its transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ...evaluation.relative import aligned_metrics
from ...systems import load_network
from ...systems.catalog import model as catalogued
from ...systems.ppd.flow import ends_of, noised
from ...systems.ppd.network import PixelPerfectDepth
from ...systems.ppd.semantics import DepthAnythingSemantics, MogeSemantics, semantics_of
from ...systems.ppd.transformer import SpDit
from .. import module, recipe
from ..module import seeded_network
from ..strict_mapping import errors_of
from .data import DataRecipe, PpdBatch, PpdData
from .losses import FARTHEST_M, gradient_loss, normalised_target, velocity_loss


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the weights of the encoder that prompts the transformer; None takes the downloaded
    weights of the model in the catalogue."""

    semantics: str | None = None


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the terms: velocity, and gradients of the denoised depth (0 in pre-training)."""

    velocity: float = 1.0
    gradient: float = 0.0


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """Adds the number of evaluations of the transformer per validation frame."""

    sampling_steps: int = 4


@dataclass(frozen=True, kw_only=True)
class PpdRecipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    losses: LossRecipe = LossRecipe()


RECIPE = PpdRecipe


class PpdTraining(module.Training):
    """Trains the transformer; the encoder that prompts it is frozen.

    Validation as in the paper: a few sampling steps, then alignment in log(depth + 1).
    """

    lower = ("abs_rel",)
    higher = ("d0_5", "d1", "d2", "d3")
    recipe: PpdRecipe
    network: SpDit

    def __init__(
        self, recipe: PpdRecipe, network: SpDit, semantics: DepthAnythingSemantics | MogeSemantics
    ) -> None:
        super().__init__(recipe, network)
        self._guide = (semantics,)  # in a tuple: neither saved nor averaged

    def on_fit_start(self) -> None:
        self._guide[0].to(self.device)

    def losses(self, batch: PpdBatch) -> Mapping[str, Tensor]:
        with torch.no_grad():
            semantics = self._guide[0](batch.images)
        target = normalised_target(batch.depth_m, batch.mask)
        latent = noised(target, batch.noise, batch.times)
        seen = torch.cat((latent, batch.images - 0.5), 1)
        velocity = self.network(seen, semantics, batch.times).float()
        weights = self.recipe.losses
        error = velocity_loss(velocity, batch.noise, target, batch.mask)
        terms = {"velocity": weights.velocity * error}
        if weights.gradient > 0:
            clean, _ = ends_of(velocity, latent, batch.times)
            terms["gradient"] = weights.gradient * gradient_loss(clean, target, batch.mask)
        return terms

    def evaluate(self, batch: PpdBatch) -> Mapping[str, float] | None:
        if int(batch.mask.sum()) < 2:
            return None
        values = self._sampled(batch)
        return aligned_metrics(values, batch.depth_m, batch.mask)

    def preview(self, batch: PpdBatch) -> Tensor | None:
        if not (batch.mask & (batch.depth_m < FARTHEST_M)).any():
            return None
        known = torch.where(batch.mask, normalised_target(batch.depth_m, batch.mask) + 0.5, 0)
        maps = torch.cat((self._sampled(batch), known), 3)[0].clamp(0, 1)
        return torch.cat((batch.images[0], maps.expand(3, -1, -1)), 2)

    def _sampled(self, batch: PpdBatch) -> Tensor:
        whole = PixelPerfectDepth(self.eval_network, self._guide[0])
        return whole(batch.images, batch.noise, self.recipe.run.sampling_steps).float()


def prepare(recipe: PpdRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Transformer, encoder and frames of a recipe; errors: see :mod:`depth_perception.training`."""
    network = seeded_network(recipe, SpDit)
    semantics = catalogued(recipe.model.name).arguments["semantics"]
    guide = semantics_of(load_network(semantics, recipe.model.semantics))
    with errors_of("data"):
        data = PpdData(recipe.data, recipe.run.seed, recipe.run.val_frames)
    return module.Prepared(PpdTraining(recipe, network, guide), data)
