"""What every reader of panoramas gives, for training and evaluation."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Frame(Protocol):
    """rgb (3, H, W) uint8; range_m (H, W) float32 metres, 0 where there is no surface."""

    rgb: Tensor
    range_m: Tensor


class FrameReader(Protocol):
    """A data set of panoramas."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Frame: ...
