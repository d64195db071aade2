"""OpenEXR images as named channels."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import numpy as np

from .atomic import replacing


class ExrReadError(OSError):
    """A file is not a readable EXR image."""


def read_exr(path: str | Path) -> dict[str, np.ndarray]:
    """All channels of an image by their names, each (H, W) float or integer.

    Raises:
        ExrReadError: the file is missing, damaged, or not EXR.
        ImportError: the OpenEXR package is missing.
    """
    path = Path(path)
    openexr = _openexr()
    if not path.is_file():
        raise ExrReadError(f"cannot read {path}: no such file")
    try:
        with openexr.File(str(path), separate_channels=True) as file:
            return {name: channel.pixels for name, channel in file.channels().items()}
    except Exception as error:  # of several kinds, for damaged files
        raise ExrReadError(
            f"{path} is not a readable EXR file: it is damaged, or of another format; copy it again"
        ) from error


def write_exr(path: str | Path, channels: Mapping[str, np.ndarray]) -> None:
    """Write channels (H, W) float32, with lossless compression (ZIP).

    Raises:
        ImportError: the OpenEXR package is missing.
    """
    openexr = _openexr()
    header = {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}
    packed = {n: np.ascontiguousarray(pixels, np.float32) for n, pixels in channels.items()}
    with replacing(path) as partial, openexr.File(header, packed) as file:
        file.write(str(partial))


def _openexr() -> ModuleType:
    try:
        return importlib.import_module("OpenEXR")
    except ImportError as error:
        raise ImportError(
            "EXR files require the OpenEXR package (pip install OpenEXR); .npy also stores float32"
        ) from error
