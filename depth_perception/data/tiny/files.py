"""Files of tiny data sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from ...io.atomic import replacing
from ...io.images import write_image


def write_picture(path: Path, rgb: Tensor) -> None:
    """Write (3, H, W) uint8; a JPEG as smooth as its suffix allows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, np.ascontiguousarray(rgb.permute(1, 2, 0).numpy()))


def steps(depth_m: Tensor, per_metre: float) -> np.ndarray:
    """Depth (H, W) as 16-bit samples, 0 where it is unknown or does not fit."""
    samples = (depth_m.double() * per_metre).round().numpy()
    return np.where(samples <= 65534, samples, 0).astype(np.uint16)


def write_samples(path: Path, samples: np.ndarray) -> None:
    """Write a PNG of (H, W) or (H, W, 3, RGB) integers."""
    if samples.ndim == 3:
        samples = samples[..., ::-1]
    encoded, data = cv2.imencode(".png", np.ascontiguousarray(samples))
    if not encoded:
        raise OSError(f"cannot encode {path}")
    with replacing(path) as part:
        part.write_bytes(data.tobytes())


def write_lines(path: Path, lines: list[str]) -> None:
    """Write a text file."""
    with replacing(path) as part:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_array(path: Path, array: np.ndarray) -> None:
    """Write an .npy."""
    with replacing(path) as part, part.open("wb") as file:
        np.save(file, array)
