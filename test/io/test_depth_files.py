"""Depth maps in and out."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depth_perception.io.depth_files import DepthReadError, read_depth, to_uint16, write_depth


@pytest.fixture
def depth():
    values = np.random.default_rng(1).uniform(0.1, 60, (9, 14)).astype(np.float32)
    values[0, 0], values[1, 2] = np.nan, np.inf
    return values


@pytest.mark.parametrize("suffix", [".npy", ".exr", ".NPY", ".EXR"])
def test_float_files_are_exact(tmp_path, depth, suffix):
    write_depth(tmp_path / f"d{suffix}", depth)
    back = read_depth(tmp_path / f"d{suffix}")
    assert back.dtype == np.float32
    assert np.array_equal(back, np.where(np.isinf(depth), np.nan, depth), equal_nan=True)


def test_png_holds_millimetres(tmp_path, depth):
    write_depth(tmp_path / "d.png", depth)
    samples = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert samples.dtype == np.uint16
    assert samples[0, 0] == samples[1, 2] == 0
    back = read_depth(tmp_path / "d.png")
    assert np.isnan(back[0, 0])
    known = np.isfinite(depth)
    assert np.abs(back - depth)[known].max() <= 0.0005 + 1e-5


def test_png_scale_of_other_data_sets(tmp_path):
    write_depth(tmp_path / "d.png", np.full((2, 3), 10.0), png_scale=256)
    assert (cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED) == 2560).all()
    assert (read_depth(tmp_path / "d.png", png_scale=256) == 10).all()


@given(st.floats(-10, 1e6, width=32))
def test_valid_depth_never_becomes_invalid_in_a_png(value):
    sample = int(to_uint16(np.array([[value]], np.float32))[0, 0])
    assert (sample == 0) == (value <= 0)
    if 0.001 <= value <= 65.535:
        assert abs(sample / 1000 - value) <= 0.000501


@pytest.mark.parametrize("suffix", [".npy", ".png", ".exr"])
def test_masked_pixels_are_invalid(tmp_path, suffix):
    valid = np.zeros((4, 6), bool)
    valid[2] = True
    write_depth(tmp_path / f"d{suffix}", np.ones((4, 6), np.float32), valid)
    assert np.array_equal(np.isfinite(read_depth(tmp_path / f"d{suffix}")), valid)


@pytest.mark.parametrize("suffix", [".npy", ".png", ".exr"])
def test_damaged_and_missing_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"bad{suffix}"
    with pytest.raises(DepthReadError, match="no such file"):
        read_depth(path)
    for content in (b"", b"no depth at all"):
        path.write_bytes(content)
        with pytest.raises(DepthReadError, match="is not a readable"):
            read_depth(path)


def test_files_of_something_else_are_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "colour.png"), np.zeros((4, 5, 3), np.uint8))
    with pytest.raises(DepthReadError, match="one 16-bit"):
        read_depth(tmp_path / "colour.png")
    np.save(tmp_path / "cloud.npy", np.zeros((4, 5, 3)))
    with pytest.raises(DepthReadError, match="not a depth map"):
        read_depth(tmp_path / "cloud.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(DepthReadError, match="not a readable"):
        read_depth(tmp_path / "objects.npy")
    (tmp_path / "depth.txt").write_text("1 2 3")
    with pytest.raises(DepthReadError, match="ends in"):
        read_depth(tmp_path / "depth.txt")


@pytest.mark.parametrize(
    ("name", "depth", "options", "message"),
    [
        ("d.tiff", np.ones((2, 2)), {}, "ends in"),
        ("d.npy", np.ones((2, 2, 1)), {}, r"shape \(H, W\)"),
        ("d.npy", np.ones((0, 2)), {}, r"shape \(H, W\)"),
        ("d.npy", np.ones((2, 2)), {"valid": np.ones((2, 3), bool)}, "valid is"),
        ("d.png", np.ones((2, 2)), {"png_scale": 0.0}, "png_scale"),
    ],
)
def test_wrong_use_is_refused(tmp_path, name, depth, options, message):
    with pytest.raises(ValueError, match=message):
        write_depth(tmp_path / name, depth, **options)
    assert not list(tmp_path.iterdir())


def test_missing_openexr_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(ImportError, match="pip install OpenEXR"):
        write_depth(tmp_path / "d.exr", np.ones((2, 2)))
