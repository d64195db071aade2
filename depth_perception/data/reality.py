"""Real images with measured depth, each with a file about its camera."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..geometry import Camera, Equirectangular, Pinhole
from ..io.arrays import read_arrays
from .files import read_rgb


@dataclass(frozen=True)
class RealFrame:
    """An image and its measured depth.

    Attributes:
        name: path below the root, without the ending.
        rgb: (3, H, W) uint8.
        depth_m: (h, w) float32, range of panoramas, z-depth of pinhole images, metres; 0 where
            unknown. It has the field of view of the image, but may have another size.
        camera: of the image; None for a pinhole camera of unknown focal length.
        camera_height_m: above the ground; None where unknown.
        is_metric: false where the depth is known up to a factor only.
    """

    name: str
    rgb: Tensor
    depth_m: Tensor
    camera: Camera | None
    camera_height_m: float | None
    is_metric: bool


class RealFrames:
    """The images of one camera model with depth: ``NAME.depth.npz``, ``NAME.camera.json`` and
    ``NAME.jpg`` or ``NAME.png``, in any sub-folders.

    Args:
        root: the folder.
        model: ``equirectangular`` or ``pinhole``.

    Raises:
        FileNotFoundError: there is none, or a file of one is missing.
        ValueError: a file about a camera is damaged, or lacks what it must state.
        ArrayReadError, ImageReadError: reading one whose depth or image is damaged.
    """

    def __init__(self, root: str | Path, model: str) -> None:
        self.root = Path(root)
        found = sorted(self.root.rglob("*.depth.npz"))
        self._stems = [
            path.with_name(path.name.removesuffix(".depth.npz"))
            for path in found
            if _about(path.with_name(path.name.replace(".depth.npz", ".camera.json")))["model"]
            == model
        ]
        if not self._stems:
            raise FileNotFoundError(f"no {model} image with NAME.depth.npz below {self.root}")

    def __len__(self) -> int:
        return len(self._stems)

    def __getitem__(self, index: int) -> RealFrame:
        stem = self._stems[index]
        about = _about(_beside(stem, ".camera.json"))
        image = next((p for e in (".jpg", ".png") if (p := _beside(stem, e)).is_file()), None)
        if image is None:
            raise FileNotFoundError(f"no image {stem}.jpg or .png")
        rgb = read_rgb(image)
        depth = read_arrays(_beside(stem, ".depth.npz"), "depth")["depth"]
        depth_m = torch.from_numpy(depth.astype(np.float32)).nan_to_num(0, 0, 0)
        return RealFrame(
            stem.relative_to(self.root).as_posix(),
            rgb,
            depth_m,
            _camera(about, *rgb.shape[1:]),
            about.get("camera_height_m"),
            about.get("depth_scale_known", True),
        )


def _beside(stem: Path, ending: str) -> Path:
    return stem.with_name(stem.name + ending)


def _about(path: Path) -> dict[str, Any]:
    """What a file states about a camera; ValueError if it lacks the model or its field of view."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): copy it again") from error
    wanted = ["model"]
    if isinstance(about, dict) and about.get("model") == "equirectangular":
        wanted.append("fov_deg")
    if missing := [key for key in wanted if not isinstance(about, dict) or key not in about]:
        raise ValueError(f"{path} states no {missing[0]} of the camera: add it, or copy it again")
    return about


def _camera(about: dict[str, Any], height: int, width: int) -> Camera | None:
    if about["model"] == "equirectangular":
        across, up = (math.radians(degrees) for degrees in about["fov_deg"])
        return Equirectangular.partial(height, width, across, up)
    if about.get("K") is None:
        return None
    (fx, _, cx), (_, fy, cy), _ = about["K"]  # pixel centres at whole numbers
    return Pinhole(height, width, fx, fy, cx + 0.5, cy + 0.5)
