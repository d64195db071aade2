"""Folders of synthetic worlds with labels, in the classes of a model."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from ..geometry import Camera, Equirectangular, Pinhole
from ..segment_classes import PanopticClass
from .worlds import WorldFolder

UNKNOWN = 255
_CAMERAS = {"Equirectangular": Equirectangular, "Pinhole": Pinhole}


@dataclass(frozen=True)
class LabelledFrame:
    """A frame of a world.

    Attributes:
        rgb: (3, H, W) uint8.
        range_m: (H, W) float32 metres along the ray, 0 without a measurable surface.
        labels: (H, W) uint8 number of the class; the number of classes where there is nothing to
            find; ``UNKNOWN`` where unknown.
        instances: (H, W) int64, 0 for none.
        camera: of the image. camera_height_m: above the ground.
        kind: of the world.
    """

    rgb: Tensor
    range_m: Tensor
    labels: Tensor
    instances: Tensor
    camera: Camera
    camera_height_m: float
    kind: str


class LabelledWorlds:
    """The frames of folders with labels, as :class:`LabelledFrame`.

    Raises:
        FileNotFoundError, ValueError: a folder is missing, has no frames or labels, or another
            camera than is wanted.
    """

    def __init__(
        self, roots: Sequence[str], classes: Sequence[PanopticClass], kind: type[Camera]
    ) -> None:
        self._folders = [WorldFolder(root) for root in roots]
        self._ends = list(accumulate(map(len, self._folders)))
        if not roots or self._ends[-1] < 1:
            raise ValueError(f"{', '.join(roots)} holds no frames")
        self._cameras = [_camera_of(folder, kind) for folder in self._folders]
        ratios = {camera.width / camera.height for camera in self._cameras}
        if len(ratios) > 1:
            raise ValueError(f"folders must have one aspect ratio, got {sorted(ratios)}")
        self.ratio = ratios.pop()
        self._tables = [_table(folder, classes) for folder in self._folders]

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> LabelledFrame:
        place = bisect.bisect_right(self._ends, index)
        folder = self._folders[place]
        index += len(folder) - self._ends[place]
        frame = folder[index]
        if frame.camera_height_m is None:
            raise ValueError(f"frame {frame.name} has no camera height: write the folder again")
        labels = self._tables[place][folder.classes(index)]
        maps = (frame.rgb, frame.range_m, labels, folder.instances(index))
        kind = folder.frames[index]["kind"]
        return LabelledFrame(*maps, self._cameras[place], frame.camera_height_m, kind)


def _camera_of(folder: WorldFolder, kind: type[Camera]) -> Camera:
    stated = dict(folder.info["camera"])
    found = _CAMERAS.get(name := stated.pop("type"))
    if found is not kind:
        raise ValueError(f"{folder.root} has images of {name}, but {kind.__name__} is wanted")
    if not folder.info["options"]["labels"]:
        raise ValueError(f"{folder.root} has no labels: write it with --labels")
    return found(**stated)


def _table(folder: WorldFolder, classes: Sequence[PanopticClass]) -> Tensor:
    """From the class ids of a folder to labels."""
    numbers = {entry.name: number for number, entry in enumerate(classes)}
    numbers["ego"] = len(classes)
    stated = folder.info["classes"]
    table = torch.full((1 + max(entry["id"] for entry in stated),), UNKNOWN, dtype=torch.uint8)
    for entry in stated:
        table[entry["id"]] = numbers.get(entry["name"], UNKNOWN)
    return table
