"""Panoramas read from disk while a network is trained on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import ConcatDataset

from ...data.frames import FrameReader
from ...data.panoramas import open_panoramas
from ...data.panoramas.resize import cubic_picture
from ...data.panoramas.resize import nearest_map as nearest
from ...data.worlds import WorldFolder
from ..strict_mapping import RecipeError

SourceKind = Literal["worlds", "structured3d", "deep360", "matterport3d", "stanford2d3d"]


@dataclass(frozen=True)
class SourceRecipe:
    """A data set.

    Attributes:
        kind: its layout.
        root: its folder.
        split: part of it; worlds have none.
        listing: a list of its frames instead, see
            :class:`~depth_perception.data.panoramas.Panoramas`.
    """

    kind: SourceKind
    root: str
    split: str = "train"
    listing: str | None = None

    def __post_init__(self) -> None:
        if self.kind == "worlds" and self.listing is not None:
            raise ValueError("worlds have no listing")


def open_source(source: SourceRecipe) -> FrameReader:
    """The reader of a data set.

    Raises:
        OSError: it is missing. RecipeError: no such split, or a broken list.
    """
    if source.kind == "worlds":
        return WorldFolder(source.root)
    try:
        return open_panoramas(source.kind, source.root, source.split, listing=source.listing)
    except ValueError as error:
        raise RecipeError(f"data: {error}") from error


class FrameFiles:
    """Frames of several data sets, decoded when they are asked for.

    They are resized as PanDA does it: pictures by cubic samples of 8 bits, ranges by the nearest
    sample, both without regard to aliasing.
    """

    def __init__(self, readers: Sequence[FrameReader], limit: int | None = None) -> None:
        self._frames = ConcatDataset(readers)
        self._count = len(self._frames) if limit is None else min(limit, len(self._frames))

    def __len__(self) -> int:
        return self._count

    def at(self, items: Iterable[int], height: int) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, h, 2 h) in [0, 1] and ranges (B, 1, h, 2 h) in metres."""
        frames = [self._frames[item] for item in items]
        rgb = torch.stack([resized_picture(frame.rgb, height) for frame in frames])
        return rgb, torch.stack([nearest(frame.range_m, height)[None] for frame in frames])


def resized_picture(rgb: Tensor, height: int) -> Tensor:
    """(3, H, W) uint8 to (3, height, 2 height) float32 in [0, 1], cubic samples of 8 bits."""
    return cubic_picture(rgb, height).float() / 255
