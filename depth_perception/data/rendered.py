"""Rendered data sets of pinhole cameras, with exact z-depth.

| class | layout below its root | depth |
|---|---|---|
| :class:`PinholeWorlds` | that of ``depth-perception worlds folder --model pinhole`` | |
| :class:`Hypersim` | a JSON file: lists ``SPLIT_rgb_paths`` and ``SPLIT_dpt_paths`` | PNG, mm |
| :class:`UrbanSyn` | ``rgb/rgb_*.png``, ``depth/depth_*.exr`` | 1e5 m |
| :class:`UnrealStereo4K` | ``0000N/``: ``Image0/``, ``Disp0/``, ``Extrinsics[01]/`` | disparity |
| :class:`VirtualKitti` | ``.../rgb/.../rgb_*.jpg``, ``.../depth/.../depth_*.png`` | PNG, cm |
| :class:`TartanAir` | ``.../image_left/*_left.png``, ``.../depth_left/*_left_depth.npy`` | m |
"""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
import torch

from ..geometry import DepthKind, Pinhole
from ..io.arrays import read_array
from ..io.depth_files import read_depth
from .files import read_rgb
from .frames import PinholeFrame
from .worlds import WorldFolder


class PinholeWorlds:
    """Pinhole images of synthetic worlds; surfaces beyond 65 m count as sky.

    Raises:
        FileNotFoundError, ValueError: ``root`` is not such a folder.
    """

    def __init__(self, root: str | Path) -> None:
        self._folder = WorldFolder(root)
        camera = dict(self._folder.info["camera"])
        if camera.pop("type") != "Pinhole":
            raise ValueError(
                f"{root} holds panoramas; write pinhole frames with depth-perception worlds folder "
                f"{root} --model pinhole"
            )
        self._camera = Pinhole(**camera)

    def __len__(self) -> int:
        return len(self._folder)

    def __getitem__(self, index: int) -> PinholeFrame:
        item = self._folder[index]
        range_m = torch.where(item.range_m > 0, item.range_m, torch.inf)
        depth_m = self._camera.convert(range_m, DepthKind.RANGE, DepthKind.Z)
        return PinholeFrame(item.rgb, depth_m, self._camera)


class _Pairs(ABC):
    """Images with one depth file each.

    Raises:
        FileNotFoundError: there is no image, or one without depth.
    """

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        self.pairs = tuple(self._find())
        if not self.pairs:
            raise FileNotFoundError(f"no {type(self).__name__} frames below {self.root}")
        for _, depth in self.pairs:
            if not depth.is_file():
                raise FileNotFoundError(f"{type(self).__name__}: no such file {depth}")

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PinholeFrame:
        image, depth = self.pairs[index]
        depth_m = torch.from_numpy(self._depth(depth)).nan_to_num(0, math.inf)
        return PinholeFrame(read_rgb(image), depth_m)

    @abstractmethod
    def _find(self) -> list[tuple[Path, Path]]: ...

    def _depth(self, path: Path) -> np.ndarray:
        """(H, W) float32 metres, NaN where unknown."""
        return read_depth(path)


class Hypersim(_Pairs):
    """Hypersim in the lists of Pixel-Perfect Depth: z-depth in PNG files.

    Args:
        root: the JSON file; its paths may be relative to its folder.
        split: prefix of its lists.
    """

    def __init__(self, root: str | Path, split: str = "train") -> None:
        self._split = split
        super().__init__(root)

    def _find(self) -> list[tuple[Path, Path]]:
        lists = json.loads(self.root.read_text(encoding="utf-8"))
        names = [f"{self._split}_{what}_paths" for what in ("rgb", "dpt")]
        for name in names:
            if name not in lists:
                raise ValueError(f"{self.root} has no list {name}, only {', '.join(lists)}")
        pairs = zip(*(lists[name] for name in names), strict=True)
        return [(self.root.parent / rgb, self.root.parent / depth) for rgb, depth in pairs]


class UrbanSyn(_Pairs):
    """Reader of UrbanSyn."""

    def _find(self) -> list[tuple[Path, Path]]:
        found, depths = sorted(self.root.glob("rgb/rgb_*.png")), self.root / "depth"
        return [(p, depths / f"{p.stem.replace('rgb_', 'depth_')}.exr") for p in found]

    def _depth(self, path: Path) -> np.ndarray:
        return read_depth(path) * np.float32(1e5)


class UnrealStereo4K(_Pairs):
    """Reader of UnrealStereo4K; disparities that are unknown or 0 become 1e-4 pixels."""

    def _find(self) -> list[tuple[Path, Path]]:
        found = sorted(self.root.glob("0000[0-7]/Image0/*.png"))
        return [(path, path.parents[1] / "Disp0" / f"{path.stem}.npy") for path in found]

    def _depth(self, path: Path) -> np.ndarray:
        disparity = read_array(path).astype(np.float32)
        unknown = np.isnan(disparity) | (disparity == 0)
        scene, name = path.parents[1], f"{path.stem}.txt"
        intrinsics, left = _cameras(scene / "Extrinsics0" / name)
        _, right = _cameras(scene / "Extrinsics1" / name)
        baseline = abs((right @ np.linalg.inv(left))[0, 3])
        focal = (intrinsics[0, 0] + intrinsics[1, 1]) / 2
        return (focal * baseline / np.where(unknown, 1e-4, disparity)).astype(np.float32)


def virtual_kitti_depth(image: Path, root: Path) -> Path:
    """Path of the depth file of an image of Virtual KITTI 2."""
    folders = image.relative_to(root).parts[:-1]
    folder = root.joinpath(*("depth" if part == "rgb" else part for part in folders))
    return folder / f"{image.stem.replace('rgb_', 'depth_')}.png"


class VirtualKitti(_Pairs):
    """Reader of Virtual KITTI 2."""

    def _find(self) -> list[tuple[Path, Path]]:
        return [
            (p, virtual_kitti_depth(p, self.root)) for p in sorted(self.root.rglob("rgb_*.jpg"))
        ]

    def _depth(self, path: Path) -> np.ndarray:
        return read_depth(path, png_scale=100.0)


class TartanAir(_Pairs):
    """Reader of TartanAir, left camera."""

    def _find(self) -> list[tuple[Path, Path]]:
        found = sorted(self.root.rglob("image_left/*_left.png"))
        return [(p, p.parents[1] / "depth_left" / f"{p.stem}_depth.npy") for p in found]


def _cameras(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Intrinsics (3, 3) of the first line, extrinsics (4, 4) of the second."""
    first, second = path.read_text(encoding="utf-8").strip().splitlines()[:2]
    pose = np.eye(4)
    pose[:3] = np.array(second.split(), float).reshape(3, 4)
    return np.array(first.split(), float).reshape(3, 3), pose
