"""Panoptic labels with depth: Cityscapes-DVPS and SemKITTI-DVPS (ViP-DeepLab, arXiv 2012.05258).

Both have flat folders ``ROOT/SPLIT``; the files of a frame have a common prefix::

    Cityscapes-DVPS, SEQUENCE_FRAME_CITY_XXXXXX_YYYYYY_
        leftImg8bit.png
        gtFine_instanceTrainIds.png    16 bits, train id * 1000 + number; 32000 without label
        depth.png                      16 bits, 1/256 m, 0 where unknown
    SemKITTI-DVPS, SEQUENCE_FRAME_
        leftImg8bit.png
        gtFine_class.png               255 without label
        gtFine_instance.png
        depth_FOCAL.png                as above; FOCAL is the focal length in pixels

``ROOT`` is the folder ``video_sequence`` of the archives.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch

from ..geometry import Pinhole
from ..io.atomic import write_text
from ..io.images import read_image
from ..segment_classes import CITYSCAPES
from .files import rgb_tensor, write_samples
from .panoptic import CITYSCAPES_THINGS, VOID_CLASS, PanopticFrame, check_sizes, label_samples
from .worlds import CLASSES, Frame, World, make_world, render, sensor_effects

DEPTH_PER_METRE = 256
FRAMES_PER_SEQUENCE = 6
FARTHEST_M = 80.0
_MOST_OBJECTS = 999
_NUMBER = {entry.name: number for number, entry in enumerate(CITYSCAPES)}
_OF_WORLD = torch.full((1 + max(entry.id for entry in CLASSES),), VOID_CLASS, dtype=torch.uint8)
for _entry in CLASSES:
    _OF_WORLD[_entry.id] = _NUMBER.get(_entry.name, VOID_CLASS)
IMAGE, SEGMENTS, DEPTH = "leftImg8bit.png", "gtFine_instanceTrainIds.png", "depth.png"


@dataclass(frozen=True)
class DvpsFiles:
    """Paths of the files of a frame.

    Attributes:
        prefix: common prefix of the file names; the video comes before the first underscore.
        image, depth: their files. labels: files of segments, or classes and instances on SemKITTI.
        focal_px: focal length, if the name of the depth file has it.
    """

    prefix: str
    image: Path
    labels: tuple[Path, ...]
    depth: Path
    focal_px: float | None = None


class DvpsReader:
    """Frames of a split, read on access; see the two subclasses.

    Args:
        root: folder ``ROOT`` of the module documentation.
        split: ``train``, ``val`` or ``test``; SemKITTI-DVPS has no ``test``.

    Raises:
        FileNotFoundError: there are no frames, or one lacks a file.
    """

    labels: ClassVar[tuple[str, ...]]
    depth: ClassVar[str]

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.files = tuple(self._find(root, split))

    @classmethod
    def _find(cls, root: str | Path, split: str) -> list[DvpsFiles]:
        return _by_prefix(Path(root) / split, cls.labels, cls.depth)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> PanopticFrame:
        """One frame.

        Raises:
            ImageReadError: a file is missing or damaged.
            ValueError: the maps differ in size.
        """
        files = self.files[index]
        image, depth = read_image(files.image), label_samples(files.depth)
        labels = [label_samples(path) for path in files.labels]
        sizes = {f"labels {number}": values for number, values in enumerate(labels, 1)}
        check_sizes(files.prefix, image=image, depth=depth, **sizes)
        classes, instances = labels if len(labels) == 2 else (labels[0] // 1000, labels[0] % 1000)
        classes = np.where(classes < len(CITYSCAPES), classes, VOID_CLASS)
        depth_m = (depth / DEPTH_PER_METRE).astype(np.float32)
        maps = (classes.astype(np.uint8), instances.astype(np.int32), depth_m)
        maps, name = map(torch.from_numpy, maps), files.image.name
        return PanopticFrame(rgb_tensor(image), *maps, name, focal_px=files.focal_px)


class SemKittiDvps(DvpsReader):
    """SemKITTI-DVPS; labels and depth are sparse (projected lidar points)."""

    labels, depth = ("gtFine_class.png", "gtFine_instance.png"), "depth_"


class CityscapesDvps(DvpsReader):
    """Cityscapes-DVPS, in the order of the list of :func:`write_index` if there is one."""

    labels, depth = (SEGMENTS,), DEPTH

    @classmethod
    def _find(cls, root: str | Path, split: str) -> list[DvpsFiles]:
        folder, index = Path(root) / split, index_path(root, split)
        if not index.is_file():
            return super()._find(root, split)
        files = []
        for entry in json.loads(index.read_text(encoding="utf-8")):
            image, labels, depth = (folder / entry[name] for name in ("image", "seg", "depth"))
            files.append(DvpsFiles(image.name.removesuffix(IMAGE), image, (labels,), depth))
        return files


def index_path(root: str | Path, split: str) -> Path:
    """Path of the list of a split of Cityscapes-DVPS."""
    return Path(root) / f"dvps_cityscapes_{split}.json"


def write_index(root: str | Path, split: str) -> int:
    """Write the list of a split of Cityscapes-DVPS for PanopticDepth; returns its length.

    Raises:
        FileNotFoundError: there are no frames, or a frame lacks a file.
        ValueError: the maps of a frame differ in size.
    """
    entries = []
    for files in _by_prefix(Path(root) / split, (SEGMENTS,), DEPTH):
        maps = (files.image, files.depth, *files.labels)
        image, *rest = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in maps)
        check_sizes(files.prefix, image=image, depth=rest[0], labels=rest[1])
        names = {"image": files.image, "depth": files.depth, "seg": files.labels[0]}
        size = {"height": image.shape[0], "width": image.shape[1]}
        entries.append(size | {key: path.name for key, path in names.items()})
    write_text(index_path(root, split), json.dumps(entries, indent=1) + "\n")
    return len(entries)


def _by_prefix(folder: Path, labels: tuple[str, ...], depth: str) -> list[DvpsFiles]:
    """Group files into frames by their common prefix."""
    names = sorted(path.name for path in folder.glob("*.png"))
    present = frozenset(names)
    depths = {name[: name.index(depth)]: name for name in names if depth in name}
    files = []
    for name in names:
        if not name.endswith(IMAGE):
            continue
        prefix = name.removesuffix(IMAGE)
        lost = [prefix + label for label in labels if prefix + label not in present]
        if prefix not in depths:
            lost.append(prefix + depth)
        if lost:
            raise FileNotFoundError(f"{folder / name} has no partner {', '.join(lost)}")
        focal = depths[prefix].removeprefix(prefix + depth).removesuffix(".png")
        maps = tuple(folder / (prefix + label) for label in labels)
        focal_px = float(focal) if focal else None
        files.append(DvpsFiles(prefix, folder / name, maps, folder / depths[prefix], focal_px))
    if not files:
        raise FileNotFoundError(f"no frames (*_{IMAGE}) in {folder}")
    return files


def panoptic_world_frames(frames: Sequence[Frame], name: str) -> list[PanopticFrame]:
    """Frames of one world with the classes of Cityscapes; other classes have no label.

    Objects have numbers from 1 in their class, the same in all frames. Depth beyond 80 m and of the
    sky is unknown.

    Raises:
        ValueError: more than 999 objects of a class.
    """
    classes = [_OF_WORLD[frame.classes.cpu()] for frame in frames]
    instances = [torch.zeros_like(frame.instances.cpu(), dtype=torch.int32) for frame in frames]
    for thing in CITYSCAPES_THINGS:
        masks = [of_frame == thing for of_frame in classes]
        ids = [f.instances.cpu()[mask] for f, mask in zip(frames, masks, strict=True)]
        present = torch.unique(torch.cat(ids))
        if len(present) > _MOST_OBJECTS:
            raise ValueError(f"{name} has {len(present)} objects of class {thing}: too many")
        for numbers, mask, found in zip(instances, masks, ids, strict=True):
            numbers[mask] = (torch.searchsorted(present, found) + 1).int()
    found = []
    for number, (frame, *maps) in enumerate(zip(frames, classes, instances, strict=True)):
        rgb, z_m = frame.rgb.cpu().permute(2, 0, 1).contiguous(), frame.z_m.cpu()
        depth_m = torch.where((z_m > 0) & (z_m <= FARTHEST_M), z_m, 0).float()
        focal_px = frame.camera.fx if isinstance(frame.camera, Pinhole) else None
        found.append(PanopticFrame(rgb, *maps, depth_m, f"{name}_{number}", focal_px=focal_px))
    return found


def walk_through(
    world: World,
    camera: Pinhole,
    frames: int = FRAMES_PER_SEQUENCE,
    *,
    step_m: float = 0.5,
    start: float = 0.0,
    shadows: bool = True,
    antialias: bool = True,
    sensor: float = 0.0,
) -> list[PanopticFrame]:
    """Render successive frames along the path of a world.

    Args:
        step_m: distance between two frames. start: position of the first, as a share of the path.
        sensor: strength of noise and blur, see
            :func:`~depth_perception.data.worlds.looks.sensor_effects`.
    """
    seen = []
    for number in range(frames):
        pose = world.pose(start * world.path_length_m + number * step_m)
        frame = render(world, camera, pose, shadows=shadows, antialias=antialias)
        if sensor > 0:
            rgb = sensor_effects(frame.rgb.cpu(), (world.seed, 8, number), sensor)
            frame = replace(frame, rgb=rgb)
        seen.append(frame)
    return panoptic_world_frames(seen, f"world{world.seed:06d}")


def write_cityscapes_dvps(
    root: str | Path, split: str, sequences: Iterable[Sequence[PanopticFrame]]
) -> int:
    """Write videos and their list; returns the number of frames.

    Args:
        root: the folder ``video_sequence``, see the module documentation.
        sequences: frames of each video, in order.

    Raises:
        ValueError: an object has a number above 999, or there are no frames.
    """
    folder, count = Path(root) / split, 0
    for sequence, frames in enumerate(sequences):
        for number, frame in enumerate(frames):
            if int(frame.instances.max()) > _MOST_OBJECTS:
                raise ValueError(f"{frame.name}: object numbers must not pass {_MOST_OBJECTS}")
            prefix = f"{sequence:06d}_{number:06d}_world_{sequence:06d}_{number:06d}_"
            write_samples(folder / (prefix + IMAGE), frame.rgb.permute(1, 2, 0).numpy())
            write_samples(folder / (prefix + SEGMENTS), frame.segments().numpy().astype(np.uint16))
            steps = (frame.depth_m * DEPTH_PER_METRE).round().clamp(0, 65535)
            write_samples(folder / (prefix + DEPTH), steps.numpy().astype(np.uint16))
            count += 1
    if not count:
        raise ValueError("there are no frames to write")
    write_index(root, split)
    return count


def street_sequences(
    seeds: Iterable[int],
    camera: Pinhole,
    frames: int = FRAMES_PER_SEQUENCE,
    *,
    step_m: float = 0.5,
    sensor: float = 0.0,
    kind: str = "street",
) -> Iterator[list[PanopticFrame]]:
    """A video of the world of each seed, see :func:`walk_through` and :func:`.make_world`."""
    for seed in seeds:
        world = make_world(kind, seed)
        yield walk_through(world, camera, frames, step_m=step_m, sensor=sensor)
