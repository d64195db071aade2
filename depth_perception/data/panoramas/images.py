"""Panoramas without range, for training with pseudo labels of a teacher."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import ClassVar

import torch
from torch import Tensor

from ...io.depth_files import read_depth
from ...io.images import IMAGE_SUFFIXES
from ..files import read_rgb

_LEFT_OUT = {
    "d7bcd8d5-755e-4de1-9782-7ae8d030a0d9",
    "cb9a173c-859b-4ac1-9b30-3c099309c076",
    "39311111-417c-4c7f-b96e-8f0ae5f8a393",
    "91901e40-5f67-461a-aab9-110ab46970ea",
    "9201f6ab-4002-4a87-a9a6-3b56b7fbbc54",
    "451f9a32-8e68-46a0-9bb6-e60a3c2cf6a6",
    "3af3e0a7-4f80-4f7d-9f56-aad9381bc42c",
}


class PanoramaImages:
    """Images below a folder.

    Args:
        root: the folder.
        listing: a list of the images, one per line, relative to the root; None takes all.

    Attributes:
        layout: paths of the images below the root, as text; ``pattern``: as a pattern.
        place: file name for writing the image with a number.
        names: the images, relative to the root.

    Raises:
        FileNotFoundError: there is no image, or one of the list is missing.
    """

    layout: ClassVar[str]
    pattern: ClassVar[str]
    place: ClassVar[Callable[[int], str]]

    def __init__(self, root: str | Path, *, listing: str | Path | None = None) -> None:
        self.root = Path(root)
        if listing is None:
            images = [p for p in self.root.glob(self.pattern) if p.suffix.lower() in IMAGE_SUFFIXES]
            found = sorted(path.relative_to(self.root).as_posix() for path in images)
        else:
            lines = Path(listing).read_text(encoding="utf-8-sig").splitlines()
            found = [line.strip().lstrip("/") for line in lines if line.strip()]
        self.names = tuple(n for n in found if not _LEFT_OUT.intersection(PurePosixPath(n).parts))
        if not self.names:
            raise FileNotFoundError(
                f"no {type(self).__name__} images in {self.root}; expected {self.layout}"
            )
        for name in self.names if listing is not None else ():
            if not (self.root / name).is_file():
                raise FileNotFoundError(f"{listing} names {self.root / name}, which is missing")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Tensor:
        """An image (3, H, W) uint8 RGB.

        Raises:
            ImageReadError: the image is damaged.
        """
        return read_rgb(self.root / self.names[index])

    def label_name(self, index: int) -> str:
        """Name of the pseudo label of an image, relative to the folder of labels."""
        return str(PurePosixPath(self.names[index].replace("pano_", "depth_")).with_suffix(".npy"))

    def sky(self, index: int) -> Tensor | None:
        """Sky mask, (H, W) bool of any size; None if unknown."""
        return None


class Zind(PanoramaImages):
    """Zillow Indoor Dataset (Cruz et al., CVPR 2021): empty homes."""

    layout = "HOME/panos/floor_NN_partial_room_NN_pano_N.jpg"
    pattern = "*/panos/*.jpg"
    place = "{0:04d}/panos/floor_01_partial_room_01_pano_{0}.jpg".format


class Views360x(PanoramaImages):
    """360+x (Chen et al., CVPR 2024): frames of videos.

    Sky masks of a segmentation network are in ``360x_masks`` under the name of the image with the
    suffix ``.npy``, nonzero for sky. Seven recordings are excluded, as in PanDA.
    """

    layout = "360x_frames/RECORDING/NAME.jpg, 360x_masks/RECORDING/NAME.npy"
    pattern = "360x_frames/**/*.jpg"

    @classmethod
    def place(cls, number: int) -> str:
        return f"360x_frames/{number // 2:08d}-0000-4000-8000-000000000000/{number:06d}.jpg"

    def sky(self, index: int) -> Tensor | None:
        name = PurePosixPath(self.names[index].replace("360x_frames", "360x_masks"))
        path = self.root / name.with_suffix(".npy")
        return torch.from_numpy(read_depth(path) > 0) if path.is_file() else None


class Diverse360(PanoramaImages):
    """The panoramas of the authors, or any folder: all images below the root."""

    layout = "images in folders of any name"
    pattern = "**/*"
    place = "{:05d}.jpg".format


class WorldImages(PanoramaImages):
    """The images of a folder of synthetic worlds, without ground truth."""

    layout = "frames/NAME_rgb.png, as `depth-perception worlds folder` writes them"
    pattern = "frames/*_rgb.png"
    place = "frames/{:08d}_000_rgb.png".format
