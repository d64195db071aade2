"""Focal lengths in EXIF."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from depth_perception.io.exif import exif_focal
from depth_perception.io.images import read_image


def _picture(path: Path, tags: dict[int, object], orientation: int = 1) -> Path:
    image = Image.fromarray(np.zeros((40, 60, 3), np.uint8))
    block = image.getexif()
    block[0x0112] = orientation
    block.get_ifd(0x8769).update(tags)
    image.save(path, exif=block)
    return path


def test_equivalent_focal_length(tmp_path: Path) -> None:
    found = exif_focal(_picture(tmp_path / "a.jpg", {0xA405: 36}), 40, 60)
    # 36 mm on a film of 36 mm: as far away as the picture is wide
    assert found.fx == found.fy == pytest.approx(60, rel=1e-6)
    assert "36 mm" in found.source


def test_the_orientation_turns_picture_and_focal_length_alike(tmp_path: Path) -> None:
    tags = {0x920A: 4.0, 0xA20E: 3000.0, 0xA20F: 2000.0, 0xA210: 3, 0xA002: 60, 0xA003: 40}
    flat = exif_focal(_picture(tmp_path / "flat.jpg", tags), 40, 60)
    assert (flat.fx, flat.fy) == (pytest.approx(1200), pytest.approx(800))
    path = _picture(tmp_path / "turned.jpg", tags, orientation=6)
    height, width = read_image(path).shape[:2]
    assert (height, width) == (60, 40)
    turned = exif_focal(path, height, width)
    assert (turned.fx, turned.fy) == (pytest.approx(800), pytest.approx(1200))
    film = _picture(tmp_path / "film.jpg", {0xA405: 36}, orientation=6)
    fov = 2 * math.atan(height / 2 / exif_focal(film, height, width).fy)
    assert math.degrees(fov) == pytest.approx(53.13, abs=0.01)  # of the longer side, as before


def test_a_shrunk_picture_has_a_shorter_focal_length(tmp_path: Path) -> None:
    tags = {0x920A: 4.0, 0xA20E: 3000.0, 0xA210: 3, 0xA002: 120, 0xA003: 80}
    found = exif_focal(_picture(tmp_path / "a.jpg", tags), 40, 60)
    assert (found.fx, found.fy) == (pytest.approx(600), pytest.approx(600))


@pytest.mark.parametrize(
    "tags",
    [{}, {0x920A: 4.0}, {0xA405: 0}, {0x920A: 4.0, 0xA20E: 3000.0, 0xA210: 9}, {0xA20E: 3000.0}],
)
def test_too_little_tells_nothing(tmp_path: Path, tags: dict[int, object]) -> None:
    assert exif_focal(_picture(tmp_path / "a.jpg", tags), 40, 60) is None


def test_files_that_are_no_pictures_tell_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    assert exif_focal(tmp_path / "a.jpg", 40, 60) is None
    assert exif_focal(tmp_path / "gone.jpg", 40, 60) is None
