"""Networks of the catalogue as the published programs run them.

The mathematics of the published network on parameters of ours: adapters apart from the weights,
attention written out, float32, row-major maps that are never cut into strips, the head of DPT in
the published order; for Depth Anything and PanDA also images resized and normalised by OpenCV on
the CPU. It is a baseline and a second opinion, not a model to use.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from ..layers.dpt import DptHead, FusionBlock
from ..systems.image_input import IMAGENET_MEAN, IMAGENET_STD

T = TypeVar("T", bound=nn.Module)


class PlainHead(DptHead):
    """The DPT head in the published order, on whole maps.

    Nothing is added to a :class:`DptHead`: an existing one is made plain by a change of its class.
    """

    def trunk(
        self,
        taps: Sequence[Tensor],
        grid: tuple[int, int],
        *,
        skips: Sequence[Tensor] = (),
        circular: bool = False,
    ) -> Tensor:
        """Map (B, F / 2, 8 rows, 8 columns); ``circular`` must be false."""
        levels = self.levels(taps, grid, circular)
        for index, skip in enumerate(skips):
            levels[index] = levels[index] + skip
        path = _fused(self.fuse[3], levels[3], None, levels[2].shape[-2:])
        for index in (2, 1):
            path = _fused(self.fuse[index], path, levels[index], levels[index - 1].shape[-2:])
        finest = tuple(2 * side for side in levels[0].shape[-2:])
        return self.neck(_fused(self.fuse[0], path, levels[0], finest))

    def branch(
        self, layers: nn.Sequential, trunk: Tensor, grid: tuple[int, int], circular: bool = False
    ) -> Tensor:
        """Map (B, 1, H, W) of an output branch."""
        size = (grid[0] * self.patch_size, grid[1] * self.patch_size)
        return layers(_enlarged(trunk, size))

    def levels(
        self, taps: Sequence[Tensor], grid: tuple[int, int], circular: bool = False
    ) -> list[Tensor]:
        """The four levels (B, F, h, w), finest first."""
        if circular:
            raise ValueError("the plain head has zeros or the poles beyond its borders only")
        parts = zip(taps, self.project, self.rescale, self.reduce, strict=True)
        return [
            reduce(rescale(project(tokens.permute(0, 2, 1).reshape(len(tokens), -1, *grid))))
            for tokens, project, rescale, reduce in parts
        ]


class WrittenOutAttention(TorchFunctionMode):
    """Within it, fused attention is two matrix products with a softmax between them."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if function is F.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        return function(*args, **(kwargs or {}))


class PlainForward:
    """A :func:`plain_network` in place of the network of an estimator."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network.to(memory_format=torch.contiguous_format)

    def __call__(self, images: Tensor, **arguments: Any) -> Any:
        return plain_values(self.network, images, **arguments)


def plain_network(network: T) -> T:
    """A copy in float32 and in row-major memory whose attention and head are the plain ones."""
    plain = copy.deepcopy(network).float().to(memory_format=torch.contiguous_format).eval()
    for module in plain.modules():
        if isinstance(module, DptHead):
            module.__class__ = PlainHead
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    return plain.requires_grad_(False)


def plain_values(network: nn.Module, images: Tensor, **arguments: Any) -> Any:
    """The result of a :func:`plain_network` for its input (B, 3, H, W)."""
    with WrittenOutAttention():
        return network(images.contiguous(), **arguments)


def plain_input(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Normalised input (1, 3, *size) of an RGB image (H, W, 3) uint8."""
    pixels = cv2.resize(image / 255.0, size[::-1], interpolation=cv2.INTER_CUBIC)
    pixels = (pixels - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    return torch.from_numpy(planes)[None].to(device)


def plain_estimate(
    network: nn.Module, image: np.ndarray, size: tuple[int, int], device: torch.device
) -> Tensor:
    """Depth (H, W) of an image (H, W, 3) uint8 RGB by Depth Anything or PanDA, on the CPU."""
    values = plain_values(network, plain_input(image, size, device))
    values = F.interpolate(values, image.shape[:2], mode="bilinear", align_corners=False)
    return values[0, 0].cpu()


def _attention(
    query: Tensor, key: Tensor, value: Tensor, *others: Any, scale: float | None = None
) -> Tensor:
    if any(others):
        raise NotImplementedError("no plain attention with masks or dropout")
    query = query * (query.shape[-1] ** -0.5 if scale is None else scale)
    return (query @ key.transpose(-2, -1)).softmax(-1) @ value


def _fused(block: FusionBlock, path: Tensor, level: Tensor | None, size: tuple[int, ...]) -> Tensor:
    if level is not None:
        path = path + _residual(block.skip, level)
    return block.out(_enlarged(_residual(block.refine, path), size))


def _residual(unit: nn.Module, x: Tensor) -> Tensor:
    return x + unit.conv2(F.relu(unit.conv1(F.relu(x))))


def _enlarged(x: Tensor, size: tuple[int, ...]) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
