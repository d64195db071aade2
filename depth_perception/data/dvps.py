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
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch

from ..io.atomic import replacing
from ..io.images import read_image
from ..segment_classes import CITYSCAPES
from .files import rgb_tensor
from .panoptic import VOID_CLASS, PanopticFrame, check_sizes, label_samples

DEPTH_PER_METRE = 256
IMAGE, SEGMENTS, DEPTH = "leftImg8bit.png", "gtFine_instanceTrainIds.png", "depth.png"


@dataclass(frozen=True)
class DvpsFiles:
    """Files of a frame.

    Attributes:
        prefix: of their names.
        image, depth: of the frame. labels: segments, or classes and instances on SemKITTI.
        focal_px: focal length, if the name of the depth file has it.
    """

    prefix: str
    image: Path
    labels: tuple[Path, ...]
    depth: Path
    focal_px: float | None = None

    @property
    def sequence(self) -> str:
        """The video of the frame."""
        return self.prefix.partition("_")[0]


class DvpsReader:
    """Frames of a split, read on access; see the two subclasses.

    Args:
        root: see above.
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

    def sequences(self) -> dict[str, list[int]]:
        """The frames of each video, in order."""
        found: dict[str, list[int]] = {}
        for index, files in enumerate(self.files):
            found.setdefault(files.sequence, []).append(index)
        return found

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
    """SemKITTI-DVPS; labels and depth are those of lidar points and sparse."""

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
        FileNotFoundError: there are no frames, or one lacks a file.
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
    with replacing(index_path(root, split)) as part:
        part.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    return len(entries)


def _by_prefix(folder: Path, labels: tuple[str, ...], depth: str) -> list[DvpsFiles]:
    """Frames, by the common prefix of their files."""
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
