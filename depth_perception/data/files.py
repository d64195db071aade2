"""Reading and writing the files of data sets: images, depth samples, lists."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..io.atomic import write_bytes, write_text
from ..io.depth_files import DepthReadError
from ..io.images import read_image, write_image


def rgb_tensor(pixels: np.ndarray) -> Tensor:
    """Pixels (H, W, 3) as a contiguous tensor (3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def read_rgb(path: str | Path) -> Tensor:
    """Read an image, (3, H, W) uint8.

    Raises:
        ImageReadError: the file is missing or damaged.
    """
    return rgb_tensor(read_image(path))


def write_rgb(path: Path, rgb: Tensor) -> None:
    """Write an image (3, H, W) uint8; its folder is created."""
    write_image(path, np.ascontiguousarray(rgb.permute(1, 2, 0).cpu().numpy()))


def check_depth_size(path: Path, depth: Tensor | np.ndarray, size: Iterable[int]) -> None:
    """Raise ValueError unless depth (H, W) of a file has the (height, width) of its image."""
    if tuple(depth.shape) != tuple(size):
        raise ValueError(f"{path} is {tuple(depth.shape)} but its image is {tuple(size)}")


def depth_samples(path: str | Path) -> np.ndarray:
    """Read the 16-bit samples (H, W) of a depth PNG.

    Raises:
        DepthReadError: the file is missing, damaged, or not a 16-bit PNG of one channel.
    """
    samples = png_samples(path, DepthReadError)
    if samples.dtype != np.uint16 or samples.ndim != 2:
        found = f"{path} holds {samples.dtype} of shape {samples.shape}"
        raise DepthReadError(f"{found}; a depth PNG has one 16-bit channel")
    return samples


def png_samples(path: str | Path, error: type[Exception]) -> np.ndarray:
    """The samples of a PNG as OpenCV reads them; raises ``error`` if it is missing or damaged."""
    samples = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if Path(path).is_file() else None
    if samples is None:
        raise error(f"cannot read {path}: missing, or no readable PNG")
    return samples


def write_samples(path: Path, samples: np.ndarray, *options: int) -> None:
    """Write a PNG of integers (H, W), or (H, W, 3) in the order RGB; options as of OpenCV."""
    if samples.ndim == 3:
        samples = samples[..., ::-1]
    encoded, data = cv2.imencode(".png", np.ascontiguousarray(samples), options)
    if not encoded:
        raise OSError(f"cannot encode {path}")
    write_bytes(path, data.tobytes())


def list_rows(path: str | Path, columns: Iterable[int], form: str) -> list[list[str]]:
    """Read the words of each line of a list; empty lines are ignored.

    Args:
        columns: allowed numbers of words. form: description of a line, for the error message.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: a line has another number of words.
    """
    path, rows = Path(path), []
    if not path.is_file():
        raise FileNotFoundError(f"no list {path}; expected lines {form!r}")
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        words = line.split()
        if words and len(words) not in columns:
            raise ValueError(f"{path}, line {number}: expected {form!r}, got {line!r}")
        if words:
            rows.append(words)
    return rows


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a text file."""
    write_text(path, "".join(f"{line}\n" for line in lines))
