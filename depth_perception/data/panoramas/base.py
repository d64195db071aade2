"""What the readers of panoramas with range have in common."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import torch
from torch import Tensor

from ...io.depth_files import DepthReadError
from ...io.images import read_image


@dataclass(frozen=True)
class PanoramaFrame:
    """A full panorama and its range.

    Attributes:
        rgb: (3, H, W) uint8.
        range_m: (H, W) float32 metres along the ray, 0 where unknown.
        name: of the picture, relative to the root.
    """

    rgb: Tensor
    range_m: Tensor
    name: str


class Panoramas(ABC):
    """A data set of pictures with one file of range each.

    Args:
        root: its folder.
        split: one of :attr:`splits`; the rule is in the description of the class.
        listing: a list of the frames instead of the split: lines ``image depth``, relative to the
            root, as PanDA and its forerunners publish them.
        max_range_m: what is farther is read as this range; None takes that of PanDA's reader.

    Attributes:
        splits: names of its parts.
        usual_max_range_m: the cap of PanDA's reader.
        pairs: picture and file of range of each frame.

    Raises:
        FileNotFoundError: there is no frame, or one without range; the first of these is named.
        ValueError: no such split, or a line of the list has not two columns.
    """

    splits: ClassVar[tuple[str, ...]] = ("train", "val", "test")
    usual_max_range_m: ClassVar[float]

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
            self.pairs = tuple(self._listed(Path(listing)))
            where = str(listing)
        if not self.pairs:
            raise FileNotFoundError(f"no {name} frames in {where}; expected {self.layout()}")
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
            ValueError: picture and range have different sizes.
        """
        picture, depth = self.pairs[index]
        rgb = torch.from_numpy(np.ascontiguousarray(read_image(picture).transpose(2, 0, 1)))
        rgb, range_m = self._panorama(rgb, torch.from_numpy(self.read_range(depth)))
        if rgb.shape[1:] != range_m.shape:
            raise ValueError(
                f"{depth} is {tuple(range_m.shape)} but its picture is {tuple(rgb.shape[1:])}"
            )
        range_m = range_m.nan_to_num(0, 0, 0).clamp(0, self.max_range_m)
        return PanoramaFrame(rgb, range_m, picture.relative_to(self.root).as_posix())

    @classmethod
    @abstractmethod
    def layout(cls) -> str:
        """Where picture and range of a frame lie below the root."""

    @classmethod
    @abstractmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        """Names of picture and range that a frame of this split may have, for writing."""

    @staticmethod
    @abstractmethod
    def read_range(path: Path) -> np.ndarray:
        """(H, W) float32 metres as in the file, 0 or NaN where unknown."""

    @staticmethod
    @abstractmethod
    def write_range(path: Path, range_m: np.ndarray) -> None:
        """The inverse of :meth:`read_range`."""

    @abstractmethod
    def _find(self) -> list[tuple[Path, Path]]: ...

    def _panorama(self, rgb: Tensor, range_m: Tensor) -> tuple[Tensor, Tensor]:
        """Both as equirectangular panoramas."""
        return rgb, range_m

    def _listed(self, listing: Path) -> list[tuple[Path, Path]]:
        if not listing.is_file():
            raise FileNotFoundError(f"no list {listing}")
        pairs = []
        for number, line in enumerate(listing.read_text(encoding="utf-8-sig").splitlines(), 1):
            words = line.split()
            if not words:
                continue
            if len(words) != 2:
                raise ValueError(f"{listing}, line {number}: expected 2 columns, got {len(words)}")
            pairs.append(tuple(self.root / self._listed_name(word.lstrip("/")) for word in words))
        return pairs

    @classmethod
    def _listed_name(cls, name: str) -> str:
        return name


def read_samples(path: Path) -> np.ndarray:
    """The samples (H, W) uint16 of a PNG.

    Raises:
        DepthReadError: it is missing, damaged or of another kind.
    """
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
    if samples is None:
        raise DepthReadError(f"{path} is not a readable PNG")
    if samples.dtype != np.uint16 or samples.ndim != 2:
        raise DepthReadError(f"{path} holds {samples.dtype} of shape {samples.shape}, not 16 bits")
    return samples


def number_in(name: str, pattern: str) -> int | None:
    """The number that a name holds, None where it has another form."""
    found = re.fullmatch(pattern, name)
    return int(found[1]) if found else None
