"""Structured3D (Zheng et al., ECCV 2020): rendered furnished rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...io.depth_files import write_depth
from .base import Panoramas, number_in, read_samples

_SCENES = {"train": range(3000), "val": range(3000, 3250), "test": range(3250, 3500)}
_BROKEN = frozenset((115, 1155, 1192, 1714, 1816, 1852, 3398))


class Structured3D(Panoramas):
    """Furnished rooms in raw light; range in millimetres, 0 where unknown.

    Split by scene: 0 to 2999, 3000 to 3249, 3250 to 3499, without seven that PanDA leaves out.
    """

    usual_max_range_m = 10.0

    @classmethod
    def layout(cls) -> str:
        return "scene_NNNNN/2D_rendering/ID/panorama/full/{rgb_rawlight,depth}.png"

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        scene = _SCENES[split][number % 100]
        folder = f"scene_{scene:05d}/2D_rendering/{485142 + number}/panorama/full"
        return f"{folder}/rgb_rawlight.png", f"{folder}/depth.png"

    @staticmethod
    def read_range(path: Path) -> np.ndarray:
        return read_samples(path).astype(np.float32) / 1000

    @staticmethod
    def write_range(path: Path, range_m: np.ndarray) -> None:
        write_depth(path, range_m, range_m > 0)

    def _find(self) -> list[tuple[Path, Path]]:
        pairs = []
        for scene in sorted(self.root.glob("scene_*")):
            number = number_in(scene.name, r"scene_(\d{5})")
            if number is None or number in _BROKEN or number not in _SCENES[self.split]:
                continue
            pictures = scene.glob("2D_rendering/*/panorama/full/rgb_rawlight.png")
            pairs += [(path, path.with_name("depth.png")) for path in sorted(pictures)]
        return pairs
