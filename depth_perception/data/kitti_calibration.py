"""Calibration of the KITTI recordings (Geiger et al., IJRR 2013) and depth from their lidar."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..geometry import Pinhole


@dataclass(frozen=True, eq=False)
class KittiCalibration:
    """What belongs to one recording day.

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
        shapes = {
            "left": (3, 4),
            "right": (3, 4),
            "rectify": (3, 3),
            "rotation": (3, 3),
            "translation": (3,),
        }
        for name, shape in shapes.items():
            if np.shape(getattr(self, name)) != shape:
                raise ValueError(f"{name} must be {shape}, got {np.shape(getattr(self, name))}")

    @property
    def focal_px(self) -> float:
        """Focal length of the left camera at its own size, pixels."""
        return float(self.left[0, 0])

    @property
    def baseline_m(self) -> float:
        """Distance of the colour cameras, metres."""
        places = [-p[0, 3] / p[0, 0] for p in (self.left, self.right)]
        return float(places[1] - places[0])

    def camera(self, height: int, width: int, native: tuple[int, int]) -> Pinhole:
        """The left camera resized from its ``native`` (height, width) to another size."""
        k = self.left[:, :3]
        return Pinhole.from_k(*native, [float(v) for v in k.reshape(-1)]).resize(height, width)

    def depth(
        self, points: np.ndarray, height: int, width: int, *, of_camera: bool = False
    ) -> np.ndarray:
        """Sparse depth (H, W) float32 in the left picture, metres, 0 where no point falls.

        As the evaluation of Eigen et al. has it: points behind the lidar are left out, positions
        are rounded and one is subtracted, the nearest point of a pixel stays, and its depth is the
        lidar's forward coordinate.

        Args:
            points: (N, 4) or (N, 3) of the lidar: x forward, y left, z up, metres.
            of_camera: take the z-depth of the camera, which is 0.27 m less.
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
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    contents = {
        "calib_cam_to_cam.txt": {
            "P_rect_02": calibration.left,
            "P_rect_03": calibration.right,
            "R_rect_00": calibration.rectify,
        },
        "calib_velo_to_cam.txt": {"R": calibration.rotation, "T": calibration.translation},
    }
    for name, entries in contents.items():
        lines = [
            f"{key}: " + " ".join(repr(float(v)) for v in np.ravel(values))
            for key, values in entries.items()
        ]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _entries(path: Path) -> dict[str, np.ndarray]:
    """Lines ``key: numbers``; others (dates) are left out."""
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
