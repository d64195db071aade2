"""Tiny data sets of panoramas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ...geometry import Equirectangular
from ...io.depth_files import write_array
from ..files import write_lines
from ..panoramas import PANORAMA_IMAGES, PANORAMAS, write_panorama_images, write_panoramas
from ..threed60 import MAX_RANGE_M, View, write_threed60
from ..worlds import FolderOptions, Frame, make_world, write_folder
from ..worlds.folder import frame_pose
from ..worlds.stereo import render_triplet
from .scenes import PANORAMA, Scene, panorama

_FRAMES = {"train": 2, "val": 1, "test": 1}
_OUTDOORS = ("deep360", "360x")


def of_range(name: str, root: Path) -> dict[str, list[Scene]]:
    """A set of :data:`~..panoramas.PANORAMAS`, all splits."""
    made, seed = {}, 0
    for split in PANORAMAS[name].splits:
        scenes = [panorama(_kind(name), seed + k) for k in range(_FRAMES[split])]
        seed += len(scenes)
        write_panoramas(name, root, scenes, split)
        made[split] = scenes
    return made


def of_images(name: str, root: Path) -> dict[str, list[Scene]]:
    """A set of :data:`~..panoramas.PANORAMA_IMAGES` and a list of them, ``list.txt``."""
    scenes = [panorama(_kind(name), k) for k in range(4)]
    write_panorama_images(name, root, [scene.rgb for scene in scenes])
    names = [PANORAMA_IMAGES[name].place(k) for k in range(len(scenes))]
    write_lines(root / "list.txt", names)
    if name == "360x":
        for image, scene in zip(names, scenes, strict=True):
            mask = root / image.replace("360x_frames", "360x_masks")
            write_array(mask.with_suffix(".npy"), (scene.range_m == 0).numpy().astype(np.float32))
    return {"all": scenes}


def threed60(root: Path) -> dict[str, list[Scene]]:
    """3D60: two places, listed in nine columns in ``split.txt``."""
    camera, triplets, seed = Equirectangular(*PANORAMA), [], 3
    while len(triplets) < 2:
        world = make_world("room", seed)
        pose = frame_pose(world, 0, 1)
        seen = render_triplet(world, camera, pose, shadows=False, antialias=False)
        seed += 1
        if seen is not None:
            triplets.append(tuple(map(_view, (seen.centre, seen.right, seen.up))))
    write_threed60(root, triplets)
    ranges = [(v, torch.where(v.range_m <= MAX_RANGE_M, v.range_m, 0)) for v, _, _ in triplets]
    return {"all": [Scene(v.rgb, near_m, v.range_m, camera) for v, near_m in ranges]}


def _view(frame: Frame) -> View:
    range_m = torch.where(frame.range_m.isfinite(), frame.range_m, 0)
    return View(frame.rgb.permute(2, 0, 1), range_m, frame.normals.permute(2, 0, 1))


def worlds(root: Path) -> dict[str, list[Scene]]:
    """Panoramas of two synthetic worlds."""
    plain = {"shadows": False, "antialias": False}
    options = FolderOptions(kind="room", frames_per_world=1, labels=True, **plain)
    list(write_folder(root, (0, 1), Equirectangular(*PANORAMA), options))
    return {"all": [panorama("room", seed) for seed in (0, 1)]}


def _kind(name: str) -> str:
    return "courtyard" if name in _OUTDOORS else "room"
