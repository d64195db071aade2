"""What every reader of a data set gives, for training and evaluation."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from ..geometry import Pinhole


class Frame(Protocol):
    """rgb (3, H, W) uint8; range_m (H, W) float32 metres, 0 where there is no surface."""

    rgb: Tensor
    range_m: Tensor


class FrameReader(Protocol):
    """A data set of panoramas."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Frame: ...


class PinholeFrame(Protocol):
    """rgb (3, H, W) uint8; depth_m (H, W) float32 z-depth in metres, 0 where unknown; camera, None
    where the data set does not say."""

    rgb: Tensor
    depth_m: Tensor
    camera: Pinhole | None


class PinholeReader(Protocol):
    """A data set of pinhole pictures."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> PinholeFrame: ...
