"""ScaleDepth on whole images, on windows of them, and on mirrored ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...geometry.agreement import Overlap, agreeing_factors
from .network import ScaleDepthOutput
from .options import LEAST_SIDE, Windows

_BATCH = 8
_TINY_M = 1e-6


@dataclass(frozen=True)
class SceneDepth:
    """Depth of a batch of images, with scale and class probabilities.

    Attributes:
        depth_m: (B, 1, H, W) metres.
        scale_m: (B,) scale of each scene, metres; of windows, the mean.
        class_probabilities: (B, classes) or None; of windows and mirrored runs, the mean.
    """

    depth_m: Tensor
    scale_m: Tensor
    class_probabilities: Tensor | None


def scene_depth(
    network: Callable[[Tensor], ScaleDepthOutput],
    images: Tensor,
    *,
    windows: Windows | None = None,
    flip: bool = False,
    head_size: tuple[int, int] | None = None,
    batch: int = _BATCH,
) -> SceneDepth:
    """Run the network.

    Args:
        network: in evaluation mode, or the callable that replaces it.
        images: (B, 3, H, W) RGB, 0 to 255, sides at least 32.
        windows: None runs on whole images.
        flip: also run on the mirrored image or windows, and average.
        head_size: (height, width) of the result for whole images; None is that of the images.
        batch: number of images or windows per run of the network; mirrored ones are extra.

    Raises:
        ValueError: an image is too small, or ``head_size`` comes with windows.
    """
    height, width = images.shape[-2:]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(f"images need sides of at least {LEAST_SIDE}, got {height} x {width}")
    if windows is None:
        return _run(network, images, head_size or (height, width), flip, batch)
    if head_size is not None:
        raise ValueError("head_size is for whole images: windows are predicted at their own size")
    boxes = windows.boxes(height, width)
    crops = torch.cat([images[..., top:bottom, left:right] for top, bottom, left, right in boxes])
    parts = _run(network, crops, tuple(crops.shape[-2:]), flip, batch)
    count = len(boxes)
    depth = parts.depth_m.unflatten(0, (count, -1))
    scale = parts.scale_m.unflatten(0, (count, -1))
    if windows.scale == "joint":
        factors = joint_factors(depth, boxes)
        depth, scale = depth * factors[..., None, None, None], scale * factors
    merged = _merged(depth, boxes, (height, width), fade=windows.scale == "joint")
    probabilities = parts.class_probabilities
    if probabilities is not None:
        probabilities = probabilities.unflatten(0, (count, -1)).mean(0)
    return SceneDepth(merged, scale.mean(0), probabilities)


def joint_factors(depth: Tensor, boxes: list[tuple[int, int, int, int]]) -> Tensor:
    """Factors (windows, B) under which windows of depth agree where they overlap.

    Least squares on the logarithms of the median ratios of all overlapping pairs, weighted by
    their areas, with factors of geometric mean 1.

    Args:
        depth: (windows, B, 1, h, w) metres.
        boxes: (top, bottom, left, right) of each window.
    """
    logs = depth.clamp(min=_TINY_M).log()
    count = len(boxes)
    overlaps = []
    for one in range(count):
        for other in range(one + 1, count):
            views = _common(boxes[one], boxes[other])
            if views is None:
                continue
            first, second = (logs[i][view] for i, view in zip((one, other), views, strict=True))
            ratio = (first - second).flatten(1).median(1).values
            overlaps.append(Overlap(one, other, ratio, first[0].numel() / depth[0, 0].numel()))
    if not overlaps:
        return torch.ones_like(depth[:, :, 0, 0, 0])
    return agreeing_factors(overlaps, count).to(depth)


def _common(
    one: tuple[int, int, int, int], other: tuple[int, int, int, int]
) -> tuple[tuple[slice, ...], tuple[slice, ...]] | None:
    """Where each of two boxes holds their common part; None if there is none."""
    top, bottom = max(one[0], other[0]), min(one[1], other[1])
    left, right = max(one[2], other[2]), min(one[3], other[3])
    if top >= bottom or left >= right:
        return None

    def view(box: tuple[int, int, int, int]) -> tuple[slice, ...]:
        rows = slice(top - box[0], bottom - box[0])
        return (slice(None), slice(None), rows, slice(left - box[2], right - box[2]))

    return view(one), view(other)


def _run(
    network: Callable[[Tensor], ScaleDepthOutput],
    images: Tensor,
    size: tuple[int, int],
    flip: bool,
    batch: int,
) -> SceneDepth:
    depths, scales, probabilities = [], [], []
    for chunk in images.split(batch):
        output = network(torch.cat((chunk, chunk.flip(-1))) if flip else chunk)
        depth, scale, classes = output.depth_m(size), output.scale_m, output.class_probabilities
        if flip:
            plain, mirrored = depth.chunk(2)
            depth = (plain + mirrored.flip(-1)) / 2
            scale = scale.view(2, -1).mean(0)
            classes = None if classes is None else classes.unflatten(0, (2, -1)).mean(0)
        depths.append(depth)
        scales.append(scale)
        probabilities.append(classes)
    joined = None if probabilities[0] is None else torch.cat(probabilities)
    return SceneDepth(torch.cat(depths), torch.cat(scales), joined)


def _merged(
    depth: Tensor, boxes: list[tuple[int, int, int, int]], size: tuple[int, int], *, fade: bool
) -> Tensor:
    """Mean (B, 1, H, W) of windows (windows, B, 1, h, w), weighted less towards their borders."""
    weight = torch.ones(depth.shape[-2:], dtype=depth.dtype, device=depth.device)
    if fade:
        weight = _tent(depth.shape[-2], weight)[:, None] * _tent(depth.shape[-1], weight)
    total = depth.new_zeros((depth.shape[1], 1, *size))
    weights = depth.new_zeros(size)
    for window, (top, bottom, left, right) in zip(depth, boxes, strict=True):
        total[..., top:bottom, left:right] += window * weight
        weights[top:bottom, left:right] += weight
    return total / weights


def _tent(size: int, like: Tensor) -> Tensor:
    place = torch.arange(size, dtype=like.dtype, device=like.device) + 0.5
    return torch.minimum(place, size - place)


def scaledepth_input(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """An image (H, W, 3) uint8 as network input (1, 3, height, width), RGB, 0 to 255.

    Resampled bilinearly and rounded to whole numbers, as the authors' programs do.
    """
    images = pixels.permute(2, 0, 1)[None].to(torch.float32)
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(images, size, mode="bilinear").round_()


def fitted_size(height: int, width: int, long_side: int, short_side: int) -> tuple[int, int]:
    """The largest size of the same shape within a long and a short side, as mmcv rounds it.

    The authors evaluate NYU within 2000 x 480, most other indoor sets within 480 x 480.
    """
    factor = min(long_side / max(height, width), short_side / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)
