"""Disparity without truth: the network of "Eliminating the Blind Spot" on pairs of views.

Godard et al. (CVPR 2017) on pinhole pairs, Payen de La Garanderie et al. (ECCV 2018) on panoramas.
Their network guesses both views' disparities from the left one. With ``views: both`` the network
sees both panoramas instead and tells each one's own disparity (channel 0), so that the second may
stand anywhere: to the right, above, or wherever a turn of the pair puts it. Channel 1 learns
nothing then; nothing but pinhole training needs it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...evaluation.stereo_metrics import EigenProtocol, depth_of_disparity, resize_disparity
from ...geometry.stereo import SphericalStereo
from ...io.colormaps import depth_picture
from ...systems import build_network, card, load_network
from ...systems.blindspot.config import KITTI_BASELINE_M
from ...systems.blindspot.network import DISPARITY_LIMIT, BlindSpotVgg
from .. import module, recipe
from ..strict_mapping import RecipeError
from .augment import StereoAugmentation
from .data import DataRecipe, StereoBatch, StereoData
from .judge import HIGHER, LOWER, judged_ranges, panorama_picture
from .photometric import PhotometricOptions, stereo_loss


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """How the network begins as well.

    Attributes:
        circular: ring padding in training. The authors train with zeros and run with rings.
        views: ``left`` takes both disparities from the left view, ``both`` runs on either view.
        first_disparity: what an untrained network says, as a share of the width; None leaves 0.15,
            half of the largest, which is a range of 0.3 m for the cameras of 3D60.
    """

    circular: bool = True
    views: Literal["left", "both"] = "both"
    first_disparity: float | None = None

    def __post_init__(self) -> None:
        limit = DISPARITY_LIMIT
        if self.first_disparity is not None and not 0 < self.first_disparity < limit:
            raise ValueError(
                f"first_disparity must lie in (0, {limit}), got {self.first_disparity}"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe(recipe.Recipe):
    """A whole training run.

    Attributes:
        turn: panoramas are turned by random angles about the vertical axis.
    """

    model: ModelRecipe
    data: DataRecipe
    losses: PhotometricOptions = field(default_factory=PhotometricOptions)
    augment: StereoAugmentation = field(default_factory=StereoAugmentation)
    turn: bool = False

    def __post_init__(self) -> None:
        if self.data.kind == "kitti" and (self.model.views == "both" or self.model.circular):
            raise ValueError("pairs of KITTI need model.views: left and model.circular: false")
        if self.data.panorama_fov_deg is not None and not self.losses.masked:
            raise ValueError("data.panorama_fov_deg leaves borders empty: losses.masked: true")
        if self.model.views == "left" and (self.turn or self.data.seconds != ("right",)):
            raise ValueError(
                "model.views: left learns where the right view stands, which must not change: "
                "data.seconds: [right] and turn: false"
            )


class StereoTraining(module.Training):
    """Trains (B, 3, H, W) RGB in [0, 1] to disparities of four scales.

    Validation of panoramas: see ``stereo.judge.judged_ranges``. Of KITTI: the numbers of
    ``evaluation.stereo_metrics.EigenProtocol``, without any scaling.
    """

    lower = (*LOWER, "rmse", "rmse_log", "silog")
    higher = (*HIGHER, "d0_5", "d1", "d2", "d3")
    recipe: Recipe
    network: BlindSpotVgg

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))

    def losses(self, batch: StereoBatch) -> Mapping[str, Tensor]:
        circular = self.recipe.model.circular
        if self.recipe.model.views == "both":
            views = self.network(torch.cat((batch.here, batch.there)), circular=circular)
            disparities = [torch.cat(d[:, :1].float().chunk(2), 1) for d in views]
        else:
            disparities = [d.float() for d in self.network(batch.here, circular=circular)]
        loss = stereo_loss(
            *(batch.here, batch.there, disparities, batch.geometry, self.recipe.losses),
            covered=batch.covered,
        )
        return {"stereo": loss.total}

    def judge(self, batch: StereoBatch) -> Mapping[str, float] | None:
        disparity = self._disparity(batch)
        if isinstance(batch.geometry, SphericalStereo):
            range_m = batch.geometry.range(disparity, batch.baseline_m)
            limit, camera = self.recipe.data.max_range_m, batch.geometry.camera
            return judged_ranges(range_m, batch.truth_m, limit, camera)
        metrics = EigenProtocol().judge(_pinhole_depth(disparity, batch), batch.truth_m[0, 0])
        return None if metrics is None else asdict(metrics)

    def picture(self, batch: StereoBatch) -> Tensor:
        """The picture, what is said about it, and of panoramas the truth."""
        if not isinstance(batch.geometry, SphericalStereo):
            depth = _pinhole_depth(self._disparity(batch), batch)
            rgb = depth_picture(depth.cpu().numpy(), limits=(0.0, self.recipe.data.max_range_m))
            here = F.interpolate(batch.here[:1], depth.shape, mode="bilinear")[0].cpu()
            return torch.cat((here, torch.from_numpy(rgb).permute(2, 0, 1) / 255), 1)
        range_m = batch.geometry.range(self._disparity(batch), batch.baseline_m)
        limit = self.recipe.data.max_range_m
        return panorama_picture(batch.here[0], range_m[0], batch.truth_m[0], limit)

    def metadata(self) -> dict[str, str]:
        data = self.recipe.data
        told = {"size": f"{data.height} x {data.width}"}
        if data.kind == "threed60":
            options = full_turn_options(data.size, self.recipe.model.circular, data.baseline_m)
            told["options"] = json.dumps(options)
        elif data.panorama_fov_deg is not None:
            options = partial_turn_options(data.size, data.panorama_fov_deg)
            told["options"] = json.dumps(options)
        return told

    def _disparity(self, batch: StereoBatch) -> Tensor:
        images = batch.here.contiguous(memory_format=torch.channels_last)
        return self.judged(images, circular=self.recipe.model.circular)[0][:, :1].float()


def _pinhole_depth(disparity: Tensor, batch: StereoBatch) -> Tensor:
    """z-depth (H, W) of the first pair at the size of its truth, metres."""
    whole = resize_disparity(disparity[0, 0], *batch.truth_m.shape[-2:])
    return depth_of_disparity(whole, batch.focal_px, batch.baseline_m)


def prepare(
    recipe: Recipe, track: Callable[[range, str], Iterable[int]] | None = None
) -> module.Prepared:
    """Network and pairs of a recipe.

    Raises:
        RecipeError: no such model, one of another family, or sizes that it cannot take.
        CheckpointError: weights are missing, or do not fit.
        OSError, NoFramesError: data are missing.
    """
    network = made_network(recipe, BlindSpotVgg)
    multiple = network.config.multiple
    if any(side % multiple for side in recipe.data.size):
        raise RecipeError(
            f"data.height and data.width must be multiples of {multiple} for {recipe.model.name}, "
            f"got {recipe.data.height} and {recipe.data.width}"
        )
    first = recipe.model.first_disparity
    if recipe.model.checkpoint is None and first is not None:
        begin_at(network, first)
    try:
        data = StereoData(
            recipe.data, recipe.augment, recipe.turn, recipe.run.seed, recipe.run.val_frames
        )
    except ValueError as error:
        raise RecipeError(f"data: {error}") from error
    return module.Prepared(StereoTraining(recipe, network), data)


def made_network(recipe: recipe.Recipe, kind: type[nn.Module]) -> nn.Module:
    """The network of a recipe, ready to be trained; random numbers come from ``run.seed``.

    Raises:
        RecipeError: no such model, or one of another kind.
        CheckpointError: weights are missing, or do not fit.
    """
    model = recipe.model
    try:
        card(model.name)
    except KeyError as error:
        raise RecipeError(f"model: {error.args[0]}") from error
    torch.manual_seed(recipe.run.seed)
    network = build_network(model.name)
    if not isinstance(network, kind):
        raise RecipeError(f"model.name: {model.name} is not trained by task {recipe.task}")
    if model.checkpoint is not None:
        network = load_network(model.name, model.checkpoint).requires_grad_(True)
    return network.train()


def full_turn_options(
    size: tuple[int, int], circular: bool, baseline_m: float
) -> dict[str, object]:
    """How a network that was trained on whole panoramas of a size (height, width) runs on others.

    Fields of ``estimators.blindspot.BlindSpotOptions``.
    """
    height, width = size
    return {
        "height": width // 2,
        "anisotropy": width / (2 * height),
        "latitudes_deg": None,
        "training_fov_deg": 360.0,
        "training_width": width,
        "formula": "training",
        "baseline_m": baseline_m,
        "seam": "circular" if circular else "off",
        "flip": False,
    }


def partial_turn_options(size: tuple[int, int], fov_deg: tuple[float, float]) -> dict[str, object]:
    """How a network that was trained on KITTI's pairs as panoramas runs on others.

    The rest is the authors' way: rings, the mirror image too, the crop of their paper.
    """
    height, width = size
    return {
        "anisotropy": (width / fov_deg[0]) / (height / fov_deg[1]),
        "training_fov_deg": fov_deg[0],
        "training_width": width,
        "formula": "consistent",
        "baseline_m": KITTI_BASELINE_M,
    }


def begin_at(network: BlindSpotVgg, disparity: float) -> None:
    """Let an untrained network say about ``disparity`` (a share of the width) everywhere."""
    for head in network.heads:
        nn.init.constant_(head.bias, math.log(disparity / (DISPARITY_LIMIT - disparity)))
        with torch.no_grad():
            head.weight.mul_(0.05)
