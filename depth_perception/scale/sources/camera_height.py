"""The ground below a camera of known height as reference.

The ray of a pixel below the horizon meets flat ground at a known distance. Which pixels see the
ground is not known; the line from values to depths with most ground pixels is used (MSAC: Torr and
Zisserman, "MLESAC", 2000, sec. 3).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...geometry import DepthKind
from ...geometry.exact import exact
from ...prediction import Prediction
from ..alignment import default_model, values_for
from ..fits import FitModel
from ..options import GroundOptions
from ..reference import Reference, SourceError

_HYPOTHESES = 512
_SCORED = 2048


def ground_reference(
    prediction: Prediction, options: GroundOptions | None = None, *, model: FitModel | None = None
) -> Reference:
    """Known depths at the pixels that see the ground.

    Args:
        prediction: of any space and scale.
        options: None takes the defaults.
        model: of the fit that follows; None takes what the prediction lacks.

    Raises:
        SourceError: too little ground is visible. The message has the numbers.
    """
    options = options or GroundOptions()
    model = default_model(prediction) if model is None else FitModel(model)
    plane, below = plane_depth(prediction, options)
    values = values_for(model, prediction)
    candidate = below & prediction.valid & torch.isfinite(values)
    if model is FitModel.SCALE:
        candidate = candidate & (values > 0)
    count = int(candidate.sum())
    if count < (80 if model.has_shift else 40):
        raise SourceError(f"only {count} pixels may see the ground: too few for its plane")
    solid_angle = _solid_angle(prediction)
    x, depth, share = (exact(t[candidate]) for t in (values, plane, solid_angle))
    scale, shift = _most_ground(x, depth, share, model, options.tolerance_ratio).tolist()
    off = (model.space.to_depth(scale * values + shift) / plane - 1).abs()
    ground = candidate & (off < options.tolerance_ratio)
    ratio = float((solid_angle * ground).sum()) / float(share.sum())
    if ratio < options.min_ground_ratio:
        raise SourceError(
            f"only {ratio:.0%} of the pixels below the horizon can lie on one ground plane: need "
            f"{options.min_ground_ratio:.0%}"
        )
    depth_m = torch.where(ground, plane, torch.nan)
    return Reference(depth_m, options.height_sigma_ratio * depth_m, "camera_height")


def plane_depth(prediction: Prediction, options: GroundOptions) -> tuple[Tensor, Tensor]:
    """Depth (H, W) of the ground along each ray, and which pixels (H, W) may see it."""
    rays = prediction.camera.rays(device=prediction.values.device)
    up = torch.tensor(options.up, dtype=rays.dtype, device=rays.device)
    down = -(rays @ (up / up.norm()))  # sine of the angle below the horizon
    low, high = math.sin(options.min_depression), math.sin(options.max_depression)
    below = (down >= low) & (down <= high)
    plane = options.height_m / down.clamp_min(1e-6)
    if prediction.kind is DepthKind.Z:
        plane = plane * rays[..., 2]
        below = below & (plane > 0)
    return plane, below


def _solid_angle(prediction: Prediction) -> Tensor:
    """(H, W) solid angle of each pixel, up to a factor."""
    rays = prediction.camera.rays(device=prediction.values.device)
    across = (rays.roll(-1, 1) - rays).norm(dim=-1)
    down = torch.diff(rays, dim=0, append=rays[-1:]).norm(dim=-1)
    across[:, -1], down[-1] = across[:, -2], down[-2]
    return across * down


def _most_ground(
    x: Tensor, depth: Tensor, share: Tensor, model: FitModel, tolerance: float
) -> Tensor:
    """The line (2,) with the least truncated squared error; deterministic."""
    generator = torch.Generator().manual_seed(0)
    total = share.cumsum(0)

    def drawn(count: int) -> Tensor:
        point = torch.rand(count, generator=generator, dtype=torch.float64).to(x.device)
        return torch.searchsorted(total, point * total[-1]).clamp_(max=x.numel() - 1)

    wanted = model.space.from_depth(depth)
    first, scored = drawn(_HYPOTHESES), drawn(_SCORED)
    if model.has_shift:
        second = drawn(_HYPOTHESES)
        rise = (wanted[second] - wanted[first]) / (x[second] - x[first])
        lines = torch.stack((rise, wanted[first] - rise * x[first]), -1)
    else:
        lines = torch.stack((wanted[first] / x[first], torch.zeros_like(x[first])), -1)
    usable = torch.isfinite(lines).all(-1) & (lines[:, 0] > 0)
    if not bool(usable.any()):
        raise SourceError("the values below the horizon do not increase with the depth of a plane")
    lines = lines[usable]
    fitted = model.space.to_depth(lines[:, :1] * x[scored] + lines[:, 1:])
    error = ((fitted / depth[scored] - 1) / tolerance).square()
    cost = torch.nan_to_num(error, nan=1.0).clamp_max_(1.0).mean(1)
    return lines[cost.argmin()]
