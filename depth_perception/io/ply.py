"""Coloured point clouds as binary little-endian PLY."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyElement

from ..limits import printable, regular_file
from .atomic import replacing

_COLOURS = ("red", "green", "blue")


class PlyReadError(OSError):
    """A file is not a readable point cloud."""


def write_ply(
    path: str | Path, points: np.ndarray, colours: np.ndarray | None = None, *, double: bool = False
) -> int:
    """Write a cloud and return its number of points.

    Args:
        path: file to write.
        points: (..., 3) metres; points with NaN or infinite coordinates are left out.
        colours: (..., 3) uint8 RGB of the same points.
        double: x, y, z as double (like Open3D) instead of float.

    Raises:
        ValueError: wrong shapes or types.
    """
    points = np.asarray(points)
    if points.ndim < 2 or points.shape[-1] != 3:
        raise ValueError(f"points must have shape (..., 3), got {points.shape}")
    if colours is not None and (colours.shape != points.shape or colours.dtype != np.uint8):
        raise ValueError(
            f"colours must be uint8 of shape {points.shape}, got {colours.dtype} of shape "
            f"{colours.shape}"
        )
    finite = np.isfinite(points).all(-1)
    kept = points[finite]
    fields = [(axis, "<f8" if double else "<f4") for axis in "xyz"]
    if colours is not None:
        fields += [(name, "u1") for name in _COLOURS]
    vertices = np.empty(len(kept), fields)
    for index, axis in enumerate("xyz"):
        vertices[axis] = kept[:, index]
    if colours is not None:
        for index, name in enumerate(_COLOURS):
            vertices[name] = colours[finite][:, index]
    with replacing(path) as partial:
        PlyData([PlyElement.describe(vertices, "vertex")], byte_order="<").write(str(partial))
    return len(kept)


def read_ply(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Read a cloud: points (N, 3) as stored, colours (N, 3) uint8 RGB or None.

    Raises:
        PlyReadError: the file is missing, damaged, or has no points.
    """
    try:
        regular_file(path)
    except OSError as error:
        raise PlyReadError(f"cannot read {path}: no such file, or not a regular one") from error
    try:
        data = PlyData.read(str(path))
    except Exception as error:  # of many kinds, for damaged files
        raise PlyReadError(
            f"{path} is not a readable PLY file: it is damaged, or of another format; copy it again"
        ) from error
    if "vertex" not in data:
        raise PlyReadError(f"{path} has no vertices: name a file with points")
    vertices = data["vertex"].data
    names = vertices.dtype.names or ()
    if not set("xyz") <= set(names) or any(
        vertices.dtype[axis].kind not in "fiu" for axis in "xyz"
    ):
        found = printable(", ".join(names) or "nothing")
        raise PlyReadError(f"{path} has vertices without x, y, z; it has {found}: name another")
    points = np.stack([vertices[axis] for axis in "xyz"], -1)
    is_coloured = set(_COLOURS) <= set(names)
    if not is_coloured or any(vertices.dtype[name].kind not in "fiu" for name in _COLOURS):
        return points, None
    with np.errstate(invalid="ignore"):  # colours that are no numbers
        return points, np.stack([vertices[name] for name in _COLOURS], -1).astype(np.uint8)
