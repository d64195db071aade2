"""Cityscapes with panoptic labels (Cordts et al., CVPR 2016).

Below the root::

    leftImg8bit/SPLIT/CITY/NAME_leftImg8bit.png
    gtFine/cityscapes_panoptic_SPLIT.json      made by createPanopticImgs of cityscapesScripts
    gtFine/cityscapes_panoptic_SPLIT/NAME_gtFine_panoptic.png
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..io.images import read_image
from .files import rgb_tensor
from .panoptic import VOID_CLASS, PanopticFrame, check_sizes, label_samples

VOID_SEGMENT = 32000
"""Segment without label, among segments of train ids."""
_IMAGE_SUFFIX, _LABEL_SUFFIX = "_leftImg8bit.png", "_gtFine_panoptic.png"

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label ids in the files of the classes ``segment_classes.CITYSCAPES``, by train id."""

_TRAIN_ID = np.full(256, VOID_CLASS, np.int64)
_TRAIN_ID[list(LABEL_IDS)] = np.arange(len(LABEL_IDS))


def train_ids(ids: Tensor) -> Tensor:
    """Segments of the panoptic files as ``train id * 1000 + number``, int64 of the same shape.

    The files have ``label id`` (stuff, or a group of things) or ``label id * 1000 + number``. Here
    stuff and groups get number 0, objects numbers from 1; other labels become
    :data:`VOID_SEGMENT`.
    """
    ids = ids.long()
    single = ids >= 1000
    label = torch.where(single, ids // 1000, ids).clamp(0, 255)
    train = torch.from_numpy(_TRAIN_ID).to(ids.device)[label]
    segments = train * 1000 + torch.where(single, ids % 1000 + 1, 0)
    return torch.where(train == VOID_CLASS, VOID_SEGMENT, segments)


class CityscapesPanoptic:
    """Frames of a split, without depth.

    Args:
        root: folder with ``leftImg8bit`` and ``gtFine``.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: the panoptic list is missing.
        ValueError: it is not such a list.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root, self.split = Path(root), split
        listing = self.root / "gtFine" / f"cityscapes_panoptic_{split}.json"
        if not listing.is_file():
            fix = "make it with createPanopticImgs of cityscapesScripts"
            raise FileNotFoundError(f"no list {listing}: {fix}")
        entries = json.loads(listing.read_text(encoding="utf-8")).get("annotations")
        if not isinstance(entries, list):
            raise ValueError(f"{listing} has no annotations in the panoptic format of COCO")
        self._entries: list[dict[str, Any]] = entries
        self._labels = listing.with_suffix("")

    def __len__(self) -> int:
        return len(self._entries)

    def paths(self) -> list[Path]:
        """All files of the frames."""
        images, found = self.root / "leftImg8bit" / self.split, []
        for labels, image in map(_names, self._entries):
            found += [images / image, self._labels / labels]
        return found

    def __getitem__(self, index: int) -> PanopticFrame:
        """One frame.

        Raises:
            ImageReadError: a file is missing or damaged.
            ValueError: image and labels differ in size.
        """
        entry = self._entries[index]
        labels, name = _names(entry)
        image = read_image(self.root / "leftImg8bit" / self.split / name)
        colours = label_samples(self._labels / labels)
        check_sizes(name, image=image, labels=colours)
        ids = torch.from_numpy(colours @ np.array((1, 256, 65536), np.int32))
        segments = train_ids(ids)
        groups = [s["id"] for s in entry["segments_info"] if s["iscrowd"]]
        found = train_ids(torch.tensor(groups, dtype=torch.int64)).tolist()
        classes = torch.where(segments == VOID_SEGMENT, VOID_CLASS, segments // 1000)
        maps = classes.to(torch.uint8), (segments % 1000).int(), torch.zeros(ids.shape)
        crowds = tuple((segment // 1000, segment % 1000) for segment in found)
        return PanopticFrame(rgb_tensor(image), *maps, name, crowds)


def _names(entry: dict[str, Any]) -> tuple[str, str]:
    """Names of labels and image of an entry of the list, in their folders."""
    labels = entry["file_name"]
    stem = labels.removesuffix(_LABEL_SUFFIX)
    return labels, f"{stem.partition('_')[0]}/{stem}{_IMAGE_SUFFIX}"
