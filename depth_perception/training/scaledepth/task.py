"""Metric depth of pinhole pictures by ScaleDepth (arXiv 2407.08187)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...evaluation.nyu_kitti import PROTOCOLS
from ...io.colormaps import depth_picture
from ...systems import build_network, card, load_network
from ...systems.scaledepth.files import load_clip_trunk, read_class_embeddings
from ...systems.scaledepth.network import ScaleDepth
from ...systems.scaledepth.windows import fitted_size, scaledepth_input, scene_depth
from .. import module, recipe
from ..strict_mapping import RecipeError
from .data import DataRecipe, PhotoBatch, PhotoData
from .losses import ScaleDepthLosses, scaledepth_losses
from .optim import OptimRecipe, motions

_NYU_SIDES = 2000, 480  # the longer and the shorter side of a picture at most, when judged


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Where a network without ``checkpoint`` starts.

    Attributes:
        encoder: file of open_clip's ``convnext_large_d_320``, of which the encoder is the visual
            half; None starts from random parameters.
        class_embeddings: file of ``depth-perception scenes`` or of the authors; needed by networks
            with scene classes.
    """

    encoder: str | None = None
    class_embeddings: str | None = None


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """Length and bookkeeping; see the base class."""

    metric: str = "rmse"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.workers != 1:
            raise ValueError(
                f"workers must be 1, got {self.workers}: the encoder drops blocks at random"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Recipe):
    """A whole training run."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    optim: OptimRecipe = field(default_factory=OptimRecipe)
    losses: ScaleDepthLosses = field(default_factory=ScaleDepthLosses)


class ScaleDepthTraining(module.Training):
    """Trains RGB, 0 to 255, to relative depth, scale and scene class."""

    lower = ("abs_rel", "sq_rel", "rmse", "rmse_log", "log10", "silog")
    higher = ("d0_5", "d1", "d2", "d3")
    recipe: Recipe
    network: ScaleDepth

    def __init__(self, recipe: Recipe, network: ScaleDepth) -> None:
        super().__init__(recipe, network)
        self._motions = motions(network, recipe.optim.encoder_lr)

    def motion(self, name: str, parameter: nn.Parameter) -> module.Motion:
        return self._motions[name]

    def losses(self, batch: PhotoBatch) -> Mapping[str, Tensor]:
        queries = self.network.layers(batch.images.float())
        return scaledepth_losses(
            self.network, queries, batch.depth_m, batch.scenes, self.recipe.losses
        )

    def judge(self, batch: PhotoBatch) -> Mapping[str, float] | None:
        (kind,) = batch.kinds
        protocol = replace(PROTOCOLS[kind], clamp=self.recipe.data.clamp)
        found = protocol.metrics(self._depth(batch), batch.depth_m[0, 0])
        if found is None:
            return None
        return {f"{kind}/{name}": value for name, value in found.items()}

    def picture(self, batch: PhotoBatch) -> Tensor:
        """The photo, its depth, and the truth."""
        truth = batch.depth_m[0, 0]
        limits = (0.0, max(float(truth.max()), 1.0))
        maps = (
            depth_picture(self._depth(batch).cpu().numpy(), limits=limits),
            depth_picture(truth.cpu().numpy(), (truth > 0).cpu().numpy(), limits=limits),
        )
        shown = [torch.from_numpy(rgb).permute(2, 0, 1) / 255 for rgb in maps]
        return torch.cat((batch.images[0].cpu().float() / 255, *shown), 2)

    def _depth(self, batch: PhotoBatch) -> Tensor:
        """Depth (H, W) of the only image of a batch, as the authors judge it, metres."""
        (kind,), truth = batch.kinds, batch.depth_m[0, 0]
        pixels = batch.images[0].permute(1, 2, 0)
        size = fitted_size(*truth.shape, *_NYU_SIDES) if kind == "nyu" else tuple(truth.shape)
        depth = scene_depth(self.judged, scaledepth_input(pixels, size)).depth_m.float()
        if size != truth.shape:
            depth = F.interpolate(depth, truth.shape, mode="bilinear")
        return depth[0, 0]

    def summary(self, rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        """The mean over all images, and over those of each set where there are several."""
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


def prepare(
    recipe: Recipe, track: Callable[[range, str], Iterable[int]] = lambda indices, title: indices
) -> module.Prepared:
    """Network and photos of a recipe.

    Raises:
        RecipeError, CheckpointError: see :func:`starting_network`.
        FileNotFoundError, NoFramesError: see :class:`PhotoData`.
    """
    network = starting_network(recipe)
    return module.Prepared(
        ScaleDepthTraining(recipe, network), PhotoData(recipe.data, recipe.run.val_frames)
    )


def starting_network(recipe: Recipe) -> ScaleDepth:
    """The network of a recipe with its starting parameters.

    Raises:
        RecipeError: no such model, no ScaleDepth, or its scene classes are not told.
        CheckpointError: a file does not fit.
    """
    model = recipe.model
    try:
        card(model.name)
    except KeyError as error:
        raise RecipeError(f"model.name: {error.args[0]}") from error
    with torch.device("meta"):
        if not isinstance(build_network(model.name), ScaleDepth):
            raise RecipeError(f"model.name: {model.name} is no ScaleDepth")
    torch.manual_seed(recipe.run.seed)
    if model.checkpoint is not None:
        if model.encoder is not None or model.class_embeddings is not None:
            raise RecipeError("model: a checkpoint has its own encoder and class_embeddings")
        network = load_network(model.name, model.checkpoint)
        return network.requires_grad_(True).train()
    network = build_network(model.name)
    if model.encoder is not None:
        load_clip_trunk(network, model.encoder)
    if network.class_embeddings is not None:
        if model.class_embeddings is None:
            raise RecipeError(
                f"model.class_embeddings: {model.name} learns classes of scenes, so it needs their "
                "text embeddings: make them with depth-perception scenes"
            )
        classes, width = network.class_embeddings.shape
        network.class_embeddings.copy_(
            read_class_embeddings(model.class_embeddings, classes, width)
        )
    return network.train()
