"""Frames that readers of data sets return, for training and evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from ..geometry import Pinhole

FrameT = TypeVar("FrameT", covariant=True)


class Reader(Protocol[FrameT]):
    """A data set."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> FrameT: ...


class Frame(Protocol):
    """A panorama: rgb (3, H, W) uint8; range_m (H, W) float32 metres, 0 without a surface."""

    rgb: Tensor
    range_m: Tensor


@dataclass(frozen=True)
class PanoramaFrame:
    """A full panorama and its range.

    Attributes:
        rgb: (3, H, W) uint8.
        range_m: (H, W) float32 metres along the ray, 0 where unknown or without a surface.
        name: path of the image relative to the root, or name of the frame of a synthetic world.
        camera_height_m: height of the camera above the ground; None where unknown.
    """

    rgb: Tensor
    range_m: Tensor
    name: str
    camera_height_m: float | None = None


@dataclass(frozen=True)
class PinholeFrame:
    """A pinhole image and its depth.

    Attributes:
        rgb: (3, H, W) uint8.
        depth_m: (H, W) float32 z-depth in metres, 0 where unknown, infinite for known sky.
        camera: camera of the image; None if the data set does not define it or it is not read.
        name: path of the image below the root, if the reader provides it.
    """

    rgb: Tensor
    depth_m: Tensor
    camera: Pinhole | None = None
    name: str = ""


FrameReader = Reader[Frame]
PinholeReader = Reader[PinholeFrame]
