"""The student of PanDA: range of synthetic panoramas, and pseudo labels of real ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import torch
from torch import Tensor

from ...geometry.mobius import Mobius, mobius_grid
from .. import module
from ..stream import NoFramesError, seed_of
from . import task as supervised
from .augment import AugmentRecipe
from .loss_terms import loss_value
from .networks import trainable_network
from .pseudo_labels import TeacherRecipe, write_pseudo_labels
from .student_data import DataRecipe, LabelledPictures, StudentBatch, StudentData

_LABELLED, _PSEUDO, _WARP = 3, 4, 5  # streams of random numbers of a step


@dataclass(frozen=True)
class Weights:
    """Weights of the four parts of the loss; a part of weight 0 is left out."""

    labelled: float = 1.0
    pseudo: float = 1.0
    colour: float = 1.0
    mobius: float = 1.0


@dataclass(frozen=True)
class Consistency:
    """How the picture is changed that the student shall see as the plain one.

    Attributes:
        vertical_res: rolls are drawn from +- pi / this, 0 for none.
        zoom_res: zooms are drawn from 1 to 1 plus this.
        detach: take what is said of the plain picture as given. The authors let the gradient flow
            through both sides.
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
class Recipe(supervised.Recipe):
    """A whole training run.

    Attributes:
        losses: of range and pseudo labels; the first of them is that of consistency too.
        teacher: who writes pseudo labels that are missing, or None if all are there.
    """

    data: DataRecipe
    weights: Weights = field(default_factory=Weights)
    consistency: Consistency = field(default_factory=Consistency)
    teacher: TeacherRecipe | None = None


class StudentTraining(supervised.RangeTraining):
    """Adds pseudo labels and consistency to the training of ranges."""

    recipe: Recipe

    def losses(self, batch: StudentBatch) -> Mapping[str, Tensor]:
        """The weighted terms: of range, of pseudo labels, and two of consistency."""
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
        said = raw.detach() if self.recipe.consistency.detach else raw
        first, seed = self.recipe.losses[0], seed_of(run.seed, _PSEUDO, batch.step)
        if weights.colour:
            value = loss_value(first, said, changed[0], batch.pseudo_mask, seed)
            terms["colour"] = weights.colour * value
        if weights.mobius:
            target = grid.sample(said, "nearest")
            value = loss_value(first, target, changed[-1], (target > 0) & (target <= 1), seed)
            terms["mobius"] = weights.mobius * value
        return terms

    def warp(self, step: int) -> Mobius:
        """The warp of a step, the same for all its pictures."""
        changes = self.recipe.consistency
        rng = Random(seed_of(self.recipe.run.seed, _WARP, step))
        return Mobius.random(rng, changes.vertical_res, changes.zoom_res)


def prepare(
    recipe: Recipe, track: Callable[[range, str], Iterable[int]] = lambda indices, title: indices
) -> module.Prepared:
    """Network, frames and pictures of a recipe; labels that are missing are written first.

    Raises:
        RecipeError, CheckpointError: see :func:`trainable_network` and
            :func:`write_pseudo_labels`.
        OSError: a folder or file is missing. NoFramesError: labels are missing, or all frames.
    """
    data = recipe.data
    network = trainable_network(recipe)
    labelled = supervised.range_data(recipe, track)
    pictures = LabelledPictures(data.unlabelled, data.every)
    folders = [Path(source.labels) for source in data.unlabelled]
    if recipe.teacher is not None:
        write_pseudo_labels(recipe.teacher, pictures, folders, track)
    missing = [i for i in range(len(pictures)) if not pictures.label_path(i).is_file()]
    if missing:
        raise NoFramesError(
            f"{len(missing)} of {len(pictures)} pictures have no pseudo label, the first is "
            f"{pictures.label_path(missing[0])}; name a teacher to write them"
        )
    return module.Prepared(
        StudentTraining(recipe, network),
        StudentData(labelled, pictures, data, recipe.consistency.colour),
    )
