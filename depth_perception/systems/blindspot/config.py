"""Sizes of the blind-spot VGG; importing them loads no network."""

from __future__ import annotations

from dataclasses import dataclass

SCALES = 4

PANORAMA_BASELINE_M = 0.472
"""What the authors insert: the distance of KITTI's camera 3 to camera 0."""
KITTI_BASELINE_M = 0.5327
"""The distance of KITTI's colour cameras 2 and 3, whose images the training compares."""
KITTI_FOCAL = 0.5809
"""Focal length of KITTI's colour cameras as a fraction of the image width."""
ANISOTROPY = 0.7191
"""Columns per degree divided by rows per degree of the training images."""


@dataclass(frozen=True)
class BlindSpotConfig:
    """Sizes of the network.

    Attributes:
        widths: channels of the levels of the encoder, finest first. Each level halves the image,
            so that its sides must be multiples of ``multiple``.
    """

    widths: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.widths) < SCALES:
            raise ValueError(f"widths needs at least {SCALES} levels, got {self.widths}")
        if min(self.widths) < 1 or self.widths[0] % 2:
            raise ValueError(f"widths must be positive, the first one even, got {self.widths}")

    @property
    def multiple(self) -> int:
        """Image height and width must be multiples of this number."""
        return 2 ** len(self.widths)


BLINDSPOT_VGG = BlindSpotConfig((32, 64, 128, 256, 512, 512, 512))
BLINDSPOT_TINY = BlindSpotConfig((16, 32, 48, 64, 96, 96))
