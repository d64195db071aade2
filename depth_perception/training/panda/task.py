"""Supervised training on the range of panoramas: the teacher of PanDA, and the small model."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from ...evaluation.alignment import Alignment, align
from ...evaluation.metrics import depth_metrics
from ...layers import VitEncoder, add_lora
from ...systems import build_network, load_network
from ...systems.depth_anything.network import DepthAnything
from ...systems.panda.network import Panda
from .. import module, recipe
from ..module import known_card, shown
from ..stream import seed_of
from ..strict_mapping import RecipeError
from .augment import AugmentRecipe
from .frames import Batch, DataRecipe, RangeData, denormalised, read_frames
from .losses import LossRecipe, loss_value


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
    """Adds ``align``: fit scale and shift of each frame in validation."""

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


_LORA_RANK = 4


def trainable_network(recipe: PandaRecipe) -> Panda:
    """The network of a recipe with its initial parameters; those that are not trained are
    frozen. Raises RecipeError: no such model, or it cannot be trained so. CheckpointError: it
    does not fit."""
    model = recipe.model
    _check(recipe)
    scale = recipe.data.max_depth_m if recipe.data.target == "metric" else 1.0
    torch.manual_seed(recipe.run.seed)
    network = build_network(model.name, lora_rank=None, max_depth=scale)
    if model.checkpoint is None:
        spherical_positions(network.encoder)
        quiet_start(network)
    else:
        start = load_network(
            model.start or model.name, model.checkpoint, merge_lora=model.train != "lora"
        )
        if getattr(start, "lora_rank", None) == _LORA_RANK:  # continue with these branches
            _adapt(network)
        try:
            network.load_state_dict(start.state_dict())
        except RuntimeError as error:
            raise RecipeError(
                f"model.start: {model.start or model.name} lacks the layers of {model.name}: "
                f"{error}"
            ) from error
    if model.train == "lora" and network.lora_rank is None:
        _adapt(network)
    return network.train()


def _adapt(network: Panda) -> None:
    """Add LoRA branches, initially without effect, and freeze the rest of the encoder."""
    add_lora(network.encoder, _LORA_RANK)
    network.lora_rank = _LORA_RANK


def _check(recipe: PandaRecipe) -> None:
    """Reject models whose weights would not match their card in the catalogue."""
    model, data = recipe.model, recipe.data
    known = known_card(model.name)
    known_card(model.start or model.name, "model.start")
    with torch.device("meta"):
        trains = isinstance(build_network(model.name), Panda)
    if not trains:
        raise RecipeError(
            f"model.name: {model.name} cannot be trained, only PanDA can; to start from the "
            "weights of Depth Anything V2 name them in model.start and model.checkpoint"
        )
    if model.train == "lora" and model.checkpoint is None:
        raise RecipeError("model.train: lora freezes the encoder, so it requires model.checkpoint")
    if known.is_metric and (data.target != "metric" or data.max_depth_m != known.max_depth_m):
        raise RecipeError(
            f"data: {model.name} returns metres up to {known.max_depth_m:g}, so it needs target "
            f"metric and max_depth_m {known.max_depth_m:g}, not {data.target} and "
            f"{data.max_depth_m:g}"
        )


@torch.no_grad()
def spherical_positions(encoder: VitEncoder, frequency: float = 3.0, size: float = 0.3) -> None:
    """Initialise the position embedding by random waves of the viewing direction of each patch.

    Patches that are close on the sphere, also across the seam, get similar embeddings: Rahimi and
    Recht, "Random Features for Large-Scale Kernel Machines", on unit vectors.
    """
    rows, columns = encoder.native_grid
    latitude = (torch.arange(rows) + 0.5) / rows * math.pi - math.pi / 2
    longitude = (torch.arange(columns) + 0.5) / columns * 2 * math.pi - math.pi
    lat, lon = torch.meshgrid(latitude, longitude, indexing="ij")
    rays = torch.stack((lat.cos() * lon.sin(), lat.sin(), lat.cos() * lon.cos()), -1)
    dim = encoder.pos_embed.shape[-1]
    phases = 2 * math.pi * torch.rand(dim)
    waves = torch.sin(rays.flatten(0, 1) @ (frequency * torch.randn(3, dim)) + phases)
    encoder.pos_embed[0, 1:] = size * waves


@torch.no_grad()
def quiet_start(network: DepthAnything, fraction: float = 0.1, layer_scale: float = 0.1) -> None:
    """Initialise to about ``fraction`` of the largest depth, with weak residual branches.

    This keeps the output stable in the first large steps and permits a higher learning rate.
    """
    for block in network.encoder.blocks:
        block.ls1.gamma.fill_(layer_scale)
        block.ls2.gamma.fill_(layer_scale)
    for fusion in network.head.fuse:
        torch.nn.init.zeros_(fusion.skip.conv2.weight)
        torch.nn.init.zeros_(fusion.refine.conv2.weight)
    last = network.head.out[2]
    last.weight.mul_(0.3)
    last.bias.fill_(math.log(fraction / (1 - fraction)))


RECIPE = PandaRecipe


class RangeTraining(module.Training):
    """Trains (B, 3, H, W) normalised RGB to (B, 1, H, W) in the unit of the recipe's target."""

    lower = ("mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10")
    higher = ("a1", "a2", "a3")
    recipe: PandaRecipe

    def __init__(self, recipe: PandaRecipe, network: nn.Module) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        maps = (batch.target, self.network(batch.images).float(), batch.mask)
        seed = seed_of(self.recipe.run.seed, 3, batch.step)
        return {term.kind: loss_value(term, *maps, seed) for term in self.recipe.losses}

    def evaluate(self, batch: Batch) -> Mapping[str, float] | None:
        if not batch.mask.any():
            return None
        pred = self.eval_network(batch.images).float()
        how = Alignment.SCALE_SHIFT if self.recipe.run.align else Alignment.NONE
        pred = align(batch.target, pred, batch.mask, how)
        return depth_metrics(batch.target[batch.mask], pred[batch.mask])

    def preview(self, batch: Batch) -> Tensor:
        """The panorama, the prediction and the ground truth."""
        pred = self.eval_network(batch.images[:1]).float()
        mask = batch.mask[:1]
        if self.recipe.run.align:
            pred = align(batch.target[:1], pred, mask, Alignment.SCALE_SHIFT)
        limits = (0.0, float(batch.target[:1][mask].max()) if mask.any() else 1.0)
        maps = (shown(pred[0, 0], limits), shown(batch.target[0, 0], limits, mask[0, 0]))
        return torch.cat((denormalised(batch.images[:1])[0].cpu(), *maps), 1)

    def metadata(self) -> dict[str, str]:
        data = self.recipe.data
        options = json.dumps({"height": data.sizes[-1].height})
        return {"max_depth_m": str(data.max_depth_m), "target": data.target, "options": options}


def prepare(recipe: PandaRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and frames of a recipe.

    Raises RecipeError, CheckpointError: see :func:`trainable_network`. RecipeError, OSError,
    NoFramesError: see :func:`range_data`.
    """
    network = trainable_network(recipe)
    return module.Prepared(RangeTraining(recipe, network), range_data(recipe, track))


def range_data(recipe: PandaRecipe, track: module.Track) -> RangeData:
    """Training and validation frames of a recipe.

    Raises:
        OSError: a folder is missing. NoFramesError: it is empty.
        RecipeError: no such split, or a bad list.
    """
    data = recipe.data
    frames = read_frames(data.sources, data.limit, lambda r: track(r, "reading training frames"))
    held_out = None
    if data.val_source is not None:
        held_out = read_frames(
            (data.val_source,), progress=lambda r: track(r, "reading validation frames")
        )
    return RangeData(frames, data, recipe.augment, held_out, recipe.run.val_frames)
