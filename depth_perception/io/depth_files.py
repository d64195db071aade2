"""Depth maps on disk: ``.npy`` and ``.exr`` contain float32, ``.png`` 16-bit integers.

| suffix | samples | invalid | unit |
|---|---|---|---|
| .npy | float32 | NaN | as given |
| .exr | float32, channel ``Z``, ZIP | NaN | as given |
| .png | uint16, value = depth * png_scale, rounded, clipped to 1..65535 | 0 | 1 / png_scale |

The default PNG scale of 1000 converts metres to millimetres and reaches 65.535 m.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from .arrays import ArrayReadError, read_array
from .atomic import replacing, write_bytes
from .exr import ExrReadError, read_exr, write_exr

DEPTH_SUFFIXES = frozenset((".npy", ".png", ".exr"))


class DepthReadError(OSError):
    """A file is not a readable depth map."""


def write_depth(
    path: str | Path,
    depth: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    png_scale: float = 1000.0,
) -> None:
    """Write a depth map (H, W); the suffix selects the format, see the table of this module.

    Pixels that are not ``valid`` (H, W bool) or not finite are written as invalid.

    Raises:
        ValueError: wrong shape, suffix or scale.
        ImportError: ``.exr`` without the OpenEXR package.
    """
    path = Path(path)
    depth = _checked(depth, valid)
    suffix = path.suffix.lower()
    if suffix == ".npy":
        write_array(path, depth)
    elif suffix == ".png":
        write_array(path, to_uint16(depth, png_scale))
    elif suffix == ".exr":
        write_exr(path, {"Z": depth})
    else:
        raise ValueError(f"cannot write {path}: a depth file ends in {sorted(DEPTH_SUFFIXES)}")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an array of any type as ``.npy``, or one (H, W) uint16 as ``.png``."""
    if path.suffix.lower() == ".png":
        write_bytes(path, cv2.imencode(".png", array)[1].tobytes())
    else:
        with replacing(path) as partial, partial.open("wb") as file:
            np.save(file, array)


def read_depth(path: str | Path, *, png_scale: float = 1000.0) -> np.ndarray:
    """Read a depth map (H, W) float32 with NaN where invalid, see :func:`write_depth`.

    Raises:
        DepthReadError: the file is missing, damaged, or not a depth map.
        ImportError: ``.exr`` without the OpenEXR package.
    """
    path = Path(path)
    if not path.is_file():
        raise DepthReadError(f"cannot read {path}: no such file")
    readers = {".npy": _read_npy, ".png": _read_png, ".exr": _read_exr}
    if (read := readers.get(path.suffix.lower())) is None:
        raise DepthReadError(f"cannot read {path}: a depth file ends in {sorted(DEPTH_SUFFIXES)}")
    return np.ascontiguousarray(read(path, png_scale), np.float32)


def to_uint16(depth: np.ndarray, png_scale: float = 1000.0) -> np.ndarray:
    """Depth (H, W) as uint16 samples, 0 where it is not finite or not positive."""
    if not png_scale > 0:
        raise ValueError(f"png_scale must be positive, got {png_scale}")
    usable = np.isfinite(depth) & (depth > 0)
    samples = np.clip(np.rint(np.where(usable, depth, 0).astype(np.float64) * png_scale), 1, 65535)
    return np.where(usable, samples, 0).astype(np.uint16)


def _checked(depth: np.ndarray, valid: np.ndarray | None) -> np.ndarray:
    depth = np.asarray(depth, np.float32)
    if depth.ndim != 2 or depth.size == 0:
        raise ValueError(f"a depth map must have shape (H, W), got {depth.shape}")
    usable = np.isfinite(depth)
    if valid is not None:
        if valid.shape != depth.shape:
            raise ValueError(f"valid is {valid.shape} but the depth map is {depth.shape}")
        usable &= valid.astype(bool)
    return np.where(usable, depth, np.float32(np.nan))


def _read_npy(path: Path, _: float) -> np.ndarray:
    try:
        depth = read_array(path)
    except ArrayReadError as error:
        raise DepthReadError(str(error)) from error
    if depth.ndim != 2 or depth.dtype.kind not in "fiu":
        raise DepthReadError(
            f"{path} contains {depth.dtype} of shape {depth.shape}, not a depth map (H, W): save "
            "one with numpy.save"
        )
    return depth


def _read_png(path: Path, png_scale: float) -> np.ndarray:
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if samples is None:
        raise DepthReadError(f"{path} is not a readable PNG: copy it again")
    if samples.dtype != np.uint16 or samples.ndim != 2:
        raise DepthReadError(
            f"{path} contains {samples.dtype} of shape {samples.shape}; a depth PNG must have one "
            "16-bit channel"
        )
    return np.where(samples > 0, samples / png_scale, np.nan)


def _read_exr(path: Path, _: float) -> np.ndarray:
    try:
        channels = read_exr(path)
    except ExrReadError as error:
        raise DepthReadError(str(error)) from error
    if len(channels) != 1:
        raise DepthReadError(f"{path} has the channels {sorted(channels)}, expected one (Z)")
    return next(iter(channels.values()))
