"""DA360 (arXiv 2512.22819): Depth Anything V2 on the sphere, with the shift of each image."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from ...layers import SphereConv2d
from ..depth_anything.config import DepthAnythingConfig
from ..depth_anything.network import DepthAnything

_LEAST_DISPARITY = 1e-4


class ShiftMlp(nn.Module):
    """Class token (B, dim) to the shift (B, 1) of an image, at least 0.0001."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = (dim, dim // 2, dim // 4)
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in widths[1:])
        self.dropout = nn.Dropout(0.1)
        self.output_layer = nn.Linear(widths[-1], 1)

    def forward(self, class_token: Tensor) -> Tensor:
        for layer, norm in zip(self.layers, self.norms, strict=True):
            class_token = self.dropout(F.relu(norm(layer(class_token))))
        return F.softplus(self.output_layer(class_token)) + _LEAST_DISPARITY


class Da360(DepthAnything):
    """The network of DA360: inverse range up to one positive factor, larger is nearer.

    Convolutions of the head continue over the poles and around; the encoder is that of Depth
    Anything V2.
    """

    prefix = "depth_anything."

    def __init__(self, config: DepthAnythingConfig) -> None:
        super().__init__(config, activation="relu", conv=SphereConv2d)
        self.shift_mlp = ShiftMlp(config.dim)

    def forward(self, images: Tensor, *, circular: bool = False) -> Tensor:
        """Inverse range (B, 1, H, W), positive, of normalised RGB images (B, 3, H, W).

        Args:
            images: as for :class:`~depth_perception.systems.depth_anything.network.DepthAnything`.
            circular: enlarge maps periodically too; convolutions always see across the seam.
        """
        grid = self.encoder.grid_of(*images.shape[-2:])
        taps = self.taps(images)
        disparity = F.relu(self.head([tap.patches for tap in taps], grid, circular=circular))
        return disparity + self.shift_mlp(taps[-1].class_token)[:, :, None, None]

    def official_names(self) -> dict[str, str]:
        """Map the name of every state dict entry to its name in the authors' files."""
        names = super().official_names()
        return names | {name: name for name in names if name.startswith("shift_mlp.")}
