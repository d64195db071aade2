"""Point clouds in and out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.geometry import Equirectangular
from depth_perception.geometry.rotations import optical_to_panda
from depth_perception.io.ply import PlyReadError, read_ply, write_ply

POINTS = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
COLOURS = np.random.default_rng(1).integers(0, 256, (4, 5, 3), np.uint8)


@pytest.mark.parametrize("double", [False, True])
def test_round_trip(tmp_path, double):
    assert write_ply(tmp_path / "c.ply", POINTS, COLOURS, double=double) == 20
    points, colours = read_ply(tmp_path / "c.ply")
    assert points.dtype == (np.float64 if double else np.float32)
    assert np.array_equal(points, POINTS.reshape(-1, 3))
    assert np.array_equal(colours, COLOURS.reshape(-1, 3))


def test_header_and_bytes(tmp_path):
    point, colour = np.array([[1.0, 2.0, 3.0]]), np.array([[10, 20, 30]], np.uint8)
    write_ply(tmp_path / "c.ply", point, colour, double=True)
    header, _, body = (tmp_path / "c.ply").read_bytes().partition(b"end_header\n")
    assert header.decode().split("\n")[:9] == [
        "ply",
        "format binary_little_endian 1.0",
        "element vertex 1",
        "property double x",
        "property double y",
        "property double z",
        "property uchar red",
        "property uchar green",
        "property uchar blue",
    ]
    assert body == np.array([1, 2, 3], "<f8").tobytes() + bytes([10, 20, 30])


def test_points_that_are_not_finite_are_left_out(tmp_path):
    points = POINTS.copy()
    points[0, 0, 1], points[2, 3, 2] = np.nan, np.inf
    assert write_ply(tmp_path / "c.ply", points, COLOURS) == 18
    _, colours = read_ply(tmp_path / "c.ply")
    assert np.array_equal(colours[0], COLOURS[0, 1])


def test_without_colours_and_without_points(tmp_path):
    write_ply(tmp_path / "c.ply", POINTS)
    assert read_ply(tmp_path / "c.ply")[1] is None
    assert write_ply(tmp_path / "empty.ply", np.full((3, 3), np.nan)) == 0
    assert read_ply(tmp_path / "empty.ply")[0].shape == (0, 3)


def test_official_cloud_with_colours_in_the_right_order(tmp_path, golden_dir):
    golden = np.load(golden_dir / "panda" / "golden-run_image_tiny_100x200.npz")
    depth = torch.from_numpy(golden["pred_depth"][0, 0])
    points = optical_to_panda(Equirectangular(*depth.shape).unproject(depth)).numpy()
    picture = np.ascontiguousarray(golden["panel_bgr"][:, :140, ::-1])
    write_ply(tmp_path / "c.ply", points, picture, double=True)
    points, colours = read_ply(tmp_path / "c.ply")
    np.testing.assert_allclose(points, golden["cloud_xyz"], atol=2e-5, rtol=1e-4)
    swapped = np.rint(golden["cloud_rgb"][:, ::-1] * 255).astype(int)  # the reference stores BGR
    assert np.abs(colours - swapped).max() <= 1


@pytest.mark.parametrize("content", [b"", b"no cloud", b"ply\nformat ascii 1.0\n", b"\xff\xfe\x00"])
def test_damaged_files_are_refused(tmp_path, content):
    (tmp_path / "bad.ply").write_bytes(content)
    with pytest.raises(PlyReadError, match=r"bad\.ply"):
        read_ply(tmp_path / "bad.ply")


def test_missing_and_truncated_files_are_refused(tmp_path):
    with pytest.raises(PlyReadError, match="no such file"):
        read_ply(tmp_path / "missing.ply")
    write_ply(tmp_path / "c.ply", POINTS, COLOURS)
    data = (tmp_path / "c.ply").read_bytes()
    (tmp_path / "c.ply").write_bytes(data[:-20])
    with pytest.raises(PlyReadError, match="not a readable PLY"):
        read_ply(tmp_path / "c.ply")


def test_meshes_without_points_are_refused(tmp_path):
    header = "ply\nformat ascii 1.0\nelement {}\nend_header\n"
    (tmp_path / "faces.ply").write_text(header.format("face 0"))
    with pytest.raises(PlyReadError, match="no vertices"):
        read_ply(tmp_path / "faces.ply")
    (tmp_path / "flat.ply").write_text(header.format("vertex 0\nproperty float x"))
    with pytest.raises(PlyReadError, match="without x, y, z"):
        read_ply(tmp_path / "flat.ply")


@pytest.mark.parametrize(
    ("points", "colours", "message"),
    [
        (np.zeros(3), None, "points must have shape"),
        (np.zeros((4, 2)), None, "points must have shape"),
        (POINTS, COLOURS[:2], "colours must be uint8"),
        (POINTS, COLOURS.astype(float), "colours must be uint8"),
    ],
)
def test_wrong_arrays_are_refused(tmp_path, points, colours, message):
    with pytest.raises(ValueError, match=message):
        write_ply(tmp_path / "c.ply", points, colours)


@pytest.mark.parametrize(
    "header",
    ["property list uchar int x", "property list uchar int y\nproperty float x", "", "property"],
)
def test_vertices_without_numbers_are_refused_in_one_line(tmp_path, header):
    path = tmp_path / "a.ply"
    text = f"ply\nformat ascii 1.0\nelement vertex 1\n{header}\nproperty float z\nend_header\n"
    path.write_text(f"{text}1 1 1\n")
    with pytest.raises(PlyReadError, match=r"a\.ply") as caught:
        read_ply(path)
    assert "\n" not in str(caught.value)
