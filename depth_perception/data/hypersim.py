"""Hypersim (Roberts et al., ICCV 2021) as it is published: tone-mapped previews and HDF5.

Below the root::

    ai_VVV_NNN/images/scene_cam_XX_final_preview/frame.IIII.tonemap.jpg
    ai_VVV_NNN/images/scene_cam_XX_geometry_hdf5/frame.IIII.depth_meters.hdf5

The array ``dataset`` of a depth file is the distance to the camera centre in metres, NaN without a
surface. It is converted to z-depth by the documented camera: 1024 x 768 pixels, a focal length of
886.81 and a centred principal point. (The lens shift of some scenes is ignored, as in Depth
Anything V2.)
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from ..geometry import DepthKind, Pinhole
from ..io.atomic import replacing
from ..io.depth_files import DepthReadError
from .files import check_depth_size, list_rows, read_rgb
from .frames import PinholeFrame

CAMERA = Pinhole(768, 1024, 886.81, 886.81, 512.0, 384.0)
_IMAGE, _DEPTH = "_final_preview", "_geometry_hdf5"
_ENDING, _DEPTH_ENDING = ".tonemap.jpg", ".depth_meters.hdf5"
_FLOAT16_MAX_M = 65504.0


class HypersimArchive:
    """All frames below a folder, as z-depth.

    Args:
        root: folder of the scenes ``ai_VVV_NNN``.
        listing: optional list of frames, lines ``image depth`` relative to the root.

    Raises:
        FileNotFoundError: there is no frame, or no such list.
        ValueError: a line of the list does not have two columns.
    """

    def __init__(self, root: str | Path, listing: str | Path | None = None) -> None:
        self.root = Path(root)
        if listing is None:
            images = self.root.glob(f"ai_*/images/scene_cam_*{_IMAGE}/frame.*{_ENDING}")
            self.pairs = tuple((path, depth_path(path)) for path in sorted(images))
        else:
            rows = list_rows(listing, (2,), "image depth")
            self.pairs = tuple((self.root / image, self.root / depth) for image, depth in rows)
        if not self.pairs:
            raise FileNotFoundError(
                f"no Hypersim frames below {self.root}; expected "
                f"ai_VVV_NNN/images/scene_cam_XX{_IMAGE}/frame.IIII{_ENDING}"
            )

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> PinholeFrame:
        """Read a frame.

        Raises:
            ImageReadError, DepthReadError: a file is missing or damaged.
            ValueError: image and depth have different sizes.
        """
        image, depth = self.pairs[index]
        rgb, range_m = read_rgb(image), torch.from_numpy(read_range(depth))
        check_depth_size(depth, range_m, rgb.shape[1:])
        camera = CAMERA.resize(*range_m.shape)
        depth_m = camera.convert(range_m.nan_to_num(0), DepthKind.RANGE, DepthKind.Z)
        return PinholeFrame(rgb, depth_m, camera)


def depth_path(image: Path) -> Path:
    """Path of the depth file of an image."""
    folder = image.parent.name.replace(_IMAGE, _DEPTH)
    return image.parent.with_name(folder) / image.name.replace(_ENDING, _DEPTH_ENDING)


def read_range(path: Path) -> np.ndarray:
    """Read range, (H, W) float32 metres along the ray, NaN where unknown.

    Raises:
        DepthReadError: the file is missing, damaged or of another format.
        ImportError: h5py is not installed.
    """
    h5py = _h5py()
    if not path.is_file():
        raise DepthReadError(f"cannot read {path}: no such file")
    try:
        with h5py.File(path, "r") as file:
            values = np.asarray(file["dataset"])
    except (OSError, KeyError, TypeError) as error:
        raise DepthReadError(f"{path} holds no HDF5 array 'dataset': {error}") from error
    if values.ndim != 2 or values.dtype.kind != "f":
        raise DepthReadError(f"{path} holds {values.dtype} of shape {values.shape}, not (H, W)")
    return values.astype(np.float32)


def write_range(path: Path, range_m: np.ndarray) -> None:
    """The inverse of :func:`read_range`, in the 16-bit floats of the data set; 0 is unknown."""
    known = (range_m > 0) & (range_m < _FLOAT16_MAX_M)
    with replacing(path) as part, _h5py().File(part, "w") as file:
        file["dataset"] = np.where(known, range_m, np.nan).astype(np.float16)


def _h5py() -> ModuleType:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise ImportError("HDF5 files need the h5py package (pip install h5py)") from error
