"""Panoramas in the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..panoramas import open_panoramas, open_pictures
from ..panoramas.registry import PANORAMAS, PICTURES
from ..threed60 import Views, read_list
from ..worlds import WorldFolder
from .entry import DataSet


def _range(name: str) -> Callable[[Path, str, Path | None], Any]:
    return lambda root, split, listing: open_panoramas(name, root, split, listing=listing)


def _pictures(name: str) -> Callable[[Path, str, Path | None], Any]:
    return lambda root, split, listing: open_pictures(name, root, listing=listing)


def _pairs(reader: Any) -> list[Path]:
    return [path for pair in reader.pairs for path in pair]


def _named(reader: Any) -> list[Path]:
    return [reader.root / name for name in reader.names]


def _threed60(root: Path, split: str, listing: Path | None) -> Any:
    if listing is None:
        lists = [p for p in sorted(root.glob("*.txt")) if not p.name.startswith("omni_")]
        if len(lists) != 1:
            raise FileNotFoundError(
                f"{root} holds {len(lists)} lists (*.txt): name one with --list"
            )
        listing = lists[0]
    places = read_list(listing, root)
    if not places:
        raise ValueError(f"{listing} names no places")
    return Views(places)


def _threed60_files(reader: Views) -> list[Path]:
    views = [view for place in reader.places for view in place.views.values()]
    files = [path for v in views for path in (v.color, v.depth, v.normal) if path is not None]
    return files


def _world_files(reader: WorldFolder) -> list[Path]:
    frames = reader.root / "frames"
    stems = [frame["stem"] for frame in reader.frames]
    return [frames / f"{stem}_{what}.png" for stem in stems for what in ("rgb", "range")]


def _of_range(
    name: str,
    title: str,
    unit: str,
    rule: str,
    used_by: tuple[str, ...],
    partners: tuple[str, Callable[[Path], Path]],
    usual_m: tuple[float, float],
) -> DataSet:
    reader = PANORAMAS[name]
    return DataSet(
        name, title, "panorama", "range", reader.layout, unit, reader.splits, rule, used_by,
        _range(name), _pairs, partners, usual_m,
    )  # fmt: skip


def _of_pictures(name: str, title: str) -> DataSet:
    reader = PICTURES[name]
    return DataSet(
        name, title, "panorama", "images", reader.layout, "no depth", ("all",),
        "all images; a list selects", ("train panda-student",), _pictures(name), _named,
    )  # fmt: skip


_INDOOR = (0.3, 20.0)
_PANDA = ("train panda-teacher", "train panda-student", "eval panda")

ENTRIES: tuple[DataSet, ...] = (
    _of_range(
        "structured3d", "Structured3D (ECCV 2020), rendered rooms in raw light",
        "PNG of 16 bits in mm, 0 unknown; read up to 10 m",
        "scenes 0-2999, 3000-3249, 3250-3499, without 7 broken ones", _PANDA,
        ("scene_*/2D_rendering/*/panorama/full/depth.png",
         lambda path: path.with_name("rgb_rawlight.png")),
        _INDOOR,
    ),
    _of_range(
        "deep360", "Deep360 (ECCV 2022), rendered streets in Cassini projection",
        "NPZ arr_0 in m; read up to 100 m", "the folders training, validation, testing", _PANDA,
        ("ep*_500frames/*/depth/*_depth.npz",
         lambda path: path.parents[1] / "rgb" / f"{path.name[:-10]}_12_rgb1.png"),
        (0.5, 200.0),
    ),
    _of_range(
        "matterport3d", "Matterport3D (3DV 2017), scanned houses, stitched by UniFuse's scripts",
        "PNG of 16 bits in 1/4000 m, 0 unknown; read up to 11 m",
        "official scenes: 61 train, 11 val, 18 test",
        ("train panda-matterport", "eval panda"),
        ("*/pano_depth/*.png",
         lambda path: path.parents[1] / "pano_skybox_color" / f"{path.stem}.jpg"),
        _INDOOR,
    ),
    _of_range(
        "stanford2d3d", "Stanford2D3D (2017), scanned offices",
        "PNG of 16 bits in 1/512 m, 0 or 65535 unknown; read up to 11 m",
        "areas 5a, 5b test; of the others one in 26 val, by a checksum; the authors' 40 by list",
        ("train panda-stanford", "eval panda"),
        ("area_*/**/depth/*_depth.png", lambda path: _stanford_picture(path)),
        _INDOOR,
    ),
    DataSet(
        "3d60", "3D60 (ECCV 2018, 3DV 2019), rendered scans from three viewpoints 0.26 m apart",
        "stereo panoramas", "range",
        "a list of 9 columns, and the files that it names below Matterport3D, Stanford2D3D, SunCG",
        "EXR in m; beyond 8 m or not positive: unknown", ("all",), "the list",
        ("train omnidepth-rectnet", "train omnidepth-uresnet", "train blindspot-worlds",
         "eval omnidepth", "eval view-synthesis"),
        _threed60, _threed60_files, None, _INDOOR,
    ),
    _of_pictures("zind", "Zillow Indoor Dataset (CVPR 2021), empty homes"),
    _of_pictures("360x", "360+x (CVPR 2024), frames of videos, with masks of the sky"),
    _of_pictures("diverse360", "PanDA's Diverse360, or any folder of panoramas"),
    DataSet(
        "worlds", "synthetic worlds of depth-perception worlds folder", "panorama", "range",
        "dataset.json, frames.jsonl, frames/SEED_K_{rgb,range}.png",
        "PNG of 16 bits in mm, 0 sky", ("all",), "one folder each",
        ("train panda-tiny-metric", "train ppd-pretrain", "train scaledepth-n", "eval plain"),
        lambda root, split, listing: WorldFolder(root), _world_files,
    ),
)  # fmt: skip


def _stanford_picture(depth: Path) -> Path:
    name = f"{depth.name.removesuffix('depth.png')}rgb.png"
    folder = "rgb" if depth.parents[1].name == "pano" else "rgb_pre_"
    return depth.parents[1] / folder / name
