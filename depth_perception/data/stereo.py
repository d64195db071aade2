"""Frames of stereo pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from ..geometry import Camera, DepthKind, Equirectangular, SamplingGrid
from ..geometry.stereo import RIGHT
from .frames import Reader


@dataclass(frozen=True, eq=False)
class StereoFrame:
    """Two images with one orientation and the depth of the first.

    It is also a :class:`~.frames.Frame`, so that the evaluation of panoramas accepts it.

    Attributes:
        left, right: (3, H, W) uint8 RGB; ``right`` is the second view at any position.
        depth_m: (H, W) float32 of the left view, metres, 0 where unknown.
        kind: whether ``depth_m`` is range or z-depth.
        camera: camera of both views.
        baseline_m: distance between the views, metres.
        direction: unit vector from the left to the right camera in the optical frame.
        covered: (H, W) bool, pixels that both images cover; None means all.
    """

    left: Tensor
    right: Tensor
    depth_m: Tensor
    kind: DepthKind
    camera: Camera
    baseline_m: float
    direction: tuple[float, float, float] = RIGHT
    covered: Tensor | None = None

    @property
    def rgb(self) -> Tensor:
        """The left image."""
        return self.left

    @property
    def range_m(self) -> Tensor:
        """(H, W) distance along the rays of the left view, metres, 0 where unknown."""
        return self.camera.convert(self.depth_m, self.kind, DepthKind.RANGE)


StereoReader = Reader[StereoFrame]


def as_panorama(frame: StereoFrame, camera: Equirectangular) -> StereoFrame:
    """Convert the pair to images of panorama cameras at the same positions.

    This trains networks for panoramas on rectified pinhole pairs (Payen de La Garanderie et al.,
    ECCV 2018, sec. 3). Depth is taken from the nearest pixel, as range. Beyond the pinhole
    view, see ``covered``, images are black and the depth is 0.

    Args:
        camera: the panorama, usually a partial one about as wide as the pinhole view.
    """
    grid = SamplingGrid.of(frame.camera, camera.rays())
    views = (grid.sample(view) for view in (frame.left, frame.right))
    maps = {"depth_m": grid.sample(frame.range_m, "nearest"), "kind": DepthKind.RANGE}
    rig = {"baseline_m": frame.baseline_m, "direction": frame.direction}
    return StereoFrame(*views, **maps, camera=camera, **rig, covered=grid.valid)


class PanoramasOfPinholes:
    """A reader of pinhole pairs as panoramas, see :func:`as_panorama`.

    Args:
        fov_deg: horizontal and vertical field of view of the panoramas.
        size: (height, width) to which the caller reduces them. The panoramas have twice as many
            pixels along each side, so that the mean of four pixels is free of aliasing.
    """

    def __init__(
        self, reader: StereoReader, fov_deg: tuple[float, float], size: tuple[int, int]
    ) -> None:
        self._reader = reader
        self._camera = Equirectangular.partial(*(2 * n for n in size), *map(math.radians, fov_deg))

    def __len__(self) -> int:
        return len(self._reader)

    def __getitem__(self, index: int) -> StereoFrame:
        return as_panorama(self._reader[index], self._camera)
