"""Losses on depth, each called as ``loss(target, pred, mask, ...)``.

``target`` and ``pred`` are (B, 1, H, W) float32 in the same unit, ``mask`` is (B, 1, H, W) bool.
The values agree with the released training code of PanDA (Cao et al., CVPR 2025) and Depth
Anything V2 (Yang et al., NeurIPS 2024), including where that code differs from its paper. Losses
over "positive ground truth" also ignore target <= 0 inside the mask. Without any valid pixel a
loss is 0 with zero gradients, where the original gives NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

_LOSS_OPTIONS = {
    "silog": ("variance_focus",),
    "dav2_silog": ("variance_focus",),
    "gradient": ("scales", "both_axes"),
}


@dataclass(frozen=True)
class LossRecipe:
    """One term of the loss; ``kind`` determines which of the last three options it has.

    Attributes:
        kind: the loss function. weight: factor of the term.
        variance_focus: share of the squared mean log error that is subtracted.
        scales: number of scales of the gradient. both_axes: subsample the columns too.
    """

    kind: Literal[
        "l1", "l2", "berhu", "silog", "dav2_silog", "rmselog", "log_l1", "relative_l1",
        "scale_invariant", "gradient", "l1norm", "epnl",
    ]  # fmt: skip
    weight: float = 1.0
    variance_focus: float | None = None
    scales: int | None = None
    both_axes: bool | None = None

    def __post_init__(self) -> None:
        unused = set(self.options()) - set(_LOSS_OPTIONS.get(self.kind, ()))
        if unused:
            raise ValueError(f"the loss {self.kind} has no {', '.join(sorted(unused))}")

    def options(self) -> dict[str, Any]:
        """The options in the recipe, as arguments of the loss function."""
        names = ("variance_focus", "scales", "both_axes")
        return {n: getattr(self, n) for n in names if getattr(self, n) is not None}


def loss_value(term: LossRecipe, target: Tensor, pred: Tensor, mask: Tensor, seed: int) -> Tensor:
    """One weighted term; all maps are (B, 1, H, W). The seed is for the rectangles of EPNL."""
    if term.kind == "epnl":
        return epnl(target, pred, mask, term.weight, rng=np.random.RandomState(seed % 2**32))
    return _LOSSES[term.kind](target, pred, mask, weight=term.weight, **term.options())


def _over_positive(name: str, error: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A loss: the mean of an error of target and prediction over positive ground truth."""

    def loss(target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0) -> Tensor:
        return weight * _mean(error(*_positive(target, pred, mask)))

    loss.__name__ = name
    return loss


l1 = _over_positive("l1", lambda target, pred: (target - pred).abs())
l2 = _over_positive("l2", lambda target, pred: (target - pred).square())
log_l1 = _over_positive("log_l1", lambda t, p: (t.log() - p.clamp_min(1e-6).log()).abs())
"""Natural logarithms, close to AbsRel."""
relative_l1 = _over_positive("relative_l1", lambda target, pred: (target - pred).abs() / target)


def berhu(
    target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0, threshold: float = 0.2
) -> Tensor:
    """Reverse Huber: linear below ``threshold`` times the largest error, quadratic above.

    Laina et al., "Deeper Depth Prediction with Fully Convolutional Residual Networks", sec. 3.2.
    """
    target, pred = _positive(target, pred, mask)
    if target.numel() == 0:
        return _zero(pred)
    error = (target - pred).abs()
    delta = threshold * error.detach().max()
    quadratic = (error.square() + delta.square()) / (2 * delta).clamp_min(1e-12)
    return weight * torch.where(error < delta, error, quadratic).mean()


def silog(
    target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0, variance_focus: float = 0.85
) -> Tensor:
    """Ten times the scale-invariant log error; both maps must be positive inside the mask.

    Eigen et al., "Depth Map Prediction from a Single Image", sec. 3.2, with the variance focus of
    Lee et al., "From Big to Small", sec. 3.4.
    """
    return dav2_silog(target, pred, mask, 10 * weight, variance_focus)


def dav2_silog(
    target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0, variance_focus: float = 0.5
) -> Tensor:
    """The scale-invariant log error as Depth Anything V2 uses it: no factor 10."""
    if not mask.any():
        return _zero(pred)
    error = pred[mask].log() - target[mask].log()
    return weight * _root(error.square().mean() - variance_focus * error.mean().square())


def rmselog(target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0) -> Tensor:
    """Root mean squared natural-log error over positive ground truth."""
    target, pred = _positive(target, pred, mask)
    if target.numel() == 0:
        return _zero(pred)
    return weight * _root(_mean((target.log() - (pred + 1e-12).log()).square()))


def scale_invariant(
    target: Tensor, pred: Tensor, mask: Tensor, weight: float = 1.0, eps: float = 1e-6
) -> Tensor:
    """L1 between maps normalised per image by median and mean absolute deviation.

    Ranftl et al., "Towards Robust Monocular Depth Estimation" (MiDaS), sec. 5; the gradient flows
    through the median and the deviation.
    """
    total, count = pred.new_zeros(2)
    for t, p, m in zip(target, pred, mask, strict=True):
        if m.any():
            total = total + (_by_median(t[m], eps) - _by_median(p[m], eps)).abs().sum()
        count = count + m.sum() + eps
    return weight * total / (count + eps)


def gradient(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    weight: float = 1.0,
    scales: int = 4,
    both_axes: bool = False,
) -> Tensor:
    """Multi-scale differences of the log error between pixels two apart.

    Li and Snavely, "MegaDepth", sec. 4. PanDA subsamples only the rows from scale to scale;
    ``both_axes`` subsamples the columns too.
    """
    error = pred.log() - torch.where(mask, target, target + 100).log()
    total = pred.new_zeros(())
    for scale in range(scales):
        step = 2**scale
        e = error[..., ::step, :: step if both_axes else 1]
        m = mask[..., ::step, :: step if both_axes else 1]
        rows = m[..., 2:, :] & m[..., :-2, :]
        columns = m[..., 2:] & m[..., :-2]
        rise = ((e[..., 2:, :] - e[..., :-2, :]).abs() * rows).sum()
        run = ((e[..., 2:] - e[..., :-2]).abs() * columns).sum()
        total = total + (rise + run) / (rows.sum() + columns.sum() + 1e-6)
    value = weight * total / scales
    return value if torch.isfinite(value) else 0 * torch.nan_to_num(pred).sum()


def l1norm(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    weight: float = 1.0,
    quantiles: tuple[float, float] = (0.02, 0.98),
) -> Tensor:
    """L1 against the target normalised by its quantiles over the batch, clipped to [0.01, 1]."""
    if not mask.any():
        return _zero(pred)
    values = target[mask]
    low, high = torch.quantile(values, values.new_tensor(quantiles))
    return l1(((target - low) / (high - low)).clamp(0.01, 1), pred, mask & (target > 0), weight)


def _positive(target: Tensor, pred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    keep = mask & (target > 0)
    return target[keep], pred[keep]


def _mean(values: Tensor) -> Tensor:
    return values.mean() if values.numel() else values.sum()


def _zero(pred: Tensor) -> Tensor:
    return 0 * pred.sum()


def _root(value: Tensor) -> Tensor:
    return value.clamp_min(1e-12).sqrt()


def _by_median(values: Tensor, eps: float) -> Tensor:
    centred = values - values.median()
    return centred / (centred.abs().sum() / (values.numel() + eps) + eps)


_POINTWISE = (l1, l2, berhu, silog, dav2_silog, rmselog, log_l1, relative_l1)
_LOSSES = {loss.__name__: loss for loss in (*_POINTWISE, scale_invariant, gradient, l1norm)}


def draw_rectangles(
    height: int,
    width: int,
    rng: np.random.RandomState,
    count: int = 32,
    lower: float = 0.125,
    upper: float = 0.5,
) -> Tensor:
    """Random rectangles (count, height, width) bool, more often near the equator than near the
    poles.

    The order of the draws is that of the original, so a legacy NumPy generator with the same
    seed gives the same rectangles. Both sides range from ``lower`` to ``upper`` of the image
    height; a rectangle beyond the right border continues at the left border. Raises ValueError:
    the image is too small to draw ``count`` different heights.
    """
    smallest, largest = int(lower * height), int(upper * height)
    sizes = np.arange(smallest, largest)
    if len(sizes) < count or width - smallest < count:
        raise ValueError(
            f"EPNL draws {count} different rectangle sides between {lower} and {upper} of the "
            f"image height; {height} x {width} has only {len(sizes)} heights and "
            f"{width - smallest} left columns: train on larger images or draw fewer rectangles"
        )
    heights = rng.choice(sizes, count, replace=False)
    widths = rng.choice(sizes, count, replace=False)
    last_top = height - smallest
    tops = rng.normal(last_top / 2, last_top / 6, count).astype(int).clip(0, last_top - 1)
    lefts = rng.choice(width - smallest, count, replace=False)
    masks = torch.zeros(count, height, width, dtype=torch.bool)
    for mask, top, left, h, w in zip(masks, tops, lefts, heights, widths, strict=True):
        mask[top : top + h, left : left + w] = True
        if left + w > width:
            mask[top : top + h, : left + w - width] = True
    return masks


def epnl(
    target: Tensor,
    pred: Tensor,
    mask: Tensor,
    weight: float = 1.0,
    rectangles: Tensor | None = None,
    rng: np.random.RandomState | None = None,
    count: int = 32,
    lower: float = 0.125,
    upper: float = 0.5,
) -> Tensor:
    """L1 between maps normalised by median and deviation, in rectangles and in the whole image.

    As in the original, the deviation sums over the whole image but is divided by the number of
    valid pixels of the rectangle, and the prediction's median carries no gradient.

    Args:
        target, pred: (B, 1, H, W) float32. mask: (B, 1, H, W) bool.
        rectangles: (N, H, W) bool for the whole batch, or None to draw ``count`` of them from
            ``rng`` (see :func:`draw_rectangles`).

    Raises:
        ValueError: neither ``rectangles`` nor ``rng`` is given.
    """
    if rectangles is None:
        if rng is None:
            raise ValueError("give either the rectangles or the generator to draw them from")
        rectangles = draw_rectangles(*target.shape[-2:], rng, count, lower, upper)
    rectangles = rectangles.to(mask.device)
    whole = rectangles.new_ones(1, *target.shape[-2:])
    total, pixels = pred.new_zeros(2)
    for t, p, valid in zip(target[:, 0], pred[:, 0], mask[:, 0], strict=True):
        for region in (valid & r for r in torch.cat((rectangles, whole))):
            n = region.sum()
            if n == 0:
                continue
            error = _normalise(t, region, n)[region] - _normalise(p, region, n)[region]
            total = total + error.abs().sum()
            pixels = pixels + n
    value = weight * total / (pixels + 1e-6)
    return value if torch.isfinite(value) else 0 * torch.nan_to_num(pred).sum()


def _normalise(values: Tensor, region: Tensor, pixels: Tensor) -> Tensor:
    centred = values - values[region].median().detach()
    return centred / (centred.abs().sum() / (pixels + 1e-10) + 1e-6)
