"""The student of PanDA, trained on range of synthetic panoramas and pseudo labels of real ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Literal

import torch
from torch import Tensor

from ...data.panoramas import PanoramaImages, nearest_map, open_images
from ...geometry.mobius import Mobius, mobius_grid
from ...io.atomic import write_text
from ...io.depth_files import read_depth, write_array
from ...systems import load_network
from .. import module
from ..module import Track, known_card, untracked
from ..stream import Draw, NoFramesError, seed_of
from ..strict_mapping import RecipeError
from . import frames
from .augment import AugmentRecipe, jitter
from .frames import Batch, RangeData, by_quantiles, normalise, resized_image
from .losses import loss_value
from .task import PandaRecipe, RangeTraining, range_data, trainable_network


@dataclass(frozen=True)
class UnlabelledRecipe:
    """Images and their pseudo labels.

    Attributes:
        kind: layout of the images; the ranges of ``worlds`` are not read.
        root: folder of the images. listing: a list of the images, one per line.
        labels: folder of the labels, float ``.npy`` in (0, 1], larger is farther, named as the
            images (``pano_`` becomes ``depth_``).
    """

    kind: Literal["zind", "360x", "diverse360", "worlds"]
    root: str
    labels: str
    listing: str | None = None


@dataclass(frozen=True)
class DataRecipe(frames.DataRecipe):
    """Frames with range as for the teacher, and ``unlabelled`` images with pseudo labels, of
    which every n-th is used (2 by the authors); an epoch shows each of them once."""

    unlabelled: tuple[UnlabelledRecipe, ...] = ()
    every: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.unlabelled:
            raise ValueError("unlabelled must name at least one folder of images")
        if self.every < 1:
            raise ValueError(f"every must be at least 1, got {self.every}")
        if self.target != "quantiles":
            raise ValueError("a student learns relative range: target must be quantiles")


@dataclass(frozen=True)
class StudentBatch(Batch):
    """A batch with range and the same number of images with pseudo labels.

    Attributes:
        raw, strong: (B, 3, H, W) network input of the images, plain and with changed colours.
        pseudo, pseudo_mask: (B, 1, H, W) pseudo labels in [0.01, 1], and their valid pixels.
    """

    raw: Tensor
    strong: Tensor
    pseudo: Tensor
    pseudo_mask: Tensor


class LabelledImages:
    """Images of several folders with their pseudo labels, read on access; OSError if missing."""

    def __init__(self, sources: Sequence[UnlabelledRecipe], every: int = 1) -> None:
        readers = [(open_images(s.kind, s.root, listing=s.listing), s) for s in sources]
        found = [
            (reader, index, Path(source.labels) / reader.label_name(index))
            for reader, source in readers
            for index in range(len(reader))
        ]
        self._items: list[tuple[PanoramaImages, int, Path]] = found[::every]

    def __len__(self) -> int:
        return len(self._items)

    def label_path(self, item: int) -> Path:
        """Path of the label of an image, which may not exist yet."""
        return self._items[item][2]

    def image(self, item: int) -> Tensor:
        """(3, H, W) uint8."""
        reader, index, _ = self._items[item]
        return reader[index]

    def label(self, item: int) -> Tensor:
        """(H, W) float32 output of the teacher, 0 where unknown; sky gets the largest value."""
        reader, index, path = self._items[item]
        label = torch.from_numpy(read_depth(path)).nan_to_num(0)
        sky = reader.sky(index)
        if sky is None:
            return label
        if sky.shape != label.shape:
            sky = sky[None, None].float()
            sky = torch.nn.functional.interpolate(sky, label.shape, mode="nearest")[0, 0] > 0
        return torch.where(sky, label.max(), label)

    def at(self, items: Iterable[int], height: int) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, h, 2 h) in [0, 1], labels (B, 1, h, 2 h) and their valid pixels."""
        items = tuple(items)
        rgb = torch.stack([resized_image(self.image(item), height) for item in items])
        label = torch.stack([nearest_map(self.label(item), height)[None] for item in items])
        mask = (label > 0) & (label <= 1)
        return rgb, by_quantiles(label, mask), mask


class StudentData:
    """Training items are the images; a random frame with range is added to each.

    Args:
        labelled: frames with range and their augmentation.
        images: images with pseudo labels. colours: colour changes of the images.
    """

    def __init__(
        self, labelled: RangeData, images: LabelledImages, data: DataRecipe, colours: AugmentRecipe
    ) -> None:
        self._labelled, self._images = labelled, images
        self._data, self._colours = data, colours
        self.held_out = labelled.held_out

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, draw: Draw) -> StudentBatch:
        """The batch of a step."""
        count = len(self._labelled)
        chosen = tuple(int(torch.randint(count, (), generator=g)) for g in draw.generators)
        known = self._labelled.batch(replace(draw, items=chosen))
        rgb, label, mask = self._images.at(draw.items, self._data.height(draw.progress))
        pairs = zip(rgb, draw.generators, strict=True)
        strong = torch.cat([jitter(image[None], self._colours, g) for image, g in pairs])
        views = (normalise(rgb), normalise(strong), label, mask)
        return StudentBatch(known.images, known.target, known.mask, *views, step=draw.step)


_NOTE = "teacher.json"


@dataclass(frozen=True)
class TeacherRecipe:
    """The teacher that makes missing pseudo labels, a model whose output grows with range.
    ``name`` is that in the catalogue, ``checkpoint`` the weights file, ``height`` that of the
    input image, in the paper twice that of the training."""

    name: str
    checkpoint: str
    height: int = 1008

    def __post_init__(self) -> None:
        if self.height < 14 or self.height % 14:
            raise ValueError(f"height must be a multiple of 14, got {self.height}")


def write_pseudo_labels(
    teacher: TeacherRecipe,
    images: LabelledImages,
    folders: Iterable[Path],
    track: Track = untracked,
) -> int:
    """Write the missing labels and return their number.

    A label is float32 in (0, 1), larger is farther, at the size of the teacher input. Each folder
    of labels gets a note on the teacher, so that labels of two teachers are not mixed.

    Args:
        folders: of the labels.

    Raises:
        RecipeError: no such teacher, or one without range; or a folder has the labels of another
            teacher.
        CheckpointError: the checkpoint does not fit.
    """
    if known_card(teacher.name, "teacher.name").camera != "equirectangular":
        raise RecipeError(f"teacher.name: {teacher.name} is not a model for panoramas")
    network = load_network(teacher.name, teacher.checkpoint)
    with open(teacher.checkpoint, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    note = {"teacher": teacher.name, "sha256": digest, "height": teacher.height}
    for folder in folders:
        _sign(folder, note)
    todo = [i for i in range(len(images)) if not images.label_path(i).is_file()]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device)
    for place in track(range(len(todo)), "writing pseudo labels"):
        rgb = resized_image(images.image(todo[place]), teacher.height)
        with torch.no_grad():
            values = network(normalise(rgb[None].to(device)))[0, 0] / network.max_depth
        write_array(images.label_path(todo[place]), values.float().cpu().numpy())
    return len(todo)


def _sign(folder: Path, note: dict[str, object]) -> None:
    path = folder / _NOTE
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        if found != note:
            raise RecipeError(
                f"data.unlabelled: {folder} holds labels of {found}, not of {note}: give another "
                "folder"
            )
        return
    write_text(path, json.dumps(note, indent=1) + "\n")


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
    """A whole training run. The ``losses`` are of range and pseudo labels, the first also of
    consistency. The ``teacher`` writes missing pseudo labels; None if all exist."""

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
            size, warp = batch.raw.shape[-2:], self.warp(batch.step)
            grid = mobius_grid(*size, warp, device=batch.raw.device)
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
        RecipeError, CheckpointError: see :func:`trainable_network`, :func:`range_data` and
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
    student_data = StudentData(labelled, images, data, recipe.consistency.colour)
    return module.Prepared(StudentTraining(recipe, network), student_data)
