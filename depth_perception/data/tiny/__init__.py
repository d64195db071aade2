"""Tiny data sets of synthetic worlds in the layouts of published ones, for tests and trial runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..names import DATA_SET_NAMES
from ..panoramas import PANORAMA_IMAGES, PANORAMAS
from . import pairs, panoramas, pinhole

Made = Mapping[str, Sequence[Any]]
"""Written frames by split, in the order of the reader."""

_LISTED = {
    "diode-indoor": ("indoors_test.txt", 1000, "val/indoors/{k}.png", "val/indoors/{k}_depth.png"),
    "diode-outdoor": ("outdoor_test.txt", 256, "val/outdoor/{k}.png", "val/outdoor/{k}_depth.png"),
    "ddad": ("camera01.txt", 256, "000150/rgb/CAMERA_01/{k}.png", "000150/depth/CAMERA_01/{k}.png"),
    "hypersim-list": ("hypersim_list2.txt", 1000, "ai_001_001/frame.{k:04d}.tonemap.jpg",
                      "ai_001_001/frame.{k:04d}.depth.png"),
    "diml": ("test_outdoor.txt", 1000, "outdoor/outleft/{k}.png", "outdoor/depthmap/{k}.png"),
    "scannet": ("scannet_list.txt", 1000, "scene0707_00/color/{k}.jpg",
                "scene0707_00/depth/{k}.png"),
}  # fmt: skip
_OUTDOOR = ("diode-outdoor", "ddad", "diml")
_WRITERS: dict[str, Callable[[Path], Made]] = {
    **{name: partial(panoramas.of_range, name) for name in PANORAMAS},
    **{name: partial(panoramas.of_images, name) for name in PANORAMA_IMAGES},
    **{n: pinhole.listed(*form, outdoor=n in _OUTDOOR) for n, form in _LISTED.items()},
    "3d60": panoramas.threed60, "worlds": panoramas.worlds,
    "nyu": pinhole.nyu, "nyu-folders": pinhole.nyu_folders,
    "kitti": pinhole.kitti, "kitti-folders": pinhole.kitti_folders, "kitti-raw": pairs.kitti_raw,
    "sunrgbd": pinhole.sunrgbd, "diode": pinhole.diode, "ibims": pinhole.ibims,
    "vkitti2": pinhole.vkitti2, "eth3d": pinhole.eth3d, "urbansyn": pinhole.urbansyn,
    "hypersim": pinhole.hypersim, "hypersim-json": pinhole.hypersim_json,
    "unrealstereo4k": pinhole.unrealstereo4k, "tartanair": pinhole.tartanair,
    "cityscapes": pairs.cityscapes, "cityscapes-dvps": pairs.cityscapes_dvps,
    "semkitti-dvps": pairs.semkitti_dvps, "coco-panoptic": pairs.coco_panoptic,
}  # fmt: skip
WRITERS: Mapping[str, Callable[[Path], Made]] = {name: _WRITERS[name] for name in DATA_SET_NAMES}
"""A writer for every data set of the registry."""


def write_tiny(name: str, root: str | Path) -> Made:
    """Write one or two frames of each split of a data set, and return them.

    Raises:
        KeyError: no such data set.
        ValueError: the folder is not empty.
    """
    root = Path(root)
    if name not in WRITERS:
        raise KeyError(f"no data set {name!r}; known: {', '.join(WRITERS)}")
    if root.exists() and any(root.iterdir()):
        raise ValueError(f"{root} is not empty: tiny data would mix with what is there")
    root.mkdir(parents=True, exist_ok=True)
    return WRITERS[name](root)
