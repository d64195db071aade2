"""Depth Anything and PanDA as the published programs run them.

The mathematics of the published network on parameters of ours: adapters apart from the weights,
attention written out, float32, images resized and normalised by OpenCV on the CPU. It is a
baseline and a second opinion, not a model to use.
"""

from __future__ import annotations

import copy

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..layers.dpt import DptHead, FusionBlock
from ..systems.depth_anything.network import DepthAnything
from ..systems.image_input import IMAGENET_MEAN, IMAGENET_STD
from ..systems.panda.network import PandaHybrid


def plain_network(network: DepthAnything) -> DepthAnything:
    """A copy in float32 and in row-major memory whose attention is written out."""
    plain = copy.deepcopy(network).float().to(memory_format=torch.contiguous_format).eval()
    for block in plain.encoder.blocks:
        block.attn.fused_attn = False
    return plain.requires_grad_(False)


def plain_values(network: DepthAnything, images: Tensor) -> Tensor:
    """Values (B, 1, H, W) of normalised images (B, 3, H, W), by a :func:`plain_network`."""
    grid = network.encoder.grid_of(*images.shape[-2:])
    skips: list[Tensor] = []
    if isinstance(network, PandaHybrid):
        taps, maps = network.encoder.with_maps(images, False)
        skips = [skip(m) for skip, m in zip(network.skip, maps[:2], strict=True)]
    else:
        taps = network.encoder(images)
    logits = _head(network.head, [tap.patches for tap in taps], grid, skips)
    if network.activation == "relu":
        return F.relu(logits)
    return torch.sigmoid(logits) * network.max_depth


def plain_input(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Normalised input (1, 3, *size) of an RGB image (H, W, 3) uint8."""
    pixels = cv2.resize(image / 255.0, size[::-1], interpolation=cv2.INTER_CUBIC)
    pixels = (pixels - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(planes)[None].to(device)


def plain_estimate(
    network: DepthAnything, image: np.ndarray, size: tuple[int, int], device: torch.device
) -> Tensor:
    """Depth (H, W) of an image (H, W, 3) uint8 RGB, back on the CPU."""
    values = plain_values(network, plain_input(image, size, device))
    values = F.interpolate(values, image.shape[:2], mode="bilinear", align_corners=False)
    return values[0, 0].cpu()


def _head(head: DptHead, taps: list[Tensor], grid: tuple[int, int], skips: list[Tensor]) -> Tensor:
    levels = []
    parts = zip(taps, head.project, head.rescale, head.reduce, strict=True)
    for tokens, project, rescale, reduce in parts:
        plane = tokens.permute(0, 2, 1).reshape(len(tokens), -1, *grid)
        levels.append(reduce(rescale(project(plane))))
    for index, skip in enumerate(skips):
        levels[index] = levels[index] + skip
    path = _fused(head.fuse[3], levels[3], None, levels[2].shape[-2:])
    for index in (2, 1):
        path = _fused(head.fuse[index], path, levels[index], levels[index - 1].shape[-2:])
    finest = tuple(2 * side for side in levels[0].shape[-2:])
    path = head.neck(_fused(head.fuse[0], path, levels[0], finest))
    size = (grid[0] * head.patch_size, grid[1] * head.patch_size)
    return head.out(_enlarged(path, size))


def _fused(block: FusionBlock, path: Tensor, level: Tensor | None, size: tuple[int, ...]) -> Tensor:
    if level is not None:
        path = path + _residual(block.skip, level)
    return block.out(_enlarged(_residual(block.refine, path), size))


def _residual(unit: nn.Module, x: Tensor) -> Tensor:
    return x + unit.conv2(F.relu(unit.conv1(F.relu(x))))


def _enlarged(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
