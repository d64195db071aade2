"""Deep360 (Li et al., "MODE", ECCV 2022): rendered streets in Cassini projection."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from torch import Tensor

from ...geometry.projections import cassini_to_equirectangular
from ...io.atomic import replacing
from ...io.depth_files import DepthReadError
from .base import Panoramas

_FOLDERS = {"train": "training", "val": "validation", "test": "testing"}


class Deep360(Panoramas):
    """Streets; pictures and range in metres are turned from Cassini to equirectangular.

    Six episodes, each split by the authors' folders. The picture is the right one of the pair of
    cameras 1 and 2, as in PanDA. Sky is far and ends at the cap.
    """

    usual_max_range_m = 100.0

    @classmethod
    def layout(cls) -> str:
        return "epK_500frames/training/{rgb/NNNNNN_12_rgb1.png,depth/NNNNNN_depth.npz}"

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        folder = f"ep{1 + number % 6}_500frames/{_FOLDERS[split]}"
        stem = f"{1 + number // 6:06d}"
        return f"{folder}/rgb/{stem}_12_rgb1.png", f"{folder}/depth/{stem}_depth.npz"

    @staticmethod
    def read_range(path: Path) -> np.ndarray:
        try:
            with np.load(path, allow_pickle=False) as file:
                return np.ascontiguousarray(file["arr_0"], np.float32)
        except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
            raise DepthReadError(f"{path} holds no array arr_0: {error}") from error

    @staticmethod
    def write_range(path: Path, range_m: np.ndarray) -> None:
        with replacing(path) as part, part.open("wb") as file:
            np.savez_compressed(file, range_m.astype(np.float32))

    def _find(self) -> list[tuple[Path, Path]]:
        pictures = self.root.glob(f"ep*_500frames/{_FOLDERS[self.split]}/rgb/*_12_rgb1.png")
        return [
            (path, path.parents[1] / "depth" / f"{path.name[:-12]}_depth.npz")
            for path in sorted(pictures)
        ]

    def _panorama(self, rgb: Tensor, range_m: Tensor) -> tuple[Tensor, Tensor]:
        return cassini_to_equirectangular(rgb), cassini_to_equirectangular(range_m)
