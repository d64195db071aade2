"""The entries of the registry of data sets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from ..frames import Reader

Camera = Literal["panorama", "pinhole", "stereo panoramas", "stereo pinholes"]
Gives = Literal["range", "depth", "images", "panoptic"]


@dataclass(frozen=True)
class DataSet:
    """One layout of a data set.

    Attributes:
        name: name on the command line.
        title: full name, publication and content.
        camera: camera model. Pinhole images are rectified unless the title states otherwise.
        gives: range along the rays of panoramas, z-depth, images only, or segments (with z-depth
            where the data set has it).
        layout: files below the root.
        unit: unit of the depth files, and their value for unknown depth.
        splits: names of the parts.
        rule: how the data set is split, or the list that defines it.
        used_by: commands, recipes and protocols that use it.
        open_split: opens a reader, given root, split and list (None: the default list).
        files_of: returns all files of a reader's frames.
        partners: for readers that find frames by one kind of file: pattern below the root of
            another kind, and the file of the first kind that belongs to such a file.
        usual_m: expected limits of the median depth of the frames, metres.
    """

    name: str
    title: str
    camera: Camera
    gives: Gives
    layout: str
    unit: str
    splits: tuple[str, ...]
    rule: str
    used_by: tuple[str, ...]
    open_split: Callable[[Path, str, Path | None], Reader[Any]]
    files_of: Callable[[Any], Iterable[Path]]
    partners: tuple[str, Callable[[Path], Path]] | None = None
    usual_m: tuple[float, float] = (0.2, 200.0)

    def open(
        self, root: str | Path, split: str | None = None, listing: str | Path | None = None
    ) -> Reader[Any]:
        """The reader of a split, the first one if none is named.

        Raises:
            ValueError: there is no such split, or the list is broken.
            OSError: a file or folder is missing.
        """
        split = self.splits[0] if split is None else split
        if split not in self.splits:
            raise ValueError(f"{self.name} has no split {split!r}, only {', '.join(self.splits)}")
        return self.open_split(Path(root), split, None if listing is None else Path(listing))


def image_of(frame: Any) -> Tensor:
    """(3, H, W) uint8 of a frame of any reader."""
    return frame if isinstance(frame, Tensor) else frame.rgb


def depth_of(frame: Any) -> Tensor | None:
    """(H, W) float32 metres of a frame of any reader, range or z-depth, 0 where unknown."""
    for name in ("depth_m", "range_m"):
        depth = getattr(frame, name, None)
        if depth is not None:
            return depth
    return None
