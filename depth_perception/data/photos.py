"""NYU Depth v2 and KITTI as folders of images with depth, in the layout of mmsegmentation.

``nyu/images/train/.../NAME.jpg`` belongs to ``nyu/annotations/train/.../NAME.png``, 16 bits in
millimetres; NAME begins with the scene class. A list of KITTI has lines ``image depth [focal]``;
images are below ``input/``, depth below ``gt_depth/``, 16 bits in 1/256 m.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..io.images import read_image
from ..systems.scaledepth.config import SCENE_CLASSES
from .files import check_depth_size, depth_samples, list_rows, rgb_tensor
from .frames import Reader
from .rendered import PinholeWorlds

UNKNOWN_SCENE = -1
OUTDOOR_SCENE = SCENE_CLASSES.index("outdoor_scene")
KITTI_CROP = (352, 1216)

_NYU_PER_METRE = 1000.0
_KITTI_PER_METRE = 256.0
_IMAGES = (".jpg", ".jpeg", ".png")
_ALIASES = {"nyu_office": "office"}


@dataclass(frozen=True)
class Photo:
    """An image with depth and scene class.

    Attributes:
        rgb: (3, H, W) uint8.
        depth_m: (H, W) float32 z-depth in metres, 0 where unknown.
        scene: index in the scene classes of ScaleDepth, or ``UNKNOWN_SCENE``.
    """

    rgb: Tensor
    depth_m: Tensor
    scene: int


@dataclass(frozen=True)
class PhotoFiles:
    """Paths and scene class of a photo."""

    image: Path
    depth: Path
    scene: int


Photos = Reader[Photo]


class PhotoFolder:
    """Photos, read on access.

    Args:
        files: paths of each photo.
        per_metre: samples of the depth files per metre.
        crop: (height, width) of the crop, see :func:`bottom_centre_box`; None keeps all.
    """

    def __init__(
        self, files: Sequence[PhotoFiles], per_metre: float, crop: tuple[int, int] | None = None
    ) -> None:
        self.files = tuple(files)
        self.per_metre, self.crop = per_metre, crop

    def __len__(self) -> int:
        return len(self.files)

    def missing(self) -> list[Path]:
        """The missing files."""
        return [p for f in self.files for p in (f.image, f.depth) if not p.is_file()]

    def __getitem__(self, index: int) -> Photo:
        """One photo.

        Raises:
            ImageReadError, DepthReadError: a file is missing or damaged.
            ValueError: image and depth differ in size, or the crop is larger.
        """
        files = self.files[index]
        image = read_image(files.image)
        depth = depth_samples(files.depth)
        check_depth_size(files.depth, depth, image.shape[:2])
        depth = (depth / self.per_metre).astype(np.float32)
        if self.crop is not None:
            top, bottom, left, right = bottom_centre_box(*depth.shape, self.crop)
            image, depth = image[top:bottom, left:right], depth[top:bottom, left:right]
        return Photo(rgb_tensor(image), torch.from_numpy(np.ascontiguousarray(depth)), files.scene)


def nyu_photos(root: str | Path, split: str) -> PhotoFolder:
    """NYU Depth v2 below ``root``; ``split`` is ``train`` or ``test``.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    images, depths = Path(root) / "images" / split, Path(root) / "annotations" / split
    for folder in (images, depths):
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}: NYU needs images/ and annotations/")
    files = []
    for path in sorted(p for p in images.rglob("*") if p.suffix.lower() in _IMAGES):
        depth = (depths / path.relative_to(images)).with_suffix(".png")
        files.append(PhotoFiles(path, depth, scene_of_name(path.name)))
    return PhotoFolder(files, _NYU_PER_METRE)


def kitti_photos(root: str | Path, listing: str) -> PhotoFolder:
    """KITTI below ``root``, the photos of a list such as ``kitti_eigen_train.txt`` in it.

    Lines without depth (``None``) are ignored; images are cropped to the 352 x 1216 pixels of the
    benchmark.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: a line of the list does not name an image with depth.
    """
    root = Path(root)
    files = [
        PhotoFiles(root / "input" / image, root / "gt_depth" / depth, OUTDOOR_SCENE)
        for image, depth, *_ in list_rows(root / listing, (2, 3), "image depth [focal]")
        if depth != "None"
    ]
    return PhotoFolder(files, _KITTI_PER_METRE, KITTI_CROP)


class WorldPhotos(PinholeWorlds):
    """Pinhole images of synthetic worlds, as photos of unknown scene class."""

    def __getitem__(self, index: int) -> Photo:
        frame = super().__getitem__(index)
        return Photo(frame.rgb, torch.nan_to_num(frame.depth_m, posinf=0.0), UNKNOWN_SCENE)


def scene_of_name(name: str) -> int:
    """Index of the scene class at the beginning of a file name of NYU, or ``UNKNOWN_SCENE``."""
    digit = next((i for i, letter in enumerate(name) if letter.isdigit()), len(name))
    kind = name[: max(0, digit - 1)]
    kind = _ALIASES.get(kind, kind)
    return SCENE_CLASSES.index(kind) if kind in SCENE_CLASSES else UNKNOWN_SCENE


def bottom_centre_box(
    height: int, width: int, size: tuple[int, int] = KITTI_CROP
) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of the bottom-centre crop of the KITTI benchmark.

    Raises:
        ValueError: the image is smaller than the crop.
    """
    if height < size[0] or width < size[1]:
        raise ValueError(f"an image of {height} x {width} has no crop of {size[0]} x {size[1]}")
    top, left = height - size[0], (width - size[1]) // 2
    return top, height, left, left + size[1]


def sunrgbd_samples(samples: np.ndarray) -> np.ndarray:
    """Samples of SUN RGB-D, which are rotated left by 3 bits, as millimetres."""
    return (samples >> 3) | (samples << 13)
