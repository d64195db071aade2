"""RectNet and UResNet of OmniDepth (Zioulis et al., ECCV 2018), supervised by range."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

import torch
from torch import Tensor, nn

from ...systems.omnidepth.network import OmniDepth, RectNet
from .. import module, recipe
from ..blindspot.data import DataRecipe, PanoramaBatch, PanoramaData, StereoAugmentation
from ..blindspot.validation import HIGHER, LOWER, check_size, range_metrics, range_preview
from ..module import LearningFactors, seeded_network
from ..strict_mapping import errors_of
from .losses import RECTNET_LOSS, URESNET_LOSS, multi_scale_loss


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the padding and the initial output of the network.

    Attributes:
        circular: circular padding. The authors train with zeros.
        first_range_m: output of the untrained network, in metres; None leaves it near 0.
    """

    circular: bool = False
    first_range_m: float | None = None


@dataclass(frozen=True)
class LossRecipe:
    """See :class:`.losses.MultiScaleOptions`; the weights depend on the network."""

    masked: bool = True
    solid_angle: bool = True
    wraps: bool = True
    relative: bool = False


@dataclass(frozen=True, kw_only=True)
class OmniDepthRecipe(recipe.Recipe):
    """A whole training run. ``turn`` rotates each panorama by a random angle about the vertical
    axis; ``bias_rate`` is a factor of the learning rate of biases, 2 in the published program."""

    model: ModelRecipe
    data: DataRecipe
    losses: LossRecipe = field(default_factory=LossRecipe)
    augment: StereoAugmentation = field(default_factory=StereoAugmentation)
    turn: bool = True
    bias_rate: float = 2.0


RECIPE = OmniDepthRecipe


class OmniDepthTraining(module.Training):
    """Trains (B, 3, H, W) RGB in [0, 1] to ranges in metres of two or three scales."""

    lower = LOWER
    higher = HIGHER
    recipe: OmniDepthRecipe
    network: OmniDepth

    def __init__(self, recipe: OmniDepthRecipe, network: OmniDepth) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))
        weights = RECTNET_LOSS if isinstance(network, RectNet) else URESNET_LOSS
        self._loss_options = replace(weights, **asdict(recipe.losses))

    def losses(self, batch: PanoramaBatch) -> Mapping[str, Tensor]:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        ranges = self.network(images, circular=self.recipe.model.circular)
        known = batch.range_m > 0
        ranges = [r.float() for r in ranges]
        return {"range": multi_scale_loss(ranges, batch.range_m, known, self._loss_options)}

    def evaluate(self, batch: PanoramaBatch) -> Mapping[str, float] | None:
        return range_metrics(self._range(batch), batch.range_m, self.recipe.data.max_range_m)

    def preview(self, batch: PanoramaBatch) -> Tensor:
        limit = self.recipe.data.max_range_m
        return range_preview(batch.images[0], self._range(batch)[0], batch.range_m[0], limit)

    def learning_factors(self, name: str, parameter: nn.Parameter) -> LearningFactors:
        is_bias = name.endswith("bias")
        return LearningFactors(self.recipe.bias_rate if is_bias else 1.0, 0.0 if is_bias else 1.0)

    def metadata(self) -> dict[str, str]:
        data, model = self.recipe.data, self.recipe.model
        options = {"height": data.height, "seam": "circular" if model.circular else "off"}
        return {"size": f"{data.height} x {data.width}", "options": json.dumps(options)}

    def _range(self, batch: PanoramaBatch) -> Tensor:
        images = batch.images.contiguous(memory_format=torch.channels_last)
        return self.eval_network(images, circular=self.recipe.model.circular)[0].float()


def prepare(recipe: OmniDepthRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and panoramas of a recipe; errors: see :mod:`depth_perception.training`."""
    network = seeded_network(recipe, OmniDepth)
    check_size(recipe, network.multiple)
    first = recipe.model.first_range_m
    if recipe.model.checkpoint is None and first is not None:
        for head in network.decoder.heads:
            nn.init.constant_(head.bias, first)
    with errors_of("data"):
        data = PanoramaData(recipe.data, recipe.augment, recipe.turn, recipe.run.val_frames)
    return module.Prepared(OmniDepthTraining(recipe, network), data)
