"""Tiny data sets of KITTI raw and of panoptic labels."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from ...geometry import DepthKind, Pinhole
from ...segment_classes import CITYSCAPES, COCO_PANOPTIC
from ..cityscapes import LABEL_IDS
from ..coco import CATEGORY_IDS
from ..dvps import DEPTH_PER_METRE, walk_through, write_cityscapes_dvps
from ..files import write_lines, write_rgb, write_samples
from ..kitti_raw import write_kitti_raw
from ..panoptic import VOID_CLASS, PanopticFrame
from ..stereo import StereoFrame
from ..worlds import make_world, render
from ..worlds.stereo import shifted
from .scenes import Scene, depth_steps

_BASELINE_M = 0.54
# Classes of Cityscapes under their names in COCO, where they have another.
_IN_COCO = {
    "sidewalk": "pavement-merged",
    "building": "building-other-merged",
    "wall": "wall-other-merged",
    "fence": "fence-merged",
    "vegetation": "tree-merged",
    "terrain": "grass-merged",
    "sky": "sky-other-merged",
}
_FRAMES = {"train": 2, "val": 1, "test": 1}


def kitti_raw(root: Path) -> dict[str, list[Scene]]:
    """KITTI raw: two pairs of a drive with lidar, one point per pixel."""
    world, camera = make_world("courtyard", 1), Pinhole.from_fov(32, 64, 1.4)
    frames = []
    for way_m in (0.0, 0.5):
        pose = world.pose(way_m)
        left = render(world, camera, pose, shadows=False)
        beside = shifted(pose, torch.tensor((_BASELINE_M, 0, 0)))
        right = render(world, camera, beside, shadows=False)
        depth = torch.where(torch.isfinite(left.z_m), left.z_m, 0)
        views = (view.rgb.permute(2, 0, 1) for view in (left, right))
        frames.append(StereoFrame(*views, depth, DepthKind.Z, camera, _BASELINE_M))
    write_kitti_raw(root, frames)
    return {"all": [Scene(f.left, f.range_m, f.depth_m, camera) for f in frames]}


@lru_cache(maxsize=2)
def street_frames(size: tuple[int, int] = (64, 128)) -> dict[str, list[PanopticFrame]]:
    """Labelled frames of a drive through one street, by split."""
    height, width = size
    camera = Pinhole(height, width, 0.78 * width, 0.78 * width, width / 2, height / 2)
    world, count = make_world("street", 1), sum(_FRAMES.values())
    frames = iter(walk_through(world, camera, count, step_m=3.0, shadows=False, antialias=False))
    return {split: list(islice(frames, count)) for split, count in _FRAMES.items()}


def cityscapes_dvps(root: Path) -> dict[str, list[PanopticFrame]]:
    """Cityscapes-DVPS: all three splits, each with a list."""
    for split, frames in street_frames().items():
        write_cityscapes_dvps(root, split, [[frame] for frame in frames])
    return street_frames()


def semkitti_dvps(root: Path) -> dict[str, list[PanopticFrame]]:
    """SemKITTI-DVPS: separate class and instance files; labels and depth as sparse as lidar."""
    made: dict[str, list[PanopticFrame]] = {}
    for split in ("train", "val"):
        made[split] = []
        for number, frame in enumerate(street_frames()[split]):
            hit = torch.zeros_like(frame.depth_m, dtype=torch.bool)
            hit[::2] = frame.depth_m[::2] > 0
            classes = torch.where(hit, frame.classes, VOID_CLASS)
            depth_m = torch.where(hit, frame.depth_m, 0)
            prefix = root / split / f"{8 if split == 'val' else 0:06d}_{number:06d}_"
            instances = torch.where(hit, frame.instances, 0)
            maps = {
                "gtFine_class.png": classes.numpy(),
                "gtFine_instance.png": instances.numpy().astype(np.uint16),
                f"depth_{frame.focal_px:.4f}.png": depth_steps(depth_m, DEPTH_PER_METRE),
            }
            write_rgb(Path(f"{prefix}leftImg8bit.png"), frame.rgb)
            for ending, samples in maps.items():
                write_samples(Path(f"{prefix}{ending}"), samples)
            changed = {"classes": classes, "instances": instances, "depth_m": depth_m}
            made[split].append(replace(frame, **changed))
    return made


def cityscapes(root: Path) -> dict[str, list[PanopticFrame]]:
    """Cityscapes: images in city folders, labels as written by createPanopticImgs."""
    table = np.zeros(VOID_CLASS + 1, np.int64)
    table[: len(LABEL_IDS)] = LABEL_IDS
    made: dict[str, list[PanopticFrame]] = {}
    for split in ("train", "val"):
        entries = []
        made[split] = street_frames()[split]
        for k, frame in enumerate(made[split]):
            stem = f"aachen_{k:06d}_000019"
            image = root / "leftImg8bit" / split / "aachen" / f"{stem}_leftImg8bit.png"
            write_rgb(image, frame.rgb)
            number = frame.instances.long().numpy()
            ids = table[frame.classes.numpy()]
            ids = np.where(number > 0, ids * 1000 + number - 1, ids)
            name = f"{stem}_gtFine_panoptic.png"
            colours = np.stack((ids % 256, ids // 256 % 256, ids // 65536), -1).astype(np.uint8)
            write_samples(root / "gtFine" / f"cityscapes_panoptic_{split}" / name, colours)
            segments = [
                {"id": i, "category_id": i if i < 1000 else i // 1000, "iscrowd": 0}
                for i in np.unique(ids[ids > 0]).tolist()
            ]
            entries.append({"image_id": stem, "file_name": name, "segments_info": segments})
        listing = root / "gtFine" / f"cityscapes_panoptic_{split}.json"
        write_lines(listing, [json.dumps({"annotations": entries})])
    return made


def coco_panoptic(root: Path) -> dict[str, list[PanopticFrame]]:
    """COCO: JPEG images, segments numbered through each image; classes it lacks have no label."""
    here = {entry.name: number for number, entry in enumerate(COCO_PANOPTIC)}
    table = torch.full((VOID_CLASS + 1,), VOID_CLASS, dtype=torch.uint8)
    for number, entry in enumerate(CITYSCAPES):
        found = here.get(_IN_COCO.get(entry.name, entry.name))
        if found is not None and COCO_PANOPTIC[found].is_thing == entry.is_thing:
            table[number] = found
    made: dict[str, list[PanopticFrame]] = {}
    for split in ("train", "val"):
        made[split], entries = [], []
        for k, frame in enumerate(street_frames()[split]):
            classes = table[frame.classes.long()]
            segments = torch.where(classes == VOID_CLASS, 0, classes.long() * 1000 + 1)
            segments = torch.where(segments > 0, segments + frame.instances, 0)
            values, places = segments.unique(return_inverse=True)
            ids = [0 if value == 0 else 1000 + place for place, value in enumerate(values.tolist())]
            listed = [
                {"id": i, "category_id": CATEGORY_IDS[value // 1000], "iscrowd": 0}
                for i, value in zip(ids, values.tolist(), strict=True)
                if value
            ]
            numbers = torch.zeros(len(values), dtype=torch.int32)
            for number, segment in enumerate(listed, 1):
                if COCO_PANOPTIC[int(values[ids.index(segment["id"])]) // 1000].is_thing:
                    numbers[ids.index(segment["id"])] = number
            pixels = np.array(ids)[places.numpy()]
            colours = np.stack((pixels % 256, pixels // 256, pixels * 0), -1).astype(np.uint8)
            stem = f"{k:012d}"
            write_rgb(root / f"{split}2017" / f"{stem}.jpg", frame.rgb)
            labels = root / "annotations" / f"panoptic_{split}2017" / f"{stem}.png"
            labels.parent.mkdir(parents=True, exist_ok=True)
            write_samples(labels, colours)
            entries.append({"file_name": labels.name, "segments_info": listed})
            maps = {"classes": classes, "instances": numbers[places]}
            depth_m = torch.zeros_like(frame.depth_m)
            made[split].append(replace(frame, **maps, depth_m=depth_m, focal_px=None))
        listing = root / "annotations" / f"panoptic_{split}2017.json"
        write_lines(listing, [json.dumps({"annotations": entries})])
    return made
