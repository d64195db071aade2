"""Stanford2D3D (Armeni et al., 2017): scanned offices."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np

from ...io.atomic import replacing
from .base import Panoramas, read_samples

_MISSING = 65535
_TEST_AREAS = ("area_5a", "area_5b")
_TRAIN_AREAS = ("area_1", "area_2", "area_3", "area_4", "area_6")
_VAL_OF = 26


class Stanford2D3D(Panoramas):
    """Offices; range in 1/512 m, 0 or 65535 where unknown.

    Two layouts are read: that of PanDA, whose pictures with filled holes lie in ``rgb_pre_``
    (pre-processing of UniFuse), and that in which the data set is published (``pano/rgb``).

    Areas 5a and 5b are ``test``. The authors drew 40 of the other panoramas for ``val`` at
    random; here a checksum of the name chooses one of 26, about as many. For theirs give the list.
    """

    usual_max_range_m = 11.0

    @classmethod
    def layout(cls) -> str:
        return "area_X/{rgb_pre_/NAME_rgb.png,depth/NAME_depth.png}, or both in area_X/pano"

    @classmethod
    def place(cls, split: str, number: int) -> tuple[str, str]:
        area = (_TEST_AREAS if split == "test" else _TRAIN_AREAS)[number % 2]
        stems = (
            f"camera_{number:016x}{tail:016x}_office_1_frame_equirectangular_domain"
            for tail in count()
        )
        stem = next(s for s in stems if split == "test" or _is_val(s) == (split == "val"))
        return f"{area}/rgb_pre_/{stem}_rgb.png", f"{area}/depth/{stem}_depth.png"

    @staticmethod
    def read_range(path: Path) -> np.ndarray:
        samples = read_samples(path)
        return np.where(samples == _MISSING, 0, samples).astype(np.float32) / 512

    @staticmethod
    def write_range(path: Path, range_m: np.ndarray) -> None:
        samples = np.rint(range_m * 512).clip(1, _MISSING - 1)
        samples = np.where(range_m > 0, samples, _MISSING).astype(np.uint16)
        _, data = cv2.imencode(".png", samples)
        with replacing(path) as part:
            part.write_bytes(data.tobytes())

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
