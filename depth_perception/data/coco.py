"""COCO with panoptic labels (Kirillov et al., CVPR 2019).

Below the root::

    SPLIT2017/NAME.jpg
    annotations/panoptic_SPLIT2017.json
    annotations/panoptic_SPLIT2017/NAME.png
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..io.images import read_image
from ..segment_classes import COCO_PANOPTIC
from .files import rgb_tensor
from .panoptic import VOID_CLASS, PanopticFrame, check_sizes, label_samples

_NO_THINGS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_FIRST_STUFF = (
    *(92, 93, 95, 100, 107, 109, 112, 118, 119, 122, 125, 128, 130, 133, 138, 141, 144, 145, 147),
    *(148, 149, 151, 154, 155, 156, 159, 161, 166, 168, 171, 175, 176, 177, 178, 180, 181),
)
CATEGORY_IDS = (
    *(number for number in range(1, 91) if number not in _NO_THINGS),
    *_FIRST_STUFF,
    *range(184, 201),
)
"""Ids in the files of the classes ``segment_classes.COCO_PANOPTIC``, in their order."""
_CLASS_OF = {category: number for number, category in enumerate(CATEGORY_IDS)}


class CocoPanoptic:
    """Frames of a split, without depth.

    Args:
        root: folder with the images and ``annotations``.
        split: ``train`` or ``val``.

    Raises:
        FileNotFoundError: the panoptic list is missing.
        ValueError: it is not such a list.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self.root, self.split = Path(root), split
        listing = self.root / "annotations" / f"panoptic_{split}2017.json"
        if not listing.is_file():
            raise FileNotFoundError(f"no list {listing}: unpack the panoptic annotations of COCO")
        entries = json.loads(listing.read_text(encoding="utf-8")).get("annotations")
        if not isinstance(entries, list):
            raise ValueError(f"{listing} has no annotations in the panoptic format of COCO")
        self._entries: list[dict[str, Any]] = entries
        self._labels = listing.with_suffix("")
        self._images = self.root / f"{split}2017"

    def __len__(self) -> int:
        return len(self._entries)

    def paths(self) -> list[Path]:
        """All files of the frames."""
        return [path for entry in self._entries for path in self._files(entry)]

    def __getitem__(self, index: int) -> PanopticFrame:
        """One frame.

        Raises:
            ImageReadError: a file is missing or damaged.
            ValueError: image and labels differ in size, or a category is unknown.
        """
        entry = self._entries[index]
        image_file, label_file = self._files(entry)
        image, colours = read_image(image_file), label_samples(label_file)
        check_sizes(image_file.name, image=image, labels=colours)
        found, places = np.unique(
            colours @ np.array((1, 256, 65536), np.int32), return_inverse=True
        )
        classes = np.full(len(found), VOID_CLASS, np.uint8)
        numbers = np.zeros(len(found), np.int32)
        crowds = []
        for number, segment in enumerate(entry["segments_info"], 1):
            if segment["category_id"] not in _CLASS_OF:
                raise ValueError(f"{label_file}: no category {segment['category_id']} in COCO")
            class_id = _CLASS_OF[segment["category_id"]]
            number = number if COCO_PANOPTIC[class_id].is_thing else 0
            classes[found == segment["id"]] = class_id
            numbers[found == segment["id"]] = number
            if segment["iscrowd"]:
                crowds.append((class_id, number))
        shape = colours.shape[:2]
        maps = [torch.from_numpy(table[places].reshape(shape)) for table in (classes, numbers)]
        return PanopticFrame(
            rgb_tensor(image), *maps, torch.zeros(shape), image_file.name, tuple(crowds)
        )

    def _files(self, entry: dict[str, Any]) -> tuple[Path, Path]:
        """Image and labels of an entry of the list."""
        labels = entry["file_name"]
        return self._images / f"{Path(labels).stem}.jpg", self._labels / labels
