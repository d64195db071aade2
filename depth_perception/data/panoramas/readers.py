"""Readers of the data sets of panoramas with range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import count
from pathlib import Path
from typing import ClassVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from ...geometry.projections import cassini_to_equirectangular
from ...io.arrays import ArrayReadError, read_arrays
from ...io.atomic import replacing
from ...io.depth_files import DepthReadError, write_depth
from ..files import check_depth_size, depth_samples, list_rows, read_rgb, write_samples
from ..frames import PanoramaFrame

# Structured3D
_SCENES = {"train": range(3000), "val": range(3000, 3250), "test": range(3250, 3500)}
_BROKEN = frozenset((115, 1155, 1192, 1714, 1816, 1852, 3398))
# Deep360
_FOLDERS = {"train": "training", "val": "validation", "test": "testing"}
# Matterport3D
_TEST = """
2t7WUuJeko7 5ZKStnWn8Zo ARNzJeq3xxb RPmz2sHmrrY UwV83HsGsw3 Vt2qJdWjCF2 WYY7iVyf5p8 YFuZgdQ5vWj
YVUC4YcDtcY fzynW3qQPVF gYvKGZ5eRqb gxdoqLR6rwA jtcxE69GiFV pa4otMbVnkk q9vSo1VnCiC rqfALeAoiTq
wc2JMjhGNzB yqstnuAEVhm
"""
_VAL = """
2azQ1b91cZZ 8194nk5LbLH EU6Fwq7SyZv QUCTc6BB5sX TbHJrupSAjP X7HyMhZNoso Z6MFQCViBuw oLBMNvg9in8
pLe4wQe7qrG x8F5xyUWy9e zsNo4HB9uLZ
"""
_SPLITS = dict.fromkeys(_VAL.split(), "val") | dict.fromkeys(_TEST.split(), "test")
_SOME_TRAIN = "17DRP5sb8fy"
# Stanford2D3D
_MISSING = 65535
_TEST_AREAS = ("area_5a", "area_5b")
_TRAIN_AREAS = ("area_1", "area_2", "area_3", "area_4", "area_6")
_VAL_OF = 26


class Panoramas(ABC):
    """A data set of images with one range file each.

    Args:
        root: folder of the data set.
        split: one of :attr:`splits`; the rule is in the description of the class.
        listing: a list of the frames instead of the split: lines ``image depth``, relative to the
            root, as published by PanDA and earlier work.
        max_range_m: ranges are clamped to this; None uses the limit of PanDA's reader.

    Attributes:
        splits: names of the splits.
        layout: paths of image and range of a frame below the root.
        usual_max_range_m: the limit of PanDA's reader.
        per_metre: steps per metre of the 16-bit PNG samples.
        pairs: image and range file of each frame.

    Raises:
        FileNotFoundError: there is no frame, or files are missing.
        ValueError: no such split, or a line of the list does not have two columns.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    layout: ClassVar[str]
    usual_max_range_m: ClassVar[float]
    per_metre: ClassVar[float] = 1000.0

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        *,
        listing: str | Path | None = None,
        max_range_m: float | None = None,
    ) -> None:
        self.root, self.split = Path(root), split
        self.max_range_m = self.usual_max_range_m if max_range_m is None else max_range_m
        name = type(self).__name__
        if listing is None:
            if split not in self.splits:
                raise ValueError(f"{name} has no split {split!r}, only {', '.join(self.splits)}")
            self.pairs = tuple(self._find())
            where = f"{self.root} (split {split})"
        else:
            self.pairs = tuple(
                tuple(self.root / self._listed_name(word.lstrip("/")) for word in words)
                for words in list_rows(listing, (2,), "image depth")
            )
            where = str(listing)
        if not self.pairs:
            raise FileNotFoundError(f"no {name} frames in {where}; expected {self.layout}")
        missing = [path for pair in self.pairs for path in pair if not path.is_file()]
        if missing:
            raise FileNotFoundError(
                f"{name}: {len(missing)} of {2 * len(self.pairs)} files are missing below "
                f"{self.root}, the first is {missing[0]}"
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PanoramaFrame:
        """Read a frame.

        Raises:
            ImageReadError, DepthReadError: a file is damaged.
            ValueError: image and range have different sizes.
        """
        image, depth = self.pairs[index]
        range_m = torch.from_numpy(self.read_range(depth))
        rgb, range_m = self._panorama(read_rgb(image), range_m)
        check_depth_size(depth, range_m, rgb.shape[1:])
        range_m = range_m.nan_to_num(0, 0, 0).clamp(0, self.max_range_m)
        return PanoramaFrame(rgb, range_m, image.relative_to(self.root).as_posix())

    @classmethod
    @abstractmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        """Names of image and range for writing a frame of a split."""

    @classmethod
    def read_range(cls, path: Path) -> np.ndarray:
        """(H, W) float32 metres, 0 or NaN where unknown."""
        return depth_samples(path).astype(np.float32) / cls.per_metre

    @classmethod
    def write_range(cls, path: Path, range_m: np.ndarray) -> None:
        """The inverse of :meth:`read_range`."""
        write_depth(path, range_m, range_m > 0, png_scale=cls.per_metre)

    @abstractmethod
    def _find(self) -> list[tuple[Path, Path]]: ...

    def _panorama(self, rgb: Tensor, range_m: Tensor) -> tuple[Tensor, Tensor]:
        """Both as equirectangular panoramas."""
        return rgb, range_m

    @classmethod
    def _listed_name(cls, name: str) -> str:
        return name


class Structured3D(Panoramas):
    """Structured3D (Zheng et al., ECCV 2020): rendered furnished rooms in raw light.

    Range in millimetres, 0 where unknown. Split by scene: 0 to 2999, 3000 to 3249, 3250 to 3499,
    without seven that PanDA excludes.
    """

    layout = "scene_NNNNN/2D_rendering/ID/panorama/full/{rgb_rawlight,depth}.png"
    usual_max_range_m = 10.0

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        scene = _SCENES[split][number % 100]
        folder = f"scene_{scene:05d}/2D_rendering/{485142 + number}/panorama/full"
        return f"{folder}/rgb_rawlight.png", f"{folder}/depth.png"

    def _find(self) -> list[tuple[Path, Path]]:
        pairs = []
        for scene in sorted(self.root.glob("scene_" + 5 * "[0-9]")):
            number = int(scene.name[-5:])
            if number in _SCENES[self.split] and number not in _BROKEN:
                images = sorted(scene.glob("2D_rendering/*/panorama/full/rgb_rawlight.png"))
                pairs += [(path, path.with_name("depth.png")) for path in images]
        return pairs


class Deep360(Panoramas):
    """Deep360 (Li et al., "MODE", ECCV 2022): rendered streets.

    Images and range in metres are converted from Cassini to equirectangular. Six episodes, each
    split by the folders of the authors. The image is the right one of the pair of cameras 1 and 2,
    as in PanDA. Sky is far and clamped to the limit.
    """

    layout = "epK_500frames/training/{rgb/NNNNNN_12_rgb1.png,depth/NNNNNN_depth.npz}"
    usual_max_range_m = 100.0

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        folder = f"ep{1 + number % 6}_500frames/{_FOLDERS[split]}"
        stem = f"{1 + number // 6:06d}"
        return f"{folder}/rgb/{stem}_12_rgb1.png", f"{folder}/depth/{stem}_depth.npz"

    @classmethod
    def read_range(cls, path: Path) -> np.ndarray:
        try:
            return np.ascontiguousarray(read_arrays(path)["arr_0"], np.float32)
        except (ArrayReadError, KeyError, ValueError) as error:
            raise DepthReadError(f"{path} holds no array arr_0: copy it again") from error

    @classmethod
    def write_range(cls, path: Path, range_m: np.ndarray) -> None:
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, range_m.astype(np.float32))

    def _find(self) -> list[tuple[Path, Path]]:
        found = sorted(self.root.glob(f"ep*_500frames/{_FOLDERS[self.split]}/rgb/*_12_rgb1.png"))
        return [(p, p.parents[1] / "depth" / f"{p.name[:-12]}_depth.npz") for p in found]

    def _panorama(self, rgb: Tensor, range_m: Tensor) -> tuple[Tensor, Tensor]:
        return cassini_to_equirectangular(rgb), cassini_to_equirectangular(range_m)


class Matterport3D(Panoramas):
    """Matterport3D (Chang et al., 3DV 2017): scanned houses, stitched to panoramas.

    Range in 1/4000 m, 0 where unknown. The panoramas are those of UniFuse (Jiang et al., RA-L
    2021). Split by the official lists of scenes: 18 ``test``, 11 ``val``, the others ``train``.
    """

    layout = "SCENE/{pano_skybox_color/ID.jpg,pano_depth/ID.png}"
    usual_max_range_m = 11.0
    per_metre = 4000.0

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        scene = {"train": _SOME_TRAIN, "val": _VAL.split()[0], "test": _TEST.split()[0]}[split]
        stem = f"{number:032x}"
        return f"{scene}/pano_skybox_color/{stem}.jpg", f"{scene}/pano_depth/{stem}.png"

    def _find(self) -> list[tuple[Path, Path]]:
        return [
            (path, path.parents[1] / "pano_depth" / f"{path.stem}.png")
            for path in sorted(self.root.glob("*/pano_skybox_color/*.jpg"))
            if _SPLITS.get(path.parents[1].name, "train") == self.split
        ]


class Stanford2D3D(Panoramas):
    """Stanford2D3D (Armeni et al., 2017): scanned offices.

    Range in 1/512 m, 0 or 65535 where unknown. Two layouts are supported: that of PanDA, with
    filled holes in the images in ``rgb_pre_`` (pre-processing of UniFuse), and the published one
    (``pano/rgb``).

    Areas 5a and 5b are ``test``. PanDA drew 40 of the other panoramas at random for ``val``; here
    a checksum of the name selects one of 26, about the same number. Use a list
    to select those of PanDA.
    """

    layout = "area_X/{rgb_pre_/NAME_rgb.png,depth/NAME_depth.png}, or both in area_X/pano"
    usual_max_range_m = 11.0

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        area = (_TEST_AREAS if split == "test" else _TRAIN_AREAS)[number % 2]
        rest = "office_1_frame_equirectangular_domain"
        stems = (f"camera_{number:016x}{tail:016x}_{rest}" for tail in count())
        stem = next(s for s in stems if split == "test" or _is_val(s) == (split == "val"))
        return f"{area}/rgb_pre_/{stem}_rgb.png", f"{area}/depth/{stem}_depth.png"

    @classmethod
    def read_range(cls, path: Path) -> np.ndarray:
        samples = depth_samples(path)
        return np.where(samples == _MISSING, 0, samples).astype(np.float32) / 512

    @classmethod
    def write_range(cls, path: Path, range_m: np.ndarray) -> None:
        samples = np.rint(range_m * 512).clip(1, _MISSING - 1)
        write_samples(path, np.where(range_m > 0, samples, _MISSING).astype(np.uint16))

    def _find(self) -> list[tuple[Path, Path]]:
        test = self.split == "test"
        pairs = []
        for area in _TEST_AREAS if test else _TRAIN_AREAS:
            for inner in ("rgb_pre_", "pano/rgb"):
                pairs += [
                    (path, path.parents[1] / "depth" / f"{path.name[:-7]}depth.png")
                    for path in sorted((self.root / area / inner).glob("*_rgb.png"))
                ]
        if test:
            return pairs
        return [pair for pair in pairs if _is_val(pair[0].name[:-8]) == (self.split == "val")]

    @classmethod
    def _listed_name(cls, name: str) -> str:
        return name.replace("rgb_/", "rgb_pre_/")


def _is_val(stem: str) -> bool:
    return crc32(stem.encode()) % _VAL_OF == 0
