"""Supervised training on the range of panoramas: the teacher of PanDA, and the small model."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...evaluation.alignment import Alignment, align
from ...evaluation.metrics import depth_metrics
from ...io.colormaps import depth_picture
from .. import module
from ..stream import seed_of
from .frames import Batch, RangeData, denormalised, read_frames
from .losses import loss_value
from .networks import trainable_network
from .recipe import PandaRecipe

RECIPE = PandaRecipe


class RangeTraining(module.Training):
    """Trains (B, 3, H, W) normalised RGB to (B, 1, H, W) in the unit of the recipe's target."""

    lower = ("mae", "abs_rel", "sq_rel", "rms", "log_rms", "log10")
    higher = ("a1", "a2", "a3")
    recipe: PandaRecipe

    def __init__(self, recipe: PandaRecipe, network: nn.Module) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))

    def losses(self, batch: Batch) -> Mapping[str, Tensor]:
        pred = self.network(batch.images).float()
        seed = seed_of(self.recipe.run.seed, 3, batch.step)
        return {
            term.kind: loss_value(term, batch.target, pred, batch.mask, seed)
            for term in self.recipe.losses
        }

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
        target = batch.target[0, 0].cpu().numpy()
        limits = (0.0, float(batch.target[:1][mask].max()) if mask.any() else 1.0)
        maps = (
            depth_picture(pred[0, 0].cpu().numpy(), limits=limits),
            depth_picture(target, mask[0, 0].cpu().numpy(), limits=limits),
        )
        shown = [torch.from_numpy(rgb).permute(2, 0, 1) / 255 for rgb in maps]
        return torch.cat((denormalised(batch.images[:1])[0].cpu(), *shown), 1)

    def metadata(self) -> dict[str, str]:
        data = self.recipe.data
        options = json.dumps({"height": data.sizes[-1].height})
        return {"max_depth_m": str(data.max_depth_m), "target": data.target, "options": options}


def prepare(recipe: PandaRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and frames of a recipe.

    Raises:
        RecipeError, CheckpointError: see :func:`trainable_network`.
        OSError: a folder is missing. NoFramesError: it is empty.
    """
    network = trainable_network(recipe)
    return module.Prepared(RangeTraining(recipe, network), range_data(recipe, track))


def range_data(recipe: PandaRecipe, track: module.Track) -> RangeData:
    """Training and validation frames of a recipe.

    Raises:
        OSError: a folder is missing. NoFramesError: it is empty. RecipeError: no such split.
    """
    data = recipe.data
    frames = read_frames(data.sources, data.limit, lambda r: track(r, "reading training frames"))
    held_out = None
    if data.val_source is not None:
        held_out = read_frames(
            (data.val_source,), progress=lambda r: track(r, "reading validation frames")
        )
    return RangeData(frames, data, recipe.augment, held_out, recipe.run.val_frames)
