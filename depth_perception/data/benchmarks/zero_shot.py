"""Pinhole data sets on which ScaleDepth (arXiv 2407.08187) is evaluated without training on them.

A list in the root names the frames, ``image depth`` and in some data sets more words, as
published by the authors. Without a list the files of the archive are found by their names.

| name | list | depth | without a list |
|---|---|---|---|
| sunrgbd | ``SUNRGBD_val_splits.txt``, focal length | PNG, mm, rotated 3 bits | all frames |
| ibims | ``imagelist.txt``, names only | PNG, mm or 50/65535 m | all of ``rgb/`` |
| diode-indoor | ``indoors_test.txt`` | PNG, mm | |
| diode-outdoor | ``outdoor_test.txt`` | PNG, 1/256 m | |
| hypersim-list | ``hypersim_list2.txt`` | PNG, mm | |
| diml | ``test_outdoor.txt`` | PNG, mm | |
| ddad | ``camera01.txt`` | PNG, 1/256 m | |
| vkitti2 | ``test.txt``, images only | PNG, cm | all frames |

The layout of archives follows the public documentation of the data sets, not ScaleDepth.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from ...geometry import Pinhole
from ...io.depth_files import DepthReadError
from ..photos import depth_samples, sunrgbd_samples
from ..rendered import virtual_kitti_depth
from .files import (
    BenchmarkReader,
    FrameFiles,
    OpenBenchmark,
    focal_camera,
    folder,
    listed,
    open_listed,
    png_depth,
)

IBIMS_PER_METRE = 65535 / 50
"""Steps in a metre of the depth in iBims-1's own archive."""
VKITTI_CAMERA = Pinhole(375, 1242, 725.0087, 725.0087, 621.0, 187.5)
"""Of all frames of Virtual KITTI 2 (its ``intrinsic.txt``, which counts from pixel centres)."""


def sunrgbd(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """SUN RGB-D (Song et al., CVPR 2015): Kinects, RealSense, Xtion; unknown depth is 0.

    A frame is a folder with ``image/*.jpg``, ``depth/*.png`` (or ``depth_bfx``, with filled holes)
    and ``intrinsics.txt``, three rows of the camera matrix, which is read if no list gives the
    focal length.

    Raises:
        FileNotFoundError, ValueError: there are no frames, or the list is broken.
    """
    root = Path(root)
    listing = _usual(root, listing, "SUNRGBD_val_splits.txt")
    if listing is not None:
        files = listed(root, listing)
    else:
        images = sorted(folder(root).rglob("image/*.jpg"))
        files = [FrameFiles(path, _sun_depth(path.parents[1])) for path in images]

    def depth_of(frame: FrameFiles, _size: tuple[int, int]) -> np.ndarray:
        return (sunrgbd_samples(depth_samples(frame.depth)) / 1000).astype(np.float32)

    return BenchmarkReader(root, files, depth_of, _sun_camera)


def ibims(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """iBims-1 (Koch et al., ECCV workshops 2018), 100 images of rooms, laser scanner.

    ``root`` is ``ibims1_core_raw``. Depth is ``masked_depth/NAME.png`` in millimetres as ScaleDepth
    has it, else the archive's ``depth/NAME.png`` in 50/65535 m without the pixels where
    ``mask_invalid`` or ``mask_transp`` is 0. ``calib/NAME.txt`` holds ``fx,fy,cx,cy`` in pixels.

    Raises:
        FileNotFoundError: there is neither list nor image.
    """
    root = Path(root)
    listing = _usual(root, listing, "imagelist.txt")
    if listing is not None:
        names = Path(listing).read_text(encoding="utf-8").split()
    else:
        names = [path.stem for path in sorted((folder(root) / "rgb").glob("*.png"))]
    is_masked = (root / "masked_depth").is_dir()
    depths = root / ("masked_depth" if is_masked else "depth")
    masks = () if is_masked else ("mask_invalid", "mask_transp")
    files = []
    for name in (f"{name}.png" for name in names):
        words = tuple(f"{mask}/{name}" for mask in masks)
        files.append(FrameFiles(root / "rgb" / name, depths / name, words))

    def depth_of(frame: FrameFiles, _size: tuple[int, int]) -> np.ndarray:
        depth = depth_samples(frame.depth) / (1000 if is_masked else IBIMS_PER_METRE)
        for mask in frame.words:
            depth = np.where(_mask(root / mask, depth.shape), depth, 0)
        return depth.astype(np.float32)

    return BenchmarkReader(root, files, depth_of, _ibims_camera)


def vkitti2(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
    """Virtual KITTI 2 (Cabon et al., 2020); the sky is at 655.35 m.

    ``SceneNN/VARIATION/frames/{rgb,depth}/Camera_K/{rgb,depth}_NNNNN.{jpg,png}``; the depth of
    an image has its path with ``depth`` in place of ``rgb``.

    Raises:
        FileNotFoundError: there is neither list nor image.
    """
    root = Path(root)
    listing = _usual(root, listing, "test.txt")
    if listing is not None:
        words = [line.split() for line in Path(listing).read_text(encoding="utf-8").splitlines()]
        images = [root / line[0] for line in words if line]
    else:
        images = sorted(folder(root).rglob("rgb_*.jpg"))
    files = [FrameFiles(path, virtual_kitti_depth(path, root)) for path in images]

    def camera_of(_files: FrameFiles, size: tuple[int, int]) -> Pinhole | None:
        return VKITTI_CAMERA if size == (375, 1242) else None

    return BenchmarkReader(root, files, png_depth(100), camera_of)


ZERO_SHOT: Mapping[str, OpenBenchmark] = {
    "sunrgbd": sunrgbd,
    "ibims": ibims,
    "diode-indoor": open_listed(png_depth(1000), usual="indoors_test.txt"),
    "diode-outdoor": open_listed(png_depth(256), usual="outdoor_test.txt"),
    "hypersim-list": open_listed(png_depth(1000), usual="hypersim_list2.txt"),
    "diml": open_listed(png_depth(1000), usual="test_outdoor.txt"),
    "ddad": open_listed(png_depth(256), usual="camera01.txt"),
    "vkitti2": vkitti2,
}
"""Readers by name, called with the root and the list; None takes the usual one."""


def _usual(root: Path, listing: str | Path | None, name: str) -> str | Path | None:
    """The given list, else the usual one if it is in the root."""
    if listing is not None:
        if not Path(listing).is_file():
            raise FileNotFoundError(f"no list {listing}")
        return listing
    return root / name if (root / name).is_file() else None


def _sun_depth(frame: Path) -> Path:
    """The depth file of a frame's folder; a path that does not exist where there is none."""
    found = [p for part in ("depth", "depth_bfx") for p in sorted((frame / part).glob("*.png"))]
    return found[0] if found else frame / "depth" / "*.png"


def _sun_camera(files: FrameFiles, size: tuple[int, int]) -> Pinhole | None:
    if files.words:
        return focal_camera(files, size)
    path = files.image.parents[1] / "intrinsics.txt"
    if not path.is_file():
        return None
    numbers = path.read_text(encoding="utf-8").split()
    if len(numbers) < 9:
        raise ValueError(f"{path} holds {len(numbers)} numbers; expected 9, a camera matrix")
    return Pinhole.from_k(*size, [float(number) for number in numbers[:9]])


def _ibims_camera(files: FrameFiles, size: tuple[int, int]) -> Pinhole | None:
    path = files.image.parents[1] / "calib" / f"{files.image.stem}.txt"
    if not path.is_file():
        return None
    numbers = path.read_text(encoding="utf-8").replace(",", " ").split()
    if len(numbers) < 4:
        raise ValueError(f"{path} holds {len(numbers)} numbers; expected fx, fy, cx, cy")
    fx, fy, cx, cy = (float(number) for number in numbers[:4])
    return Pinhole.from_k(*size, (fx, 0, cx, 0, fy, cy, 0, 0, 1))


def _mask(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) if path.is_file() else None
    if mask is None or mask.shape != shape:
        raise DepthReadError(f"{path} is not a readable mask of {shape} (height, width)")
    return mask > 0
