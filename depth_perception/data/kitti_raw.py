"""KITTI raw (Geiger et al., IJRR 2013): rectified stereo pairs with lidar and calibration.

The images are DATE/DRIVE/image_02/data/FRAME.png, and image_03 beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..geometry import DepthKind, Pinhole
from ..io.images import read_image
from .files import list_rows, rgb_tensor, write_lines, write_rgb
from .stereo import StereoFrame

_LEFT, _RIGHT = "image_02", "image_03"
_IMAGES = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True, eq=False)
class KittiCalibration:
    """Calibration of one recording day.

    Attributes:
        left, right: (3, 4) projections ``P_rect_02`` and ``P_rect_03`` of the colour cameras.
        rectify: (3, 3) ``R_rect_00``.
        rotation, translation: (3, 3) and (3,), lidar to camera 0.
    """

    left: np.ndarray
    right: np.ndarray
    rectify: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def __post_init__(self) -> None:
        shapes = ((3, 4), (3, 4), (3, 3), (3, 3), (3,))
        for name, shape in zip(vars(self), shapes, strict=True):
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} must be {shape}, got {np.shape(getattr(self, name))}")

    @property
    def focal_px(self) -> float:
        """Focal length of the left camera at its own size, pixels."""
        return float(self.left[0, 0])

    @property
    def baseline_m(self) -> float:
        """Distance between the colour cameras, metres."""
        places = [-p[0, 3] / p[0, 0] for p in (self.left, self.right)]
        return float(places[1] - places[0])

    def camera(self, height: int, width: int, native: tuple[int, int]) -> Pinhole:
        """The left camera resized from its ``native`` (height, width) to another size."""
        k = self.left[:, :3]
        return Pinhole.from_k(*native, [float(v) for v in k.reshape(-1)]).resize(height, width)

    def depth(
        self, points: np.ndarray, height: int, width: int, *, of_camera: bool = False
    ) -> np.ndarray:
        """Sparse depth (H, W) float32 in the left image, metres, 0 where no point falls.

        This follows the evaluation of Eigen et al.: points behind the lidar are excluded, positions
        are rounded and one is subtracted, the nearest point of a pixel is kept, and its depth is
        the lidar's forward coordinate.

        Args:
            points: (N, 4) or (N, 3) lidar points: x forward, y left, z up, metres.
            of_camera: use the z-depth of the camera, which is 0.27 m less.
        """
        points = points[points[:, 0] >= 0, :3].astype(np.float64)
        to_camera = self.rectify @ (self.rotation @ points.T + self.translation[:, None])
        u, v, z = self.left[:, :3] @ to_camera + self.left[:, 3:]
        with np.errstate(divide="ignore", invalid="ignore"):
            column, row = np.round(u / z) - 1, np.round(v / z) - 1
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        values = (z if of_camera else points[:, 0])[inside]
        depth = np.full((height, width), np.inf)
        at = (row[inside].astype(int), column[inside].astype(int))
        np.minimum.at(depth, at, values)
        return np.where(np.isfinite(depth), depth, 0).clip(0).astype(np.float32)


@dataclass(frozen=True)
class PairFiles:
    """The image files of a pair."""

    left: Path
    right: Path

    @property
    def day(self) -> Path:
        """Folder of the recording day, which holds the calibration."""
        return self.left.parents[3]

    @property
    def lidar(self) -> Path:
        """The lidar points of the same frame."""
        folder = self.left.parents[2] / "velodyne_points" / "data"
        return folder / f"{self.left.stem}.bin"


def find_pairs(root: str | Path) -> tuple[PairFiles, ...]:
    """All pairs below ``root``, sorted by day, drive and frame.

    Raises:
        FileNotFoundError: there are no pairs, or an image has no counterpart of the same name.
    """
    pairs = []
    for left in sorted(Path(root).glob(f"*/*/{_LEFT}/data/*")):
        if left.suffix.lower() not in _IMAGES:
            continue
        right = left.parents[2] / _RIGHT / "data" / left.name
        if not right.is_file():
            raise FileNotFoundError(f"{left} has no partner {right}: remove it, or use a list")
        pairs.append(PairFiles(left, right))
    if not pairs:
        raise FileNotFoundError(f"no pairs below {root}: expected DATE/DRIVE/{_LEFT}/data/*.png")
    return tuple(pairs)


def read_pairs(path: str | Path, root: str | Path) -> tuple[PairFiles, ...]:
    """The pairs of a list with lines ``left right`` relative to ``root``, as in monodepth.

    A file named .jpg is also found as .png, and vice versa.

    Raises:
        FileNotFoundError: there is no such list.
        ValueError: a line does not have two columns.
    """
    rows = list_rows(path, (2,), "left right")
    places = ([_present(Path(root) / word.lstrip("/")) for word in words] for words in rows)
    return tuple(PairFiles(*pair) for pair in places)


class KittiRaw:
    """Stereo pairs, read on access.

    Args:
        pairs: see :func:`find_pairs` and :func:`read_pairs`.
        size: (height, width) of the images; None keeps their sizes, which differ between days.
        truth: project the lidar into the left image; otherwise the depth is 0.
        of_camera: see :meth:`KittiCalibration.depth`.
    """

    def __init__(
        self,
        pairs: Sequence[PairFiles],
        *,
        size: tuple[int, int] | None = None,
        truth: bool = False,
        of_camera: bool = False,
    ) -> None:
        if truth and size is not None:
            raise ValueError("truth has the original size of the images: give size or truth")
        self.pairs, self.size, self.truth = tuple(pairs), size, truth
        self.of_camera = of_camera
        self._calibrations: dict[Path, KittiCalibration] = {}

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> StereoFrame:
        """One pair; its depth is z-depth, or the forward coordinate of the lidar.

        Raises:
            ImageReadError: an image is missing or damaged.
            FileNotFoundError: no calibration, or no lidar points if ``truth`` is requested.
            ValueError: the images differ in size.
        """
        files = self.pairs[index]
        left, right = read_image(files.left), read_image(files.right)
        if left.shape != right.shape:
            raise ValueError(f"{files.left} is {left.shape[:2]}, its partner {right.shape[:2]}")
        native = left.shape[:2]
        size = native if self.size is None else self.size
        if files.day not in self._calibrations:
            self._calibrations[files.day] = read_calibration(files.day)
        calibration = self._calibrations[files.day]
        depth = np.zeros(size, np.float32)
        if self.truth:
            points = read_lidar(files.lidar)
            depth = calibration.depth(points, *native, of_camera=self.of_camera)
        views, depth_m = (resized(view, size) for view in (left, right)), torch.from_numpy(depth)
        rig = calibration.camera(*size, native), calibration.baseline_m
        return StereoFrame(*views, depth_m, DepthKind.Z, *rig)


def resized(image: np.ndarray, size: tuple[int, int]) -> Tensor:
    """An image (H, W, 3) uint8 as a tensor (3, h, w), resized by Pillow (antialiased bilinear)."""
    if image.shape[:2] != tuple(size):
        image = np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.BILINEAR))
    return rgb_tensor(image)


def read_lidar(path: str | Path) -> np.ndarray:
    """Points (N, 4) float32: x forward, y left, z up in metres, and reflectance.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the size of the file is not a multiple of four numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no lidar points {path}")
    values = np.fromfile(path, np.float32)
    if values.size % 4:
        raise ValueError(f"{path} holds {values.size} numbers, not points of four")
    return values.reshape(-1, 4)


def write_kitti_raw(
    root: str | Path,
    frames: Iterable[StereoFrame],
    *,
    day: str = "2011_09_26",
    drive: str = "0001",
    listing: str = "pairs.txt",
) -> Path:
    """Write pinhole pairs, lidar points from their depth, calibration, and a list of the pairs.

    Args:
        root: folder of the data set.
        frames: side-by-side pairs with one camera and one baseline.
        listing: name of the list in ``root``.

    Returns:
        the list.

    Raises:
        ValueError: there are no frames, they are not rectified pinhole pairs, or they differ in
            camera or baseline.
    """
    root, lines, first = Path(root), [], None
    folder = f"{day}/{day}_drive_{drive}_sync"
    for number, frame in enumerate(frames):
        rig = (frame.camera, frame.baseline_m)
        first = first or rig
        if rig != first or not isinstance(frame.camera, Pinhole) or frame.direction != (1, 0, 0):
            raise ValueError(
                f"frame {number} is not a horizontal pinhole pair with the camera and baseline of "
                f"the first: {frame.camera}, {frame.baseline_m} m, {frame.direction}"
            )
        names = [f"{folder}/{side}/data/{number:010d}.png" for side in (_LEFT, _RIGHT)]
        for name, rgb in zip(names, (frame.left, frame.right), strict=True):
            write_rgb(root / name, rgb)
        lidar = root / folder / "velodyne_points" / "data" / f"{number:010d}.bin"
        lidar.parent.mkdir(parents=True, exist_ok=True)
        points = frame.camera.unproject(frame.depth_m.double(), frame.kind)
        x, y, z = points[frame.depth_m > 0].unbind(-1)
        torch.stack((z, -x, -y, torch.zeros_like(z)), -1).float().numpy().tofile(lidar)
        lines.append(" ".join(names))
    if first is None:
        raise ValueError("there are no frames to write")
    write_calibration(root / day, _calibration(*first))
    write_lines(root / listing, lines)
    return root / listing


def _present(path: Path) -> Path:
    others = (path.with_suffix(suffix) for suffix in _IMAGES)
    return path if path.is_file() else next((p for p in others if p.is_file()), path)


def _calibration(camera: Pinhole, baseline_m: float) -> KittiCalibration:
    """Rectified cameras and a lidar at the position of the left camera."""
    left = np.zeros((3, 4))
    left[:, :3] = np.reshape(camera.to_k(), (3, 3))
    right = left.copy()
    right[0, 3] = -camera.fx * baseline_m
    axes = np.array([[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]])
    return KittiCalibration(left, right, np.eye(3), axes, np.zeros(3))


def read_calibration(folder: str | Path) -> KittiCalibration:
    """Read ``calib_cam_to_cam.txt`` and ``calib_velo_to_cam.txt`` of a recording day.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: an entry is missing or has another size.
    """
    cameras = _entries(Path(folder) / "calib_cam_to_cam.txt")
    lidar = _entries(Path(folder) / "calib_velo_to_cam.txt")
    try:
        return KittiCalibration(
            cameras["P_rect_02"].reshape(3, 4),
            cameras["P_rect_03"].reshape(3, 4),
            cameras["R_rect_00"].reshape(3, 3),
            lidar["R"].reshape(3, 3),
            lidar["T"],
        )
    except (KeyError, ValueError) as error:
        raise ValueError(f"calibration in {folder} is not complete: {error}") from error


def write_calibration(folder: str | Path, calibration: KittiCalibration) -> None:
    """Write the two files that :func:`read_calibration` reads."""
    folder, c = Path(folder), calibration
    cameras = {"P_rect_02": c.left, "P_rect_03": c.right, "R_rect_00": c.rectify}
    lidar = {"R": c.rotation, "T": c.translation}
    for name, entries in (("calib_cam_to_cam.txt", cameras), ("calib_velo_to_cam.txt", lidar)):
        lines = {key: " ".join(repr(float(v)) for v in np.ravel(m)) for key, m in entries.items()}
        write_lines(folder / name, (f"{key}: {numbers}" for key, numbers in lines.items()))


def _entries(path: Path) -> dict[str, np.ndarray]:
    """Lines ``key: numbers``; others (dates) are ignored."""
    if not path.is_file():
        raise FileNotFoundError(f"no calibration {path}")
    entries = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        key, _, rest = line.partition(":")
        try:
            entries[key.strip()] = np.array([float(word) for word in rest.split()])
        except ValueError:
            continue
    return entries
