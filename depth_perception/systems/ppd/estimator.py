"""The estimator of Pixel-Perfect Depth, aligned to MoGe-2."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry import Camera
from ...layers.cpu_products import products_for
from ...prediction import DepthSpace, Prediction, ScaleKind
from ...scale import FitError, FitModel, ScaleFit, fit_depth
from ..card import ModelCard
from ..estimator import Estimator, assumed_pinhole
from ..loading import load_network
from ..moge.estimator import focal_of, found_camera, image_planes
from ..moge.geometry import MogeGeometry, moge_geometry
from ..moge.network import Moge
from ..system import Model
from .flow import noise_field
from .input import ppd_resize, ppd_size
from .network import PixelPerfectDepth
from .options import PpdOptions
from .published_alignment import apply_ransac, fit_ransac
from .semantics import semantics_of
from .transformer import STRIDE, SpDit

DEFAULT_REFERENCE = "moge-2-vitl-normal"
_FIT_SOURCE = "moge-2"
_LEAST_DEPTH_M = 1e-3
_LEAST_INLIER_RATIO = 0.5
_KEPT_NOISE_FIELDS = 4


class PpdEstimator(Estimator):
    """Metric depth by Pixel-Perfect Depth, aligned to MoGe-2 in log(depth + 1).

    If the alignment is unreliable the prediction stays relative; ``note`` contains the reason.

    Attributes:
        moge: the network for metric depth and field of view; None: depth stays relative.
    """

    network: PixelPerfectDepth
    options: PpdOptions

    def __init__(
        self,
        card: ModelCard,
        network: PixelPerfectDepth,
        moge: Moge | None,
        *,
        device: torch.device | str = "cpu",
        options: PpdOptions | None = None,
    ) -> None:
        options = options or PpdOptions()
        if moge is None and options.align != "none":
            raise ValueError(f"align={options.align!r} needs MoGe-2")
        if options.share_encoder and (
            moge is None or network.semantics.encoder is not moge.encoder
        ):
            raise ValueError("share_encoder needs a model whose semantics are MoGe-2's")
        self.moge = moge
        self._noise: OrderedDict[tuple[int, int, int], Tensor] = OrderedDict()
        super().__init__(card, network, device=device, options=options)

    def __call__(
        self,
        image: np.ndarray | Tensor,
        camera: Camera | None = None,
        *,
        noise: Tensor | None = None,
    ) -> Prediction:
        """As :meth:`Estimator.__call__`.

        Args:
            image: (H, W, 3) uint8 RGB.
            camera: its focal length replaces the estimated one.
            noise: (1, 1, h, w) standard normal at the size of the network's input, instead of the
                field of ``options.seed``.
        """
        return self._batch((self._to_device(image),), (camera,), noise)[0]

    def _batch(
        self,
        images: Sequence[Tensor],
        cameras: Sequence[Camera | None],
        noise: Tensor | None = None,
    ) -> tuple[Prediction, ...]:
        height, width = images[0].shape[:2]
        cameras = [c if c is None else self._checked(c, height, width) for c in cameras]
        size = ppd_size(height, width, self.options.max_pixels)
        noise = self._noise_field(size) if noise is None else noise
        with torch.inference_mode(), products_for(self.network):
            planes = torch.cat([image_planes(ppd_resize(pixels, size)) for pixels in images])
            relatives, references = self._run(planes, noise, cameras)
        predictions = []
        for relative, reference, camera in zip(relatives, references, cameras, strict=True):
            shown = camera or assumed_pinhole(height, width)
            if camera is None and reference is not None:
                shown = found_camera(reference, height, width)
            prediction = self._aligned(relative, reference, shown.resize(*size))
            if self.options.output_size == "input":
                prediction = _nearest(prediction, shown)
            predictions.append(prediction)
        return tuple(predictions)

    def _run(
        self, images: Tensor, noise: Tensor, cameras: Sequence[Camera | None]
    ) -> tuple[Sequence[Tensor], Sequence[MogeGeometry | None]]:
        """Relative depths (h, w), and the metric geometries they are to be aligned to."""
        options, semantics, maps = self.options, None, None
        if options.share_encoder and self.moge is not None:
            grid = (images.shape[-2] // STRIDE, images.shape[-1] // STRIDE)
            features, class_token = self.moge.encoder(images, grid)
            semantics = features.flatten(2).mT.float()
            maps = self.moge.decode(features, class_token, images.shape[-2:])
        precision = getattr(torch, options.precision)
        relative = self.network(
            images, noise, options.steps, semantics=semantics, precision=precision
        )[:, 0].clone()
        known = all(camera is not None for camera in cameras)
        if self.moge is None or (options.align == "none" and known):
            return relative, [None] * len(relative)
        if maps is None:
            maps = self.moge(images, options.num_tokens)
        size = images.shape[-2:]  # the rounding of the sides changes the shape of the image
        focals = [focal_of(camera and camera.resize(*size)) for camera in cameras]
        return relative, [
            moge_geometry(maps, focal=focal, index=index) for index, focal in enumerate(focals)
        ]

    def _aligned(
        self, relative: Tensor, reference: MogeGeometry | None, camera: Camera
    ) -> Prediction:
        everywhere = torch.ones_like(relative, dtype=torch.bool)
        unknown = {"space": DepthSpace.LOG1P_DEPTH, "scale": ScaleKind.AFFINE_INVARIANT}
        note = "alignment is switched off"
        unaligned = self._predicted(relative, everywhere, camera, note=note, **unknown)
        if reference is None or self.options.align == "none":
            return unaligned
        try:
            if self.options.align == "robust":
                fit, depth = _robust(relative, reference)
            else:
                fit, depth = _as_published(relative, reference, self.options.seed)
        except FitError as error:
            return replace(unaligned, note=f"alignment to MoGe-2 failed: {error}")
        facts = {"scale": ScaleKind.METRIC, "fit": fit, "fit_source": _FIT_SOURCE}
        return self._predicted(depth, reference.mask.clone(), camera, **facts)

    def _noise_field(self, size: tuple[int, int]) -> Tensor:
        key = (*size, self.options.seed)
        if key not in self._noise:
            self._noise[key] = noise_field(*key).to(self.device)
            while len(self._noise) > _KEPT_NOISE_FIELDS:
                self._noise.popitem(last=False)
        return self._noise[key]

    def _set_precision(self, precision: torch.dtype) -> None:
        self.network.semantics.backbone.to(precision)
        if self.moge is not None:
            self.moge.to(self.device, memory_format=torch.channels_last).eval()
            self.moge.encoder.backbone.to(precision)


def load_ppd(
    model: Model, transformer: SpDit, device: torch.device, options: PpdOptions
) -> PpdEstimator:
    """Pixel-Perfect Depth with all networks; CheckpointError where weights are missing or wrong."""
    source = model.arguments["semantics"]
    prompting = load_network(source, options.semantics_checkpoint, device=device)
    semantics = semantics_of(prompting)
    moge = prompting if isinstance(prompting, Moge) else None
    if options.moge_checkpoint is not None or (moge is None and options.align != "none"):
        moge = load_network(DEFAULT_REFERENCE, options.moge_checkpoint, device=device)
    network = PixelPerfectDepth(transformer, semantics)
    return PpdEstimator(model.card, network, moge, device=device, options=options)


def _robust(relative: Tensor, reference: MogeGeometry) -> tuple[ScaleFit, Tensor]:
    known = torch.where(reference.mask, reference.depth, math.inf)
    fit = fit_depth(relative, known, FitModel.LOG1P_DEPTH)
    farthest = reference.depth[reference.mask].max()
    depth = (fit.scale * relative + fit.shift).expm1()
    return fit, torch.minimum(depth, farthest).clamp_min(_LEAST_DEPTH_M)


def _as_published(relative: Tensor, reference: MogeGeometry, seed: int) -> tuple[ScaleFit, Tensor]:
    try:
        fit = fit_ransac(relative, reference.depth, reference.mask, seed=seed)
    except ValueError as error:
        raise FitError(str(error)) from error
    if fit.scale <= 0 or fit.inlier_ratio < _LEAST_INLIER_RATIO:
        raise FitError(
            f"a scale of {fit.scale:.3g} with {fit.inlier_ratio:.0%} of the pixels: need a "
            f"positive one and {_LEAST_INLIER_RATIO:.0%}"
        )
    return fit, apply_ransac(fit, relative, reference.depth, reference.mask)


def _nearest(prediction: Prediction, camera: Camera) -> Prediction:
    """The prediction on the finer or coarser grid of ``camera``, without mixing depths."""
    grid = (camera.height, camera.width)

    def picked(values: Tensor) -> Tensor:
        return F.interpolate(values[None, None].float(), grid, mode="nearest-exact")[0, 0]

    values, valid = picked(prediction.values), picked(prediction.valid) > 0
    return replace(prediction, values=values, valid=valid, camera=camera)
