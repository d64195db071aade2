"""EXR pictures with any channels."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.io.depth_files import DepthReadError, read_depth
from depth_perception.io.exr import ExrReadError, read_exr, write_exr


def test_channels_come_back_by_name(tmp_path):
    rng = np.random.default_rng(1)
    channels = {name: rng.random((3, 5), np.float32) for name in "BGR"}
    write_exr(tmp_path / "a.exr", channels)
    read = read_exr(tmp_path / "a.exr")
    assert sorted(read) == ["B", "G", "R"]
    for name, pixels in channels.items():
        np.testing.assert_array_equal(read[name], pixels)


def test_a_picture_of_three_channels_is_no_depth_map(tmp_path):
    write_exr(tmp_path / "a.exr", {name: np.ones((2, 2)) for name in "BGR"})
    with pytest.raises(DepthReadError, match=r"\['B', 'G', 'R'\]"):
        read_depth(tmp_path / "a.exr")


def test_damaged_and_missing_files_are_named(tmp_path):
    (tmp_path / "b.exr").write_bytes(b"no picture")
    for name in ("b.exr", "c.exr"):
        with pytest.raises(ExrReadError, match=name):
            read_exr(tmp_path / name)
