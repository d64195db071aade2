"""Self-supervised stereo losses: each view is synthesised from the other and compared with it.

Godard et al., "Unsupervised Monocular Depth Estimation with Left-Right Consistency" (CVPR 2017),
sec. 3.3, for rectified pairs, and Payen de La Garanderie et al. (ECCV 2018) for panoramas.
Differences here, for panoramas: all terms are continuous across the seam, pixels are weighted by
solid angle, pixels that a view does not see are ignored, and the consistency compares with the
disparity of the same points in the other view.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from ...geometry.stereo import StereoGeometry

Border = Literal["cut", "repeat", "wrap"]
"""Border of a window: none (the map gets smaller), the outermost pixels, or across the seam (rows
still repeat)."""


@dataclass(frozen=True)
class PhotometricOptions:
    """Terms of the loss.

    Attributes:
        ssim_share: of the image comparison; the rest is the mean absolute difference.
        smoothness: weight of the edge-aware gradient of disparity, halved from scale to scale.
        consistency: weight of the difference between the disparities of both views.
        pyramid: downsampling of images; ``nearest`` takes every second pixel.
        ssim_border, gradient_border: see :data:`Border`; ``auto`` wraps if the pair does, else
            repeats.
        smooth_rows: include the gradient from row to row.
        both_sides: include the right view.
        masked: ignore pixels that the other view does not see.
        solid_angle: weight the pixels of panoramas by solid angle.
        epipoles: reduce the weight of images and consistency towards the epipoles, where parallax
            vanishes; for horizontal pairs of panoramas.
        relative: divide disparities by their mean before smoothness and consistency, so that these
            terms have the same size in large and small rooms (as Godard et al., ICCV 2019, sec.
            3.3, for smoothness). They then dominate the image terms: use 0.1 or less for both
            weights, or a wrong scale is hardly corrected.
    """

    ssim_share: float = 0.85
    smoothness: float = 0.1
    consistency: float = 1.0
    pyramid: Literal["area", "nearest"] = "area"
    ssim_border: Literal["auto", "cut", "repeat", "wrap"] = "auto"
    gradient_border: Literal["auto", "cut", "repeat", "wrap"] = "auto"
    smooth_rows: bool = True
    both_sides: bool = True
    masked: bool = True
    solid_angle: bool = True
    epipoles: bool = False
    relative: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.ssim_share <= 1:
            raise ValueError(f"ssim_share must lie in [0, 1], got {self.ssim_share}")
        if self.smoothness < 0 or self.consistency < 0:
            raise ValueError(
                f"weights must not be negative, got smoothness {self.smoothness} and "
                f"consistency {self.consistency}"
            )
        if self.pyramid not in ("area", "nearest"):
            raise ValueError(f"pyramid must be 'area' or 'nearest', got {self.pyramid!r}")
        for border in (self.ssim_border, self.gradient_border):
            if border not in ("auto", "cut", "repeat", "wrap"):
                raise ValueError(f"a border must be auto, cut, repeat or wrap, got {border!r}")
            if border == "cut" and (self.masked or self.solid_angle or self.epipoles):
                raise ValueError(
                    "border 'cut' does not support masks and weights; turn off masked, "
                    "solid_angle and epipoles"
                )


@dataclass(frozen=True, eq=False)
class SideTerms:
    """The terms of one view, (S,) over the scales, finest first, without their weights."""

    l1: Tensor
    ssim: Tensor
    smoothness: Tensor
    consistency: Tensor


@dataclass(frozen=True, eq=False)
class StereoLoss:
    """``total`` is to be minimised; ``right`` is computed even if it is not included."""

    total: Tensor
    left: SideTerms
    right: SideTerms


def stereo_loss(
    left: Tensor,
    right: Tensor,
    disparities: Sequence[Tensor],
    geometry: StereoGeometry,
    options: PhotometricOptions | None = None,
    *,
    covered: Tensor | None = None,
) -> StereoLoss:
    """Compare both views of a pair with their synthesis from the other view by disparity.

    Args:
        left, right: (B, 3, H, W) float in [0, 1].
        disparities: (B, 2, h, w) for each scale, finest first, as shares of the image width:
            channel 0 for the left view, 1 for the right one.
        geometry: of the pair, from the left view, on any grid.
        covered: (1 or B, 1, H, W) bool, pixels that both images cover; None is all. Other pixels
            are ignored in both roles.

    Raises:
        ValueError: images differ in size, a disparity map does not have two channels, or
            ``covered`` is given without ``options.masked``.
    """
    options = options or PhotometricOptions()
    if covered is not None and not options.masked:
        raise ValueError("covered needs options with masked")
    if left.shape != right.shape:
        raise ValueError(f"left is {tuple(left.shape)} but right is {tuple(right.shape)}")
    sides: tuple[list[Tensor], list[Tensor]] = ([], [])
    for disparity in disparities:
        if disparity.ndim != 4 or disparity.shape[1] != 2:
            raise ValueError(
                f"disparities must be (B, 2, h, w), left and right, got {tuple(disparity.shape)}"
            )
        size = disparity.shape[-2:]
        pair, images = geometry.resize(*size), [left, right]
        if left.shape[-2:] != size:
            images = [interpolate(image, tuple(size), mode=options.pyramid) for image in images]
        maps = [disparity[:, :1], disparity[:, 1:]]
        shown = None if covered is None else _whole(covered, disparity)
        sides[0].append(_side(*images, *maps, pair, options, shown))
        sides[1].append(_side(*images[::-1], *maps[::-1], pair.swapped, options, shown))
    terms = [SideTerms(*torch.stack(side).unbind(-1)) for side in sides]
    counted = terms if options.both_sides else terms[:1]
    return StereoLoss(sum(_total(side, options) for side in counted), *terms)


def _side(
    here: Tensor,
    there: Tensor,
    disparity: Tensor,
    other_disparity: Tensor,
    pair: StereoGeometry,
    options: PhotometricOptions,
    shown: Tensor | None,
) -> Tensor:
    """L1, SSIM, smoothness and consistency of one view, (4,)."""
    sources = (there, other_disparity) if shown is None else (there, other_disparity, shown)
    warped = pair.warp(torch.cat(sources, 1), disparity)
    estimate, other_disparity = warped.image[:, :3], warped.image[:, 3:4]
    valid = warped.valid
    if shown is not None:
        valid = valid & (shown > 0) & (warped.image[:, 4:].detach() > 1 - 1e-5)
    wraps = "wrap" if pair.wraps else "repeat"
    ssim_border = wraps if options.ssim_border == "auto" else options.ssim_border
    gradient_border = wraps if options.gradient_border == "auto" else options.gradient_border

    weights = _weights(pair, disparity, options)
    if options.masked:
        weights = valid.to(disparity) * (1 if weights is None else weights)
    ssim_weights = weights
    if options.masked:
        ssim_weights = weights * _whole_window(valid, ssim_border)

    expected = warped.disparity
    if options.relative:
        mean = disparity.detach().mean((1, 2, 3), keepdim=True).clamp_min(1e-7)
        disparity, other_disparity, expected = (
            d / mean for d in (disparity, other_disparity, expected)
        )
    smooth = smoothness(disparity, here, gradient_border)
    area = pair.weights(disparity) if options.solid_angle else None  # no parallax: still smooth
    rough = sum(weighted_mean(s, area) for s in smooth[: 1 + options.smooth_rows])
    l1 = weighted_mean((estimate - here).abs(), weights)
    ssim = weighted_mean(ssim_dissimilarity(estimate, here, ssim_border), ssim_weights)
    consistency = weighted_mean((other_disparity - expected).abs(), weights)
    return torch.stack((l1, ssim, rough, consistency))


def _total(side: SideTerms, options: PhotometricOptions) -> Tensor:
    share = options.ssim_share
    halves = 0.5 ** torch.arange(len(side.l1), device=side.l1.device, dtype=side.l1.dtype)
    return (
        share * side.ssim
        + (1 - share) * side.l1
        + options.smoothness * halves * side.smoothness
        + options.consistency * side.consistency
    ).sum()


def _whole(covered: Tensor, like: Tensor) -> Tensor:
    """(B, 1, h, w) 1 where the whole area of a pixel of a smaller map is covered, else 0."""
    share = interpolate(covered.to(like), size=tuple(like.shape[-2:]), mode="area")
    return (share > 1 - 1e-5).to(like).expand(len(like), -1, -1, -1)


def _weights(pair: StereoGeometry, like: Tensor, options: PhotometricOptions) -> Tensor | None:
    solid = pair.weights(like) if options.solid_angle else None
    moving = pair.sensitivity(like) if options.epipoles else None
    if solid is None or moving is None:
        return solid if moving is None else moving
    return solid * moving


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (B, C, H, W) with weights that broadcast to it; 0, with zero gradients, if all 0."""
    if weights is None:
        return values.mean()
    weights = weights.to(values).expand_as(values)
    return (values * weights).sum() / weights.sum().clamp_min(torch.finfo(values.dtype).tiny)


def ssim_dissimilarity(a: Tensor, b: Tensor, border: Border = "cut") -> Tensor:
    """``(1 - SSIM) / 2`` of 3 x 3 windows of maps (B, C, H, W) in [0, 1], clamped to [0, 1].

    Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", with
    a box window and the constants 0.01^2 and 0.03^2. With border ``cut`` two rows and columns
    are lost.
    """
    a, b = _bordered(a, border), _bordered(b, border)
    mean_a, mean_b = _box(a), _box(b)
    var_a = _box(a.square()) - mean_a.square()
    var_b = _box(b.square()) - mean_b.square()
    covariance = _box(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = ((2 * mean_a * mean_b + c1) * (2 * covariance + c2)) / (
        (mean_a.square() + mean_b.square() + c1) * (var_a + var_b + c2)
    )
    return ((1 - similarity) / 2).clamp(0, 1)


def smoothness(disparity: Tensor, image: Tensor, border: Border) -> tuple[Tensor, Tensor]:
    """Absolute differences of neighbours, reduced at edges of the image (B, 3, H, W).

    Returns:
        along the rows and along the columns, each (B, 1, H, W); with border ``cut`` one column or
        row less.
    """
    steps = _differences(disparity, border)
    edges = _differences(image, border)
    pairs = zip(steps, edges, strict=True)
    x, y = ((s * torch.exp(-e.abs().mean(1, keepdim=True))).abs() for s, e in pairs)
    return x, y


def _differences(values: Tensor, border: Border) -> tuple[Tensor, Tensor]:
    """Each pixel minus its right and its lower neighbour."""
    columns, rows = values, values
    if border != "cut":
        beyond = values[..., :1] if border == "wrap" else values[..., -1:]
        columns = torch.cat((values, beyond), -1)
        rows = torch.cat((values, values[..., -1:, :]), -2)
    return columns[..., :-1] - columns[..., 1:], rows[..., :-1, :] - rows[..., 1:, :]


def _bordered(values: Tensor, border: Border) -> Tensor:
    if border == "cut":
        return values
    columns = pad(values, (1, 1, 0, 0), mode="circular" if border == "wrap" else "replicate")
    return pad(columns, (0, 0, 1, 1), mode="replicate")


def _box(values: Tensor) -> Tensor:
    return avg_pool2d(values, 3, stride=1)


def _whole_window(valid: Tensor, border: Border) -> Tensor:
    """(B, 1, H, W) 1 where all nine pixels are valid, else 0."""
    missing = _bordered((~valid).float(), border)
    return 1 - torch.nn.functional.max_pool2d(missing, 3, stride=1)
