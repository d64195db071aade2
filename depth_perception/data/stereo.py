"""What every reader of stereo pairs gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..geometry import Camera, DepthKind
from ..geometry.stereo import RIGHT


@dataclass(frozen=True, eq=False)
class StereoFrame:
    """Two pictures with one orientation and what is known about the first.

    It is also a :class:`~.frames.Frame`, so that what evaluates panoramas takes it.

    Attributes:
        left, right: (3, H, W) uint8 RGB; ``right`` is the second view wherever it stands.
        depth_m: (H, W) float32 of the left view, metres, 0 where unknown.
        kind: which distance ``depth_m`` is.
        camera: of both views.
        baseline_m: distance of the views, metres.
        direction: unit vector from the left to the right camera in the optical frame.
    """

    left: Tensor
    right: Tensor
    depth_m: Tensor
    kind: DepthKind
    camera: Camera
    baseline_m: float
    direction: tuple[float, float, float] = RIGHT

    @property
    def rgb(self) -> Tensor:
        """The left picture."""
        return self.left

    @property
    def range_m(self) -> Tensor:
        """(H, W) distance along the rays of the left view, metres, 0 where unknown."""
        return self.camera.convert(self.depth_m, self.kind, DepthKind.RANGE)


class StereoReader(Protocol):
    """A data set of pairs."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> StereoFrame: ...
