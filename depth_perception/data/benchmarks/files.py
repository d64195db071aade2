"""Readers of benchmarks: lists, frames, 16-bit depth, cameras."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...geometry import Pinhole
from ..files import depth_samples, list_rows, read_rgb
from ..frames import PinholeFrame

NO_DEPTH = "None"
_MOST_WORDS = 100  # words per line


@dataclass(frozen=True)
class FrameFiles:
    """Files of a frame: image and depth, and further words of its line in the list."""

    image: Path
    depth: Path
    words: tuple[str, ...] = ()


DepthOf = Callable[[FrameFiles, tuple[int, int]], np.ndarray]
"""Reads depth (H, W) in metres, 0 where unknown, of an image of that size."""

CameraOf = Callable[[FrameFiles, tuple[int, int]], Pinhole | None]
"""The camera of a frame and the size of its image."""

OpenBenchmark = Callable[[str | Path, str | Path | None], "BenchmarkReader"]
"""Opens a data set by its root and list; raises FileNotFoundError or ValueError where the list is
missing, ambiguous, broken or empty."""


class BenchmarkReader:
    """Frames that are read on access.

    Args:
        root: folder of the data set.
        files: paths of each frame.
        depth_of: function that reads the ground truth.
        camera_of: function that returns the camera of a frame; by default it is unknown.
    """

    def __init__(
        self,
        root: Path,
        files: Sequence[FrameFiles],
        depth_of: DepthOf,
        camera_of: CameraOf = lambda *_: None,
    ) -> None:
        if not files:
            raise ValueError(f"{root} has no frame with ground truth")
        self.root, self.files = root, tuple(files)
        self._depth_of, self._camera_of = depth_of, camera_of

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> PinholeFrame:
        """One frame.

        Raises:
            ImageReadError, DepthReadError: a file is missing or damaged.
            ValueError: image and depth differ in size.
        """
        files = self.files[index]
        rgb = read_rgb(files.image)
        size = tuple(rgb.shape[1:])
        depth = self._depth_of(files, size)
        if depth.shape != size:
            raise ValueError(
                f"{files.depth} is {depth.shape} but its image is {size} (height, width)"
            )
        depth_m = torch.from_numpy(np.ascontiguousarray(depth, np.float32))
        name = files.image.relative_to(self.root).as_posix()
        return PinholeFrame(rgb, depth_m, self._camera_of(files, size), name)


def listed(root: str | Path, listing: str | Path | None, least_words: int = 2) -> list[FrameFiles]:
    """The frames of a list, without those whose depth is ``None``.

    Args:
        root: folder that the words of the list are relative to.
        listing: the list; None takes the one text file in ``root``.
        least_words: minimum number of words per line.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: there are several text files, or a line has too few words.
    """
    root = Path(root)
    path = _the_list(root) if listing is None else Path(listing)
    rows = list_rows(path, range(least_words, _MOST_WORDS), "image depth")
    kept = (words for words in rows if words[1] != NO_DEPTH)
    return [FrameFiles(root / image, root / depth, tuple(more)) for image, depth, *more in kept]


def png_depth(per_metre: float) -> DepthOf:
    """Reads 16-bit PNGs of ``per_metre`` steps in a metre, 0 where unknown."""

    def read(files: FrameFiles, _size: tuple[int, int]) -> np.ndarray:
        return (depth_samples(files.depth) / per_metre).astype(np.float32)

    return read


def open_listed(
    depth_of: DepthOf, camera_of: CameraOf = lambda *_: None, usual: str = ""
) -> OpenBenchmark:
    """Opens data sets whose frames are in a list, by default ``usual`` if it is in the root."""

    def open_root(root: str | Path, listing: str | Path | None = None) -> BenchmarkReader:
        root = Path(root)
        if listing is None and usual and (root / usual).is_file():
            listing = root / usual
        return BenchmarkReader(root, listed(root, listing), depth_of, camera_of)

    return open_root


def focal_camera(files: FrameFiles, size: tuple[int, int]) -> Pinhole | None:
    """The camera whose focal length is the third word of a line, with centred principal point.

    Raises:
        ValueError: the word is not a number.
    """
    if not files.words:
        return None
    try:
        focal = float(files.words[0])
    except ValueError as error:
        raise ValueError(
            f"the list gives {files.words[0]!r} as the focal length of {files.image}"
        ) from error
    height, width = size
    return Pinhole(height, width, focal, focal, width / 2, height / 2)


def folder(root: Path) -> Path:
    """The folder, which must exist.

    Raises:
        FileNotFoundError: it does not.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"no folder {root}")
    return root


def _the_list(root: Path) -> Path:
    lists = sorted(folder(root).glob("*.txt"))
    if not lists:
        raise FileNotFoundError(f"{root} holds no list (*.txt): name one with --list")
    if len(lists) > 1:
        names = ", ".join(path.name for path in lists)
        raise ValueError(f"{root} holds several lists ({names}): name one with --list")
    return lists[0]
