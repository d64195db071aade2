"""Equator-aware patch normalisation loss (EPNL) of PanDA (CVPR 2025, sec. 3.3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def draw_rectangles(
    height: int,
    width: int,
    rng: np.random.RandomState,
    count: int = 32,
    lower: float = 0.125,
    upper: float = 0.5,
) -> Tensor:
    """Random rectangles, more often near the equator than near the poles.

    The order of the draws is that of the original, so a legacy NumPy generator with the same seed
    gives the same rectangles. Both sides range from ``lower`` to ``upper`` of the image height; a
    rectangle beyond the right border continues at the left border.

    Returns:
        (count, height, width) bool.

    Raises:
        ValueError: the image is too small to draw ``count`` different heights.
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
    whole = torch.ones_like(rectangles[:1])
    total = pred.new_zeros(())
    pixels = pred.new_zeros(())
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
