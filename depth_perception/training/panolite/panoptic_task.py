"""Supervised training of PanoLite with segments on synthetic worlds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor, nn

from ...data.labelled_worlds import UNKNOWN
from ...evaluation.metrics import depth_metrics
from ...evaluation.panoptic import PanopticCounts, match_segments, panoptic_quality
from ...evaluation.panoptic_worlds import FOUND, found_counts, true_segments, world_rules
from ...segment_classes import CITYSCAPES
from ...systems.checkpoints import load_strictly, read_checkpoint
from ...systems.panolite.config import CentreLimits
from ...systems.panolite.panoptic_network import PanoLitePanoptic, PanopticMaps
from ...systems.panolite.segments import OFFSETS_PER_HEIGHT, panoptic_map
from .. import module, recipe
from ..module import LearningFactors, seeded_network, shown
from ..strict_mapping import RecipeError, errors_of
from .augment import AugmentRecipe
from .encoder import load_encoder
from .panoptic_frames import PanopticBatch, PanopticData, PanopticDataRecipe
from .panoptic_losses import PanopticLossRecipe, panoptic_losses

_STREETS = {entry.name for entry in CITYSCAPES}


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds other starts; at most one of them and ``checkpoint`` is given.

    Attributes:
        depth: weights file of the same network without the branch for segments, which starts at
            random; a run of ``panolite-metric`` makes it.
        encoder: weights file of timm's encoder, see :func:`.encoder.load_encoder`.
        encoder_rate: factor of the learning rate of the encoder.
    """

    depth: str | None = None
    encoder: str | None = None
    encoder_rate: float = 0.5

    def __post_init__(self) -> None:
        if sum(start is not None for start in (self.checkpoint, self.depth, self.encoder)) > 1:
            raise ValueError("give one of checkpoint, depth and encoder at most")


@dataclass(frozen=True)
class RunRecipe(recipe.RunRecipe):
    """See the base class."""

    metric: str = "pq"


@dataclass(frozen=True, kw_only=True)
class PanopticRecipe(recipe.Recipe):
    """A whole training run. ``limits``: of segments, in validation and of the weights."""

    model: ModelRecipe
    run: RunRecipe
    data: PanopticDataRecipe
    losses: PanopticLossRecipe = field(default_factory=PanopticLossRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)
    limits: CentreLimits = field(default_factory=CentreLimits)


RECIPE = PanopticRecipe


@dataclass(frozen=True)
class PanopticRow:
    """Result of one validation frame.

    Attributes:
        is_pinhole: whether it is a pinhole image.
        counts: of its segments. found: by name of :data:`FOUND`, matched things and all of them.
        depth: metrics of range; None without ground truth.
    """

    is_pinhole: bool
    counts: PanopticCounts
    found: Mapping[str, tuple[float, float]]
    depth: Mapping[str, float] | None


class PanopticTraining(module.Training):
    """Trains the maps of :class:`PanoLitePanoptic`.

    Panoptic quality is the mean over the classes that occur; ``pq_streets`` over those of
    Cityscapes, ``pq_panorama`` and ``pq_pinhole`` over images of one kind. ``cars`` and ``persons``
    are the shares of :data:`FOUND`. All are in percent, and NaN where nothing is counted.
    """

    lower = ("abs_rel",)
    higher = (
        "a1",
        "pq",
        "pq_things",
        "pq_stuff",
        "pq_streets",
        "pq_panorama",
        "pq_pinhole",
        *FOUND,
    )
    recipe: PanopticRecipe
    network: PanoLitePanoptic

    def __init__(self, recipe: PanopticRecipe, network: PanoLitePanoptic) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))
        names = [entry.name for entry in network.config.classes]
        if unknown := sorted(set(recipe.losses.rare) - set(names)):
            raise RecipeError(f"losses.rare: no class {unknown[0]!r}")
        rare = [recipe.losses.rare_factor if n in recipe.losses.rare else 1.0 for n in names]
        factors = torch.ones(UNKNOWN + 1)
        factors[: len(rare)] = torch.tensor(rare)
        self.register_buffer("_factors", factors, persistent=False)
        self._rules = world_rules(network.config.classes)

    def losses(self, batch: PanopticBatch) -> Mapping[str, Tensor]:
        maps = self.network(batch.images.contiguous(memory_format=torch.channels_last))
        return panoptic_losses(maps, batch, self._factors, self.recipe.losses)

    def evaluate(self, batch: PanopticBatch) -> PanopticRow:
        maps = self._maps(batch)
        segments, truth = self._segments(maps, batch), self._truth(batch)
        names = [entry.name for entry in self.network.config.classes]
        range_m = batch.range_m
        mask = (range_m > 0) & (range_m <= self.recipe.data.max_depth_m)
        depth = None
        if mask.any():
            predicted = maps.depth[:, :1].exp() * batch.height_m
            metrics = depth_metrics(range_m[mask], predicted[mask])
            depth = {name: float(metrics[name]) for name in ("abs_rel", "a1")}
        return PanopticRow(
            batch.is_pinhole,
            match_segments(segments, truth, self._rules),
            found_counts(segments, truth, range_m[0, 0], names, self._rules),
            depth,
        )

    def summary(self, rows: Sequence[PanopticRow]) -> Mapping[str, float]:
        def quality(chosen: Sequence[PanopticRow]) -> tuple[Tensor, tuple[float, float, float]]:
            total = PanopticCounts.none(self._rules.classes)
            for row in chosen:
                total = total + row.counts
            found = panoptic_quality(total, self._rules)
            return found.per_class[:, 0].where(found.occurs, math.nan), found.pq

        per_class, pq = quality(rows)
        streets = [entry.name in _STREETS for entry in self.network.config.classes]
        numbers = dict(zip(("pq", "pq_things", "pq_stuff"), pq, strict=True))
        numbers["pq_streets"] = float(per_class[torch.tensor(streets)].nanmean())
        numbers["pq_panorama"] = quality([row for row in rows if not row.is_pinhole])[1][0]
        numbers["pq_pinhole"] = quality([row for row in rows if row.is_pinhole])[1][0]
        for name in FOUND:
            found, all_of_them = (sum(row.found[name][k] for row in rows) for k in (0, 1))
            numbers[name] = 100 * found / all_of_them if all_of_them else math.nan
        depths = [row.depth for row in rows if row.depth is not None]
        for name in ("abs_rel", "a1"):
            values = [depth[name] for depth in depths]
            numbers[name] = sum(values) / len(values) if values else math.nan
        return numbers

    def preview(self, batch: PanopticBatch) -> Tensor:
        """The image, predicted and true classes with dark borders of things, and range."""
        maps = self._maps(batch)
        colours = [entry.colour for entry in self.network.config.classes]
        palette = torch.zeros((UNKNOWN + 1, 3))
        palette[: len(colours)] = torch.tensor(colours) / 255
        pictures = [batch.images[0, :3].cpu()]
        for segments in (self._segments(maps, batch), self._truth(batch)):
            segments = segments.cpu()
            border = (segments != segments.roll(1, -1)) | (segments != segments.roll(1, -2))
            classes = torch.div(segments, self._rules.divisor, rounding_mode="floor")
            classes = torch.where((classes < 0) | (classes >= len(colours)), UNKNOWN, classes)
            pictures.append(palette[classes].permute(2, 0, 1) * (1 - 0.7 * border.float()))
        log_ratio, _, logit = maps.depth[0].cpu()
        range_m = log_ratio.exp() * float(batch.height_m[0])
        pictures.append(shown(range_m, (0.0, self.recipe.data.max_depth_m), logit > 0))
        return torch.cat(pictures, 1)

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        rate = self.recipe.model.encoder_rate if name.startswith("encoder.") else 1.0
        return LearningFactors(rate, super().learning_factors(name, parameter).decay)

    def metadata(self) -> dict[str, str]:
        options = {"height": self.recipe.data.final_height, "limits": asdict(self.recipe.limits)}
        return {"options": json.dumps(options)}

    def _maps(self, batch: PanopticBatch) -> PanopticMaps:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        return PanopticMaps(*(values.float() for values in self.eval_network(images)))

    def _truth(self, batch: PanopticBatch) -> Tensor:
        return true_segments(batch.labels[0], batch.instances[0], self._rules)

    def _segments(self, maps: PanopticMaps, batch: PanopticBatch) -> Tensor:
        """(H, W) int64 segment map of the first image, -1 for none."""
        unit = maps.depth.shape[-2] / OFFSETS_PER_HEIGHT
        segments, found = panoptic_map(
            maps.classes[0],
            maps.centre[0, 0],
            maps.offset[0] * unit,
            self.network.config.classes,
            self.recipe.limits,
            wraps=not batch.is_pinhole,
        )
        classes = self.network.config.classes
        table = torch.full((len(found) + 1,), -1)
        for entry in found:
            number = entry.id if classes[entry.class_id].is_thing else 0
            table[entry.id] = entry.class_id * self._rules.divisor + number
        return table.to(segments.device)[segments.long()]


def prepare(recipe: PanopticRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and frames of a recipe.

    Raises RecipeError, CheckpointError: no such model, or weights that do not fit it. OSError,
    NoFramesError: data are missing.
    """
    network = seeded_network(recipe, PanoLitePanoptic)
    if recipe.model.encoder is not None:
        load_encoder(network, recipe.model.encoder)
    if recipe.model.depth is not None:
        load_depth(network, recipe.model.depth)
    with errors_of("data"):
        classes, run = network.config.classes, recipe.run
        data = PanopticData(recipe.data, recipe.augment, classes, run.seed, run.val_frames)
    return module.Prepared(PanopticTraining(recipe, network), data)


def load_depth(network: PanoLitePanoptic, path: str) -> None:
    """Load the weights of the same network without the branch for segments, which stays as it is.
    Raises CheckpointError: the file is missing, or is of another network."""
    branch = {n: v for n, v in network.state_dict().items() if n.startswith("panoptic.")}
    state = {**read_checkpoint(path), **branch}
    load_strictly(network, state, network.official_names(), f"{path} (model.depth)")
