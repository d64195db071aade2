"""Base of the readers of panoramas with range."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from ...io.depth_files import write_depth
from ..files import check_depth_size, depth_samples, list_rows, read_rgb
from ..frames import PanoramaFrame


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
