"""Self-supervised disparity: the network of "Eliminating the Blind Spot" on stereo pairs.

Godard et al. (CVPR 2017) on pinhole pairs, Payen de La Garanderie et al. (ECCV 2018) on panoramas.
Their network predicts the disparities of both views from the left view. With ``views: both`` the
network runs on each panorama and predicts its own disparity (channel 0), so that the second camera
may be anywhere: to the right, above, or rotated with the pair. Channel 1 is then not trained; only
pinhole training needs it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...evaluation.stereo_metrics import EigenProtocol, depth_of_disparity, resize_disparity
from ...geometry.stereo import SphericalStereo
from ...systems.blindspot.config import KITTI_BASELINE_M
from ...systems.blindspot.network import DISPARITY_LIMIT, BlindSpotVgg
from .. import module, recipe
from ..module import seeded_network, shown
from ..strict_mapping import errors_of
from .data import DataRecipe, StereoAugmentation, StereoBatch, StereoData
from .photometric import PhotometricOptions, stereo_loss
from .validation import HIGHER, LOWER, check_size, range_metrics, range_preview


@dataclass(frozen=True)
class ModelRecipe(recipe.ModelRecipe):
    """Adds the inputs and the initial output of the network.

    Attributes:
        circular: circular padding in training. The authors train with zeros, and run with
            circular padding.
        views: ``left`` takes both disparities from the left view, ``both`` runs on either view.
        first_disparity: output of the untrained network, as a share of the width; None leaves 0.15,
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
class BlindSpotRecipe(recipe.Recipe):
    """A whole training run. ``turn``: rotate panoramas by random angles about the vertical axis."""

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
                "model.views: left learns the position of the right view, which must not change: "
                "data.seconds: [right] and turn: false"
            )


RECIPE = BlindSpotRecipe


class StereoTraining(module.Training):
    """Trains (B, 3, H, W) RGB in [0, 1] to disparities of four scales.

    Metrics of panoramas: see :func:`.validation.range_metrics`. Of KITTI: those of
    ``evaluation.stereo_metrics.EigenProtocol``, without any scaling.
    """

    lower = (*LOWER, "rmse", "rmse_log", "silog")
    higher = (*HIGHER, "d0_5", "d1", "d2", "d3")
    recipe: BlindSpotRecipe
    network: BlindSpotVgg

    def __init__(self, recipe: BlindSpotRecipe, network: nn.Module) -> None:
        super().__init__(recipe, network.to(memory_format=torch.channels_last))

    def losses(self, batch: StereoBatch) -> Mapping[str, Tensor]:
        circular = self.recipe.model.circular
        if self.recipe.model.views == "both":
            views = self.network(torch.cat((batch.here, batch.there)), circular=circular)
            disparities = [torch.cat(d[:, :1].float().chunk(2), 1) for d in views]
        else:
            disparities = [d.float() for d in self.network(batch.here, circular=circular)]
        pair = (batch.here, batch.there, disparities, batch.geometry)
        loss = stereo_loss(*pair, self.recipe.losses, covered=batch.covered)
        return {"stereo": loss.total}

    def evaluate(self, batch: StereoBatch) -> Mapping[str, float] | None:
        disparity = self._disparity(batch)
        if isinstance(batch.geometry, SphericalStereo):
            range_m = batch.geometry.range(disparity, batch.baseline_m)
            limit, camera = self.recipe.data.max_range_m, batch.geometry.camera
            return range_metrics(range_m, batch.target_m, limit, camera)
        return EigenProtocol().metrics(_pinhole_depth(disparity, batch), batch.target_m[0, 0])

    def preview(self, batch: StereoBatch) -> Tensor:
        """The image and its prediction, and for panoramas the ground truth."""
        if not isinstance(batch.geometry, SphericalStereo):
            depth = _pinhole_depth(self._disparity(batch), batch)
            here = F.interpolate(batch.here[:1], depth.shape, mode="bilinear")[0].cpu()
            return torch.cat((here, shown(depth, (0.0, self.recipe.data.max_range_m))), 1)
        range_m = batch.geometry.range(self._disparity(batch), batch.baseline_m)
        limit = self.recipe.data.max_range_m
        return range_preview(batch.here[0], range_m[0], batch.target_m[0], limit)

    def metadata(self) -> dict[str, str]:
        """The size, and fields of ``systems.blindspot.estimator.BlindSpotOptions`` for inference.

        Other options of a network that was trained on pairs of KITTI as panoramas are those of the
        authors: circular padding, flip averaging, their crop.
        """
        data, options = self.recipe.data, {}
        (height, width), fov_deg = data.size, data.panorama_fov_deg
        if data.kind == "threed60":
            seam = "circular" if self.recipe.model.circular else "off"
            options = {
                "height": width // 2, "anisotropy": width / (2 * height), "latitudes_deg": None,
                "training_fov_deg": 360.0, "training_width": width, "formula": "training",
                "baseline_m": data.baseline_m, "seam": seam, "flip": False,
            }  # fmt: skip
        elif fov_deg is not None:
            options = {
                "anisotropy": (width / fov_deg[0]) / (height / fov_deg[1]),
                "training_fov_deg": fov_deg[0],
                "training_width": width,
                "formula": "consistent",
                "baseline_m": KITTI_BASELINE_M,
            }
        size = {"size": f"{height} x {width}"}
        return size | ({"options": json.dumps(options)} if options else {})

    def _disparity(self, batch: StereoBatch) -> Tensor:
        images = batch.here.contiguous(memory_format=torch.channels_last)
        return self.eval_network(images, circular=self.recipe.model.circular)[0][:, :1].float()


def _pinhole_depth(disparity: Tensor, batch: StereoBatch) -> Tensor:
    """z-depth (H, W) of the first pair at the size of its ground truth, metres."""
    whole = resize_disparity(disparity[0, 0], *batch.target_m.shape[-2:])
    return depth_of_disparity(whole, batch.focal_px, batch.baseline_m)


def prepare(recipe: BlindSpotRecipe, track: module.Track = module.untracked) -> module.Prepared:
    """Network and pairs of a recipe; errors: see :mod:`depth_perception.training`."""
    network = seeded_network(recipe, BlindSpotVgg)
    check_size(recipe, network.config.multiple)
    first = recipe.model.first_disparity
    if recipe.model.checkpoint is None and first is not None:
        for head in network.heads:
            nn.init.constant_(head.bias, math.log(first / (DISPARITY_LIMIT - first)))
            with torch.no_grad():
                head.weight.mul_(0.05)
    with errors_of("data"):
        data = StereoData(
            recipe.data, recipe.augment, recipe.turn, recipe.run.seed, recipe.run.val_frames
        )
    return module.Prepared(StereoTraining(recipe, network), data)
