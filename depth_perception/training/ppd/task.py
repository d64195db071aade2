"""Pixel-Perfect Depth (arXiv 2510.07316): pre-training and fine-tuning of its transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from ...evaluation.relative import aligned_metrics
from ...systems import build_network, card, load_network
from ...systems.catalog import model as catalogued
from ...systems.catalog import system_of
from ...systems.ppd.flow import ends_of, noised
from ...systems.ppd.network import PixelPerfectDepth
from ...systems.ppd.semantics import DepthAnythingSemantics, MogeSemantics, semantics_of
from ...systems.ppd.transformer import SpDit
from .. import module, recipe
from ..strict_mapping import RecipeError
from .data import DataRecipe, PpdBatch, PpdData
from .diffusion import FARTHEST_M, gradient_loss, normalised_target, velocity_loss


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Which encoder prompts the transformer as well.

    Attributes:
        semantics: its weights; None takes the fetched ones of the model that the catalogue says.
    """

    semantics: str | None = None


@dataclass(frozen=True)
class LossRecipe:
    """Weights of the terms: velocity, and gradients of the clean end (0 in pre-training)."""

    velocity: float = 1.0
    gradient: float = 0.0


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """How to judge as well.

    Attributes:
        sampling_steps: evaluations of the transformer for each judged frame.
    """

    sampling_steps: int = 4


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    losses: LossRecipe = LossRecipe()


class PpdTraining(module.Training):
    """Trains the transformer; the encoder that prompts it stays as it is.

    Validation is that of the paper: a few sampling steps, then the alignment in log(depth + 1).
    """

    lower = ("abs_rel",)
    higher = ("d0_5", "d1", "d2", "d3")
    recipe: Recipe
    network: SpDit

    def __init__(
        self, recipe: Recipe, network: SpDit, semantics: DepthAnythingSemantics | MogeSemantics
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

    def judge(self, batch: PpdBatch) -> Mapping[str, float] | None:
        if int(batch.mask.sum()) < 2:
            return None
        values = self._sampled(batch)
        return asdict(aligned_metrics(values, batch.depth_m, batch.mask))

    def picture(self, batch: PpdBatch) -> Tensor | None:
        if not (batch.mask & (batch.depth_m < FARTHEST_M)).any():
            return None
        known = torch.where(batch.mask, normalised_target(batch.depth_m, batch.mask) + 0.5, 0)
        maps = torch.cat((self._sampled(batch), known), 3)[0].clamp(0, 1)
        return torch.cat((batch.images[0], maps.expand(3, -1, -1)), 2)

    def _sampled(self, batch: PpdBatch) -> Tensor:
        whole = PixelPerfectDepth(self.judged, self._guide[0])
        return whole(batch.images, batch.noise, self.recipe.run.sampling_steps).float()


def prepare(
    recipe: Recipe, track: Callable[[range, str], Iterable[int]] | None = None
) -> module.Prepared:
    """Transformer, encoder and frames of a recipe.

    Raises:
        RecipeError: no such model, or one of another family.
        CheckpointError: weights are missing, or do not fit.
        OSError, NoFramesError: data are missing.
    """
    model = recipe.model
    try:
        card(model.name)
    except KeyError as error:
        raise RecipeError(f"model: {error.args[0]}") from error
    plan = catalogued(model.name)
    if system_of(model.name).name != "ppd":
        raise RecipeError(f"model.name: {model.name} is no model of Pixel-Perfect Depth")
    torch.manual_seed(recipe.run.seed)
    if model.checkpoint is None:
        network = build_network(model.name)
    else:
        network = load_network(model.name, model.checkpoint).requires_grad_(True)
    guide = semantics_of(load_network(plan.arguments["semantics"], model.semantics))
    try:
        data = PpdData(recipe.data, recipe.run.seed, recipe.run.val_frames)
    except ValueError as error:
        raise RecipeError(f"data: {error}") from error
    return module.Prepared(PpdTraining(recipe, network.train(), guide), data)
