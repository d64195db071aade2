"""PanopticDepth (CVPR 2022, arXiv 2206.00468): segments, then larger images, then depth."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...data.panoptic import VOID_CLASS
from ...evaluation.panoptic import (
    CITYSCAPES_DVPS,
    DPQ_THRESHOLDS,
    PanopticCounter,
    PanopticResult,
    PanopticRow,
    PanopticScore,
)
from ...io.colormaps import render_depth
from ...systems.catalog import model as catalogued
from ...systems.catalog import system_of
from ...systems.panopticdepth.config import Norm, PanopticLimits
from ...systems.panopticdepth.files import load_imagenet, load_panoptic, load_segmentation
from ...systems.panopticdepth.input import normalised, padded
from ...systems.panopticdepth.kernels import segment_kernels
from ...systems.panopticdepth.lean_maps import lean_map
from ...systems.panopticdepth.maps import PanopticMap, View
from ...systems.panopticdepth.network import PanopticDepth
from .. import module, recipe
from ..module import LearningFactors, known_card
from ..strict_mapping import RecipeError, errors_of
from .data import DataRecipe, PanopticBatch, PanopticData
from .losses import PanopticLosses, batch_targets, panoptic_losses
from .targets import GroundTruth

_FARTHEST_SHOWN_M = 40.0


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the initial parameters and the frozen parts of the network.

    Attributes:
        checkpoint: file of the same model. segmentation: file of a model without depth, for a new
            depth branch. imagenet: ResNet-50 of Detectron2. At most one of the three.
        depth: whether there is a depth branch; None takes the catalogue.
        norm: of the ResNet; ``batch`` is trained.
        frozen_stages: number of frozen parts of the ResNet: the stem, its first stage, ...
        height: the shorter side of the network input at inference; saved with the weights.
        still: keep the offsets of deformable convolutions at zero, which is several times as fast
            on a CPU. With a randomly initialised trunk the offsets would leave the image, where
            they have no gradient.
    """

    segmentation: str | None = None
    imagenet: str | None = None
    depth: bool | None = None
    norm: Norm = "frozen"
    frozen_stages: int = 2
    height: int | None = None
    still: bool = False

    def __post_init__(self) -> None:
        files = (self.checkpoint, self.segmentation, self.imagenet)
        if sum(file is not None for file in files) > 1:
            raise ValueError("give one of checkpoint, segmentation and imagenet at most")
        if not 0 <= self.frozen_stages <= 5:
            raise ValueError(f"frozen_stages must lie in 0..5, got {self.frozen_stages}")


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """See the base class."""

    metric: str = "pq"


@dataclass(frozen=True, kw_only=True)
class PanopticDepthRecipe(recipe.Recipe):
    """A whole training run. ``limits``: of segments in validation."""

    model: ModelRecipe
    run: RunRecipe
    data: DataRecipe
    losses: PanopticLosses = field(default_factory=PanopticLosses)
    limits: PanopticLimits = field(default_factory=PanopticLimits)


RECIPE = PanopticDepthRecipe


class PanopticTraining(module.Training):
    """Trains RGB to segments and their depth.

    Validation as in the evaluator of PanopticDepth. ``pq`` and ``dpq`` are means over the classes
    that occur, those with ``_all`` the published means over all classes.
    """

    lower = ("abs_rel", "rmse")
    higher = (
        *("pq", "pq_things", "pq_stuff", "pq_all"),
        *(f"dpq_{threshold}" for threshold in DPQ_THRESHOLDS),
        *("dpq", "dpq_all"),
    )
    recipe: PanopticDepthRecipe
    network: PanopticDepth

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        """All parameters decay but the weights of normalisations."""
        part, _, kind = name.rpartition(".")
        is_norm = isinstance(self.network.get_submodule(part), (nn.GroupNorm, nn.BatchNorm2d))
        return LearningFactors(decay=float(not (is_norm and kind == "weight")))

    def metadata(self) -> dict[str, str]:
        options: dict[str, object] = {"limits": asdict(self.recipe.limits)}
        if self.recipe.model.height is not None:
            options["height"] = self.recipe.model.height
        return {"options": json.dumps(options)}

    def losses(self, batch: PanopticBatch) -> Mapping[str, Tensor]:
        network = self.network
        images = stacked(batch.images)
        features = network(images)
        ground_truths = [GroundTruth(*truth) for truth in batch.ground_truths]
        targets = batch_targets(features, ground_truths, images.shape[-2:], network.config)
        embeddings = network.thing_embedding, network.stuff_embedding
        options, first_thing = self.recipe.losses, network.config.first_thing
        return panoptic_losses(features, targets, *embeddings, options, first_thing)

    def evaluate(self, batch: PanopticBatch) -> PanopticRow:
        found = predicted(self.eval_network, batch.images[0], self.recipe.limits)
        segments = torch.where(found.ids < 0, -1, found.classes * 1000 + found.ids).long()
        depth_m = GroundTruth(*batch.ground_truths[0]).depth_m
        crowds = tuple(batch.crowds[0].tolist())
        frame = PanopticResult(segments, batch.segments[0], found.depth, depth_m, crowds)
        return PanopticCounter(CITYSCAPES_DVPS, depth=found.depth is not None).row(frame)

    def preview(self, batch: PanopticBatch) -> Tensor:
        """The image, predicted and true classes, and predicted depth if there is a branch."""
        found = predicted(self.eval_network, batch.images[0], self.recipe.limits)
        palette = torch.zeros((VOID_CLASS + 1, 3), device=found.classes.device)
        colours = [entry.colour for entry in self.network.config.classes]
        palette[: len(colours)] = palette.new_tensor(colours)
        truth = GroundTruth(*batch.ground_truths[0])
        classes = torch.where(found.ids < 0, VOID_CLASS, found.classes.long())
        shown = [
            batch.images[0],
            *(palette[c.long()].permute(2, 0, 1) for c in (classes, truth.classes)),
        ]
        if found.depth is not None:
            rgb = render_depth(found.depth.cpu().numpy(), limits=(0.0, _FARTHEST_SHOWN_M))
            shown.append(torch.from_numpy(rgb).permute(2, 0, 1))
        return torch.cat([part.cpu().float() / 255 for part in shown], 2)

    def summary(self, rows: Sequence[PanopticRow]) -> Mapping[str, float]:
        score = PanopticScore.of(rows, CITYSCAPES_DVPS)
        numbers = {"pq_all": score.quality(averaged="all").pq[0]}
        pq = score.quality(averaged="occurring").pq
        numbers |= dict(zip(("pq", "pq_things", "pq_stuff"), pq, strict=True))
        if not self.network.config.depth:
            return numbers
        for threshold in score.thresholds:
            numbers[f"dpq_{threshold}"] = score.quality(threshold, averaged="occurring").pq[0]
        numbers["dpq"] = score.dpq(averaged="occurring")[0]
        numbers["dpq_all"] = score.dpq(averaged="all")[0]
        for name in self.lower:
            numbers[name] = math.nan if score.depth is None else score.depth[name]
        return numbers


def prepare(recipe: PanopticDepthRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and frames of a recipe; errors: see :mod:`depth_perception.training`."""
    model = recipe.model
    known_card(model.name)
    plan = catalogued(model.name)
    if system_of(model.name).name != "panopticdepth":
        raise RecipeError(f"model.name: {model.name} is not trained by task {recipe.task}")
    config = replace(plan.arguments["config"], norm=model.norm)
    if model.depth is not None:
        config = replace(config, depth=model.depth)
    if not config.depth and not recipe.run.metric.startswith("pq"):
        raise RecipeError(f"run.metric: {recipe.run.metric} needs a depth branch")
    torch.manual_seed(recipe.run.seed)
    network = PanopticDepth(config)
    if model.checkpoint is not None:
        load_panoptic(network, model.checkpoint)
    if model.segmentation is not None:
        load_segmentation(network, model.segmentation)
    if model.imagenet is not None:
        load_imagenet(network, model.imagenet)
    network.backbone.freeze(model.frozen_stages)
    if model.still:
        network.hold_offsets_still()
    else:
        network.let_offsets_move()
    with errors_of("data"):
        data = PanopticData(recipe.data, recipe.run.val_frames)
    return module.Prepared(PanopticTraining(recipe, network.train()), data)


def stacked(images: Sequence[Tensor]) -> Tensor:
    """Network input of images (3, H, W) uint8, padded with zeros to the right and below."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    missing = [(0, width - i.shape[-1], 0, height - i.shape[-2]) for i in images]
    rows = zip(images, missing, strict=True)
    return padded(torch.cat([F.pad(normalised(i[None]), borders) for i, borders in rows]))


@torch.no_grad()
def predicted(network: PanopticDepth, image: Tensor, limits: PanopticLimits) -> PanopticMap:
    """Segments and depth of an image (3, H, W) uint8 RGB, at its own size."""
    size = tuple(image.shape[-2:])
    features = network(stacked([image]))
    things, stuff = segment_kernels(network, features, limits)
    return lean_map(things, stuff, features, View(size, size), network.config, limits)
