"""Metric depth of pinhole images by ScaleDepth (arXiv 2407.08187)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...evaluation.nyu_kitti import PROTOCOLS
from ...systems.scaledepth.files import load_clip_trunk, read_class_embeddings
from ...systems.scaledepth.network import ScaleDepth
from ...systems.scaledepth.windows import fitted_size, scaledepth_input, scene_depth
from .. import module, recipe
from ..module import LearningFactors, seeded_network, shown
from ..recipe import Poly, Schedule
from ..strict_mapping import RecipeError
from .data import DataRecipe, PhotoBatch, PhotoData
from .losses import ScaleDepthLosses, scaledepth_losses

_NYU_SIDES = 2000, 480  # maximum of the longer and the shorter side of validation images
_EMBEDDINGS = ("queries.content.", "queries.position.", "queries.level.")


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the initial parameters of a network without ``checkpoint``.

    Attributes:
        encoder: file of ``convnext_large_d_320`` of open_clip, whose visual half is the encoder;
            None starts from random parameters.
        class_embeddings: file of ``depth-perception scenes`` or of the authors; required by
            networks with scene classes.
    """

    encoder: str | None = None
    class_embeddings: str | None = None


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """See the base class."""

    metric: str = "rmse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers != 1:
            raise ValueError(
                f"workers must be 1, got {self.workers}: the encoder drops blocks at random"
            )


@dataclass(frozen=True)
class OptimRecipe(recipe.OptimRecipe):
    """The settings of the authors. ``encoder_lr``: factor of the learning rate for the encoder."""

    kind: Literal["adam", "adamw"] = "adamw"
    weight_decay: float = 0.05
    schedule: Schedule = field(default_factory=Poly)
    clip: float | None = 0.01
    encoder_lr: float = 0.1

    def __post_init__(self) -> None:
        if not self.encoder_lr >= 0:
            raise ValueError(f"encoder_lr must not be negative, got {self.encoder_lr}")


@dataclass(frozen=True, kw_only=True)
class ScaleDepthRecipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    losses: ScaleDepthLosses = field(default_factory=ScaleDepthLosses)


RECIPE = ScaleDepthRecipe


class ScaleDepthTraining(module.Training):
    """Trains RGB, 0 to 255, to relative depth, scale and scene class."""

    lower = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog")
    higher = ("d0_5", "d1", "d2", "d3")
    recipe: ScaleDepthRecipe
    network: ScaleDepth

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        return learning_factors(self.network, name, self.recipe.optim.encoder_lr)

    def losses(self, batch: PhotoBatch) -> Mapping[str, Tensor]:
        queries, options = self.network.layers(batch.images.float()), self.recipe.losses
        return scaledepth_losses(self.network, queries, batch.depth_m, batch.scenes, options)

    def evaluate(self, batch: PhotoBatch) -> Mapping[str, float] | None:
        (kind,) = batch.kinds
        protocol = replace(PROTOCOLS[kind], clamp=self.recipe.data.clamp)
        found = protocol.metrics(self._depth(batch), batch.depth_m[0, 0])
        if found is None:
            return None
        return {f"{kind}/{name}": value for name, value in found.items()}

    def preview(self, batch: PhotoBatch) -> Tensor:
        """The photo, the predicted depth, and the ground truth."""
        target = batch.depth_m[0, 0]
        limits = (0.0, max(float(target.max()), 1.0))
        maps = (shown(self._depth(batch), limits), shown(target, limits, target > 0))
        return torch.cat((batch.images[0].cpu().float() / 255, *maps), 2)

    def _depth(self, batch: PhotoBatch) -> Tensor:
        """Depth (H, W) of the only image of a batch, as evaluated by the authors, metres."""
        (kind,), target = batch.kinds, batch.depth_m[0, 0]
        pixels = batch.images[0].permute(1, 2, 0)
        size = fitted_size(*target.shape, *_NYU_SIDES) if kind == "nyu" else tuple(target.shape)
        depth = scene_depth(self.eval_network, scaledepth_input(pixels, size)).depth_m.float()
        if size != target.shape:
            depth = F.interpolate(depth, target.shape, mode="bilinear")
        return depth[0, 0]

    def summary(self, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        """The mean over all images, and over those of each data set if there are several."""
        kinds = sorted({name.partition("/")[0] for row in rows for name in row})
        means = {}
        for name in (*self.lower, *self.higher):
            values = {
                kind: [row[f"{kind}/{name}"] for row in rows if f"{kind}/{name}" in row]
                for kind in kinds
            }
            everything = [value for found in values.values() for value in found]
            means[name] = sum(everything) / len(everything)
            if len(kinds) > 1:
                means |= {f"{kind}/{name}": sum(v) / len(v) for kind, v in values.items()}
        return means


def prepare(recipe: ScaleDepthRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and photos of a recipe.

    Raises RecipeError, CheckpointError: see :func:`starting_network`. FileNotFoundError,
    NoFramesError: see :class:`PhotoData`.
    """
    training = ScaleDepthTraining(recipe, starting_network(recipe))
    return module.Prepared(training, PhotoData(recipe.data, recipe.run.val_frames))


def starting_network(recipe: ScaleDepthRecipe) -> ScaleDepth:
    """The network of a recipe with its initial parameters.

    Raises RecipeError, CheckpointError: see :func:`seeded_network`; RecipeError also for a recipe
    without the scene classes that the network learns.
    """
    model = recipe.model
    given = model.encoder is not None or model.class_embeddings is not None
    if model.checkpoint is not None and given:
        raise RecipeError("model: a checkpoint has its own encoder and class_embeddings")
    network = seeded_network(recipe, ScaleDepth)
    if model.checkpoint is not None:
        return network
    if model.encoder is not None:
        load_clip_trunk(network, model.encoder)
    if network.class_embeddings is not None:
        if model.class_embeddings is None:
            raise RecipeError(
                f"model.class_embeddings: {model.name} learns scene classes, so it requires their "
                "text embeddings: make them with depth-perception scenes"
            )
        found = read_class_embeddings(model.class_embeddings, *network.class_embeddings.shape)
        network.class_embeddings.copy_(found)
    return network


def learning_factors(network: ScaleDepth, name: str, encoder_lr: float) -> LearningFactors:
    """Factors of learning rate and weight decay of a parameter.

    Normalisations and query and level embeddings of the decoders have no weight decay; those of the
    encoder have, as in the run of the authors.
    """
    if name.startswith("encoder."):
        return LearningFactors(encoder_lr)
    part = network.get_submodule(name.rpartition(".")[0])
    plain = name.startswith(_EMBEDDINGS) or isinstance(part, (nn.LayerNorm, nn.GroupNorm))
    return LearningFactors(decay=float(not plain))
