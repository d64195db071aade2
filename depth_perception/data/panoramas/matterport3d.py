"""Matterport3D (Chang et al., 3DV 2017), stitched to panoramas."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...io.depth_files import write_depth
from .base import Panoramas, read_samples

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


class Matterport3D(Panoramas):
    """Scanned houses; range in 1/4000 m, 0 where unknown.

    The panoramas are those of the stitching that UniFuse (Jiang et al., RA-L 2021) published.
    Split by the official lists of scenes: 18 for ``test``, 11 for ``val``, the others ``train``.
    """

    usual_max_range_m = 11.0

    @classmethod
    def layout(cls) -> str:
        return "SCENE/{pano_skybox_color/ID.jpg,pano_depth/ID.png}"

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        scene = {"train": _SOME_TRAIN, "val": _VAL.split()[0], "test": _TEST.split()[0]}[split]
        stem = f"{number:032x}"
        return f"{scene}/pano_skybox_color/{stem}.jpg", f"{scene}/pano_depth/{stem}.png"

    @staticmethod
    def read_range(path: Path) -> np.ndarray:
        return read_samples(path).astype(np.float32) / 4000

    @staticmethod
    def write_range(path: Path, range_m: np.ndarray) -> None:
        write_depth(path, range_m, range_m > 0, png_scale=4000.0)

    def _find(self) -> list[tuple[Path, Path]]:
        return [
            (path, path.parents[1] / "pano_depth" / f"{path.stem}.png")
            for path in sorted(self.root.glob("*/pano_skybox_color/*.jpg"))
            if _SPLITS.get(path.parents[1].name, "train") == self.split
        ]
