"""From an image to the input of PanopticDepth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import MULTIPLE

# The authors subtract the means of red, green and blue from blue, green and red.
_MEAN_OF_BGR = (123.675, 116.28, 103.53)


def panoptic_input(image: Tensor) -> Tensor:
    """Network input (1, 3, H', W') float32 of an RGB image (H, W, 3) uint8.

    Channels become blue, green, red, values stay 0..255 less the means; zeros to the right and
    below make the sides multiples of 32.
    """
    return padded(normalised(image.permute(2, 0, 1)[None]))


def normalised(images: Tensor) -> Tensor:
    """RGB images (B, 3, H, W) of values 0..255, normalised for the network, float32."""
    mean = torch.tensor(_MEAN_OF_BGR, device=images.device)[:, None, None]
    return images.flip(1).to(torch.float32) - mean


def padded(images: Tensor) -> Tensor:
    """Zeros to the right of (B, C, H, W) and below it, up to multiples of 32."""
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % MULTIPLE, 0, -height % MULTIPLE))


def fitting_size(height: int, width: int, shorter: int, longest: int) -> tuple[int, int]:
    """Size (height, width) with this shorter side, or a smaller one if the longer is too long.

    Rounded half up, as Detectron2 does.
    """
    scale = shorter / min(height, width)
    if scale * max(height, width) > longest:
        scale = longest / max(height, width)
    return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """An RGB image (H, W, 3) uint8 in another size, bilinear over the area of a pixel.

    It is Pillow's way, up to one grey value.
    """
    if tuple(image.shape[:2]) == size:
        return image
    planes = image.permute(2, 0, 1)[None].to(torch.float32)
    planes = F.interpolate(planes, size, mode="bilinear", align_corners=False, antialias=True)
    return planes.round().clamp(0, 255).to(torch.uint8)[0].permute(1, 2, 0)
