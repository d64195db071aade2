"""The readers of panoramas by name."""

from __future__ import annotations

from pathlib import Path

from .base import Panoramas
from .pictures import Diverse360, Pictures, Views360x, WorldPictures, Zind
from .readers import Deep360, Matterport3D, Stanford2D3D, Structured3D

PANORAMAS: dict[str, type[Panoramas]] = {
    "structured3d": Structured3D,
    "deep360": Deep360,
    "matterport3d": Matterport3D,
    "stanford2d3d": Stanford2D3D,
}
PICTURES: dict[str, type[Pictures]] = {"zind": Zind, "360x": Views360x, "diverse360": Diverse360}


def open_panoramas(
    name: str,
    root: str | Path,
    split: str = "train",
    *,
    listing: str | Path | None = None,
    max_range_m: float | None = None,
) -> Panoramas:
    """The reader of a data set with range; for further errors see :class:`Panoramas`.

    Raises:
        KeyError: no such data set.
    """
    return _known(PANORAMAS, name)(root, split, listing=listing, max_range_m=max_range_m)


def open_pictures(name: str, root: str | Path, *, listing: str | Path | None = None) -> Pictures:
    """The reader of panoramas without range; for further errors see :class:`Pictures`.

    In addition to :data:`PICTURES` it supports ``worlds``, without their range.

    Raises:
        KeyError: no such data set.
    """
    return _known({**PICTURES, "worlds": WorldPictures}, name)(root, listing=listing)


def _known(readers: dict, name: str) -> type:
    if name not in readers:
        raise KeyError(f"no data set {name!r}; known: {', '.join(readers)}")
    return readers[name]
