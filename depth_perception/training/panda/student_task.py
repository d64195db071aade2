"""The student of PanDA, trained on range of synthetic panoramas and pseudo labels of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from ...geometry.mobius import Mobius, mobius_grid
from .. import module
from ..stream import NoFramesError, seed_of
from .augment import AugmentRecipe
from .losses import loss_value
from .networks import trainable_network
from .recipe import PandaRecipe
from .student_data import (
    DataRecipe,
    LabelledImages,
    StudentBatch,
    StudentData,
    TeacherRecipe,
    write_pseudo_labels,
)
from .task import RangeTraining, range_data

_LABELLED, _PSEUDO, _WARP = 3, 4, 5  # random streams of a step


@dataclass(frozen=True)
class Weights:
    """Weights of the four parts of the loss; a part of weight 0 is not computed."""

    labelled: float = 1.0
    pseudo: float = 1.0
    colour: float = 1.0
    mobius: float = 1.0


@dataclass(frozen=True)
class Consistency:
    """Strong augmentation of the student's input; the target is its output on the plain image.

    Attributes:
        vertical_res: rolls are drawn from +- pi / this, 0 for none.
        zoom_res: zooms are drawn from 1 to 1 plus this.
        detach: no gradient through the output on the plain image. The authors use the gradient of
            both sides.
        colour: change of colours; yaw and mirror are not used.
    """

    vertical_res: float = 18.0
    zoom_res: float = 0.5
    detach: bool = False
    colour: AugmentRecipe = field(
        default_factory=lambda: AugmentRecipe(yaw=False, flip=0.0, jitter=1.0)
    )

    def __post_init__(self) -> None:
        if self.colour.yaw or self.colour.flip or self.colour.noise:
            raise ValueError("colour must have yaw: false, flip: 0 and noise: 0")
        if self.vertical_res < 0 or self.zoom_res < 0:
            raise ValueError("vertical_res and zoom_res must not be negative")


@dataclass(frozen=True, kw_only=True)
class StudentRecipe(PandaRecipe):
    """A whole training run.

    Attributes:
        losses: of range and pseudo labels; the first is also used for consistency.
        teacher: writes missing pseudo labels; None if all exist.
    """

    data: DataRecipe
    weights: Weights = field(default_factory=Weights)
    consistency: Consistency = field(default_factory=Consistency)
    teacher: TeacherRecipe | None = None


RECIPE = StudentRecipe


class StudentTraining(RangeTraining):
    """Adds pseudo labels and consistency to the training of ranges."""

    recipe: StudentRecipe

    def losses(self, batch: StudentBatch) -> Mapping[str, Tensor]:
        """The weighted terms of range, pseudo labels, and consistency of colour and warp."""
        weights, run = self.recipe.weights, self.recipe.run
        views = [batch.images, batch.raw]
        if weights.colour:
            views.append(batch.strong)
        if weights.mobius:
            grid = mobius_grid(
                *batch.raw.shape[-2:], self.warp(batch.step), device=batch.raw.device
            )
            views.append(grid.sample(batch.raw, "nearest"))
        known, raw, *changed = self.network(torch.cat(views)).float().split(len(batch))
        terms = {}
        for part, target, pred, mask, weight, stream in (
            ("labelled", batch.target, known, batch.mask, weights.labelled, _LABELLED),
            ("pseudo", batch.pseudo, raw, batch.pseudo_mask, weights.pseudo, _PSEUDO),
        ):
            seed = seed_of(run.seed, stream, batch.step)
            if weight:
                for term in self.recipe.losses:
                    value = loss_value(term, target, pred, mask, seed)
                    terms[f"{part}_{term.kind}"] = weight * value
        plain = raw.detach() if self.recipe.consistency.detach else raw
        first, seed = self.recipe.losses[0], seed_of(run.seed, _PSEUDO, batch.step)
        if weights.colour:
            value = loss_value(first, plain, changed[0], batch.pseudo_mask, seed)
            terms["colour"] = weights.colour * value
        if weights.mobius:
            target = grid.sample(plain, "nearest")
            value = loss_value(first, target, changed[-1], (target > 0) & (target <= 1), seed)
            terms["mobius"] = weights.mobius * value
        return terms

    def warp(self, step: int) -> Mobius:
        """The warp of a step, the same for all its images."""
        changes = self.recipe.consistency
        rng = Random(seed_of(self.recipe.run.seed, _WARP, step))
        return Mobius.random(rng, changes.vertical_res, changes.zoom_res)


def prepare(recipe: StudentRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network, frames and images of a recipe; missing pseudo labels are written first.

    Raises:
        RecipeError, CheckpointError: see :func:`trainable_network` and
            :func:`write_pseudo_labels`.
        OSError: a folder or file is missing. NoFramesError: labels or all frames are missing.
    """
    data = recipe.data
    network = trainable_network(recipe)
    labelled = range_data(recipe, track)
    images = LabelledImages(data.unlabelled, data.every)
    folders = [Path(source.labels) for source in data.unlabelled]
    if recipe.teacher is not None:
        write_pseudo_labels(recipe.teacher, images, folders, track)
    missing = [i for i in range(len(images)) if not images.label_path(i).is_file()]
    if missing:
        raise NoFramesError(
            f"{len(missing)} of {len(images)} images have no pseudo label, the first is "
            f"{images.label_path(missing[0])}; name a teacher to write them"
        )
    return module.Prepared(
        StudentTraining(recipe, network),
        StudentData(labelled, images, data, recipe.consistency.colour),
    )
