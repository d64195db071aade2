"""3D60 (Zioulis et al., ECCV 2018 and 3DV 2019): panoramas from three viewpoints with range.

Every place has a view ``Left_Down``, one 0.26 m to its right and one 0.26 m above. Lists name the
files of a place in nine columns (colour, depth and normals of the three views) or in two (colour
and depth of one view, as in OmniDepth). The paths in published lists differ: the part before the
folder of the collection is replaced by the root.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from ..geometry import DepthKind, Equirectangular
from ..geometry.stereo import RIGHT, UP
from ..io.exr import ExrReadError, read_exr, write_exr
from .files import check_depth_size, read_rgb, write_lines, write_rgb
from .stereo import StereoFrame
from .world_options import BASELINE_M

MAX_RANGE_M = 8.0
"""Farther surfaces count as unknown in OmniDepth's training and evaluation."""

_SPELLINGS = {
    "Matterport3D": ("Matterport3D", "Matteport3D", "Matterport"),
    "Stanford2D3D": ("Stanford2D3D", "Stanford"),
    "SunCG": ("SunCG",),
}
_COLLECTIONS = {s.lower(): name for name, spellings in _SPELLINGS.items() for s in spellings}


class Placement(str, Enum):
    """The viewpoints of a place, as in file names."""

    CENTRE = "Left_Down"
    RIGHT = "Right"
    UP = "Up"


DIRECTIONS = {Placement.RIGHT: RIGHT, Placement.UP: UP}


@dataclass(frozen=True)
class ViewFiles:
    """Files of a view; two-column lists have no normals."""

    color: Path
    depth: Path
    normal: Path | None = None


@dataclass(frozen=True)
class Place:
    """One line of a list.

    Attributes:
        collection: ``Matterport3D``, ``Stanford2D3D`` or ``SunCG``.
        views: files by placement; two-column lists fill only the centre, for any view.
    """

    collection: str
    views: dict[Placement, ViewFiles]


@dataclass(frozen=True, eq=False)
class View:
    """One panorama.

    Attributes:
        rgb: (3, H, W) uint8.
        range_m: (H, W) float32 metres, 0 where unknown.
        normals: (3, H, W) float32 in the file's order R, G, B; the last is vertical.
    """

    rgb: Tensor
    range_m: Tensor
    normals: Tensor | None = None


def read_list(
    path: str | Path, root: str | Path, collections: Sequence[str] | None = None
) -> tuple[Place, ...]:
    """Read the places of a list.

    Args:
        path: path of the list.
        root: folder that holds the folders of the collections.
        collections: collections to read, in this order; None reads all lines in order.

    Raises:
        ValueError: a line has neither 9 nor 2 columns, or its paths name no collection
            or several.
        FileNotFoundError: there is no such list.
    """
    path, root = Path(path), Path(root)
    unknown = set(collections or ()) - set(_SPELLINGS)
    if unknown:
        raise ValueError(f"unknown collections {sorted(unknown)}; 3D60 has {sorted(_SPELLINGS)}")
    if not path.is_file():
        raise FileNotFoundError(f"no list {path}")
    places, folders = [], {}
    for name, spellings in _SPELLINGS.items():
        present = (root / spelling for spelling in spellings if (root / spelling).is_dir())
        folders[name] = next(present, root / name)
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        try:
            places.append(_place(line.split(), folders))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if collections is None:
        return tuple(places)
    return tuple(p for name in collections for p in places if p.collection == name)


def read_view(files: ViewFiles, *, max_range_m: float = MAX_RANGE_M, normals: bool = False) -> View:
    """Read one panorama; ranges that are not in (0, ``max_range_m``] become 0.

    Raises:
        ImageReadError, ExrReadError: a file is missing or damaged.
        ValueError: image and range differ in size, or there are no normals.
    """
    rgb, range_m = read_rgb(files.color), torch.from_numpy(_one_channel(files.depth))
    check_depth_size(files.depth, range_m, rgb.shape[1:])
    known = (range_m > 0) & (range_m <= max_range_m)
    return View(rgb, torch.where(known, range_m, 0), _normals(files) if normals else None)


class Views:
    """A reader of single panoramas, for supervised training and evaluation.

    Args:
        places: see :func:`read_list`. placement: the view to read.
    """

    def __init__(
        self,
        places: Sequence[Place],
        placement: Placement = Placement.CENTRE,
        *,
        max_range_m: float = MAX_RANGE_M,
    ) -> None:
        _check_has(places, placement)
        self.places, self.placement, self.max_range_m = tuple(places), placement, max_range_m

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> View:
        """See :func:`read_view`."""
        files = self.places[index].views[self.placement]
        return read_view(files, max_range_m=self.max_range_m)


class Pairs:
    """A reader of stereo pairs: the centre and the view to its right or above it.

    Args:
        places: see :func:`read_list`. second: placement of the second view.
        baseline_m: distance between the views, metres.
    """

    def __init__(
        self,
        places: Sequence[Place],
        second: Placement = Placement.RIGHT,
        *,
        max_range_m: float = MAX_RANGE_M,
        baseline_m: float = BASELINE_M,
    ) -> None:
        if second is Placement.CENTRE:
            raise ValueError("second must be Placement.RIGHT or Placement.UP")
        _check_has(places, second)
        self.places, self.second = tuple(places), second
        self.max_range_m, self.baseline_m = max_range_m, baseline_m

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: int) -> StereoFrame:
        """One pair with the range of the centre; for errors see :func:`read_view`."""
        files = self.places[index].views
        here = read_view(files[Placement.CENTRE], max_range_m=self.max_range_m)
        there, size = read_rgb(files[self.second].color), tuple(here.range_m.shape)
        if here.rgb.shape != there.shape:
            found = tuple(there.shape[1:])
            raise ValueError(f"{files[self.second].color} is {found} but the centre is {size}")
        rig = Equirectangular(*size), self.baseline_m, DIRECTIONS[self.second]
        return StereoFrame(here.rgb, there, here.range_m, DepthKind.RANGE, *rig)


def rolled(view: View, columns: int) -> View:
    """The view rolled ``columns`` to the right, with its normals rotated.

    For the direction of a stereo pair see
    :meth:`~depth_perception.geometry.stereo.SphericalStereo.rolled`.
    """
    normals = view.normals
    if normals is not None:
        angle = 2 * math.pi * columns / normals.shape[-1]
        x, y, vertical = normals
        c, s = math.cos(angle), math.sin(angle)
        normals = torch.stack((c * x + s * y, c * y - s * x, vertical)).roll(columns, -1)
    return View(view.rgb.roll(columns, -1), view.range_m.roll(columns, -1), normals)


def write_threed60(
    root: str | Path,
    places: Iterable[tuple[View, View, View]],
    *,
    collection: str = "Matterport3D",
    stem: str = "place",
    listing: str = "split.txt",
) -> Path:
    """Write places in the layout of 3D60, with lists of nine and of two columns (centre views).

    Args:
        root: folder of the data set.
        places: the views centre, right and up. Missing normals are written as zeros.
        collection: folder of the files, for example ``Stanford2D3D/area3``.
        stem: prefix of file names.
        listing: name of the list; the second list has the prefix ``omni_``.

    Returns:
        the list of nine columns.
    """
    root = Path(root)
    lines, centres = [], []
    for number, views in enumerate(places):
        rows: dict[str, list[str]] = {"color": [], "depth": [], "normal": []}
        for placement, view in zip(Placement, views, strict=True):
            for what, suffix in (("color", "png"), ("depth", "exr"), ("normal", "exr")):
                name = f"{stem}{number}_{what}_0_{placement.value}_0.0.{suffix}"
                rows[what].append(f"./{collection}/{name}")
            color, depth, normal = (root / rows[what][-1] for what in rows)
            write_rgb(color, view.rgb)
            range_m = view.range_m.float().cpu().numpy()
            write_exr(depth, dict.fromkeys("RGB", range_m))
            normals = torch.zeros(3, *range_m.shape) if view.normals is None else view.normals
            write_exr(normal, dict(zip("RGB", normals.float().cpu().numpy(), strict=True)))
        lines.append(" ".join(path for paths in rows.values() for path in paths))
        centres.append(f"{rows['color'][0]} {rows['depth'][0]}")
    for name, content in ((f"omni_{listing}", centres), (listing, lines)):
        write_lines(root / name, content)
    return root / listing


def _place(words: list[str], folders: dict[str, Path]) -> Place:
    if len(words) not in (2, 9):
        raise ValueError(f"expected 9 columns (or 2), got {len(words)}")
    found = [_split(word) for word in words]
    names = {name for name, _ in found}
    if len(names) != 1:
        raise ValueError(f"the paths belong to several collections: {sorted(names)}")
    (name,) = names
    files = [folders[name] / inner for _, inner in found]
    if len(files) == 2:
        return Place(name, {Placement.CENTRE: ViewFiles(*files)})
    columns = zip(Placement, files[:3], files[3:6], files[6:], strict=True)
    return Place(name, {placement: ViewFiles(*paths) for placement, *paths in columns})


def _split(word: str) -> tuple[str, PurePosixPath]:
    """The collection of a path, and the path within its folder."""
    parts = PurePosixPath(word.replace("\\", "/")).parts
    places = [i for i, part in enumerate(parts[:-1]) if part.lower() in _COLLECTIONS]
    if not places:
        raise ValueError(f"{word!r} names no folder of {sorted(_SPELLINGS)}")
    inner = parts[places[-1] + 1 :]
    if ".." in inner:
        raise ValueError(f"{word!r} leaves the folder of its collection")
    return _COLLECTIONS[parts[places[-1]].lower()], PurePosixPath(*inner)


def _check_has(places: Iterable[Place], placement: Placement) -> None:
    for views in (place.views for place in places):
        if placement not in views:
            missing = f"{views[Placement.CENTRE].color} has no view {placement.value}"
            raise ValueError(f"{missing}: a list of nine columns is needed")


def _one_channel(path: Path) -> np.ndarray:
    """Range (H, W), from one channel: three-channel files repeat it."""
    channels = read_exr(path)
    for name in ("R", "Z", "Y"):
        if name in channels:
            return np.ascontiguousarray(channels[name], np.float32)
    raise ExrReadError(f"{path} holds the channels {sorted(channels)}, expected R, Z or Y")


def _normals(files: ViewFiles) -> Tensor:
    if files.normal is None:
        raise ValueError(f"{files.color} has no normals: a list of nine columns is needed")
    channels = read_exr(files.normal)
    missing = set("RGB") - set(channels)
    if missing:
        raise ExrReadError(f"{files.normal} lacks the channels {sorted(missing)}")
    return torch.from_numpy(np.stack([channels[name] for name in "RGB"]).astype(np.float32))
