"""The camera of an input: from the options, its EXIF or XMP block, or the CameraInfo of its bag."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...geometry import Camera, Equirectangular, Pinhole
from ...io.bag_cameras import BagCameras
from ...io.bags import BagFrame, read_frames
from ...io.content import content_fault, is_dual_fisheye
from ...io.exif import exif_focal
from ...io.panorama_xmp import PanoramaXmp
from ...systems import ModelCard
from .options import InferOptions

_ROUGHLY_RAD = math.radians(1.5)
_PHOTO_MODEL = "moge-2-vits-normal"
_DUAL_FISHEYE = (
    "it looks like two raw fisheye images side by side, which is not a panorama: stitch it with "
    "the software of the camera first"
)
PHOTO_HINT = (
    f"an ordinary photo? Then: --model {_PHOTO_MODEL} (depth-perception weights fetch "
    f"{_PHOTO_MODEL})"
)


class InputCameras:
    """Finds the camera of images, videos and bags, and what is to be said about them.

    Args:
        options: of the command.
        model: card of the model as it is used.
    """

    def __init__(self, options: InferOptions, model: ModelCard) -> None:
        self._options = options
        self._model = model
        self._is_panoramic = model.camera != "pinhole"

    def of_image(
        self, path: Path, height: int, width: int, panorama: PanoramaXmp | None
    ) -> tuple[Camera | None, list[str]]:
        """The camera of an image file, and remarks; None: by the options.

        Raises:
            ValueError: its XMP describes no panorama that can be used.
        """
        options = self._options
        if self._is_panoramic:
            return self.of_sphere(height, width, panorama)
        notes = []
        if panorama is not None:
            notes.append(
                f"its XMP says that it is a panorama, and {self._model.name} is for pinhole "
                "cameras: use --panels or a panoramic model"
            )
        if options.knows_camera or options.ignore_exif:
            return None, notes
        if (found := exif_focal(path, height, width)) is None:
            return None, notes
        camera = Pinhole(height, width, found.fx, found.fy, width / 2, height / 2)
        degrees = math.degrees(camera.horizontal_fov)
        return camera, [*notes, f"field of view of {degrees:.1f} degrees from {found.source}"]

    def of_sphere(
        self, height: int, width: int, panorama: PanoramaXmp | None
    ) -> tuple[Camera | None, list[str]]:
        """The camera of a panorama with the XMP of its file; ValueError as :meth:`of_image`."""
        options = self._options
        if not self._is_panoramic:
            return None, []
        given = options.camera(self._model, height, width)
        if panorama is None:
            return None, [] if given is None else _photo_notes(given)
        try:
            camera = panorama.camera(height, width)
        except ValueError as error:
            if given is not None:
                return None, []
            raise ValueError(f"{error}; --fov H V says what it shows instead") from error
        notes = [panorama.remark] if panorama.remark else []
        is_full = camera.is_full_turn and math.isclose(camera.vertical_fov, math.pi, abs_tol=1e-3)
        if not is_full:
            notes.append(f"{_limits(camera)}, from its XMP")
        if given is None:
            return camera, notes
        assert isinstance(given, Equirectangular)
        spans = (
            abs(camera.horizontal_fov - given.horizontal_fov),
            abs(camera.vertical_fov - given.vertical_fov),
        )
        if len(options.fov) == 2 and max(spans) < _ROUGHLY_RAD:  # the XMP says where it is
            return camera, notes
        return None, [f"--fov is used and not its XMP ({_limits(camera)})"]

    def of_bag(self, path: Path, topic: str) -> BagCameras | None:
        """The calibrations of an image topic of a bag; None if they do not matter."""
        options = self._options
        if self._is_panoramic or options.knows_camera:
            return None
        first = next(read_frames(path, topic), None)
        frame_id = "" if first is None else first.frame_id
        return BagCameras(path, topic, frame_id, options.info_topic)

    def content(self, image: np.ndarray) -> str:
        """What is wrong with the content of an image (H, W, 3) uint8 RGB; "" if nothing."""
        if fault := content_fault(image):
            return fault
        return _DUAL_FISHEYE if self._is_panoramic and is_dual_fisheye(image) else ""


def rectified(
    cameras: BagCameras | None, frame: BagFrame, image: np.ndarray
) -> tuple[np.ndarray, Camera | None, Tensor | None]:
    """A frame of a bag as that of a pinhole camera: image, camera, pixels without content.

    Raises:
        ValueError: its CameraInfo does not describe a pinhole camera, or belongs to another image.
    """
    view = None if cameras is None else cameras.view(frame.stamp_ns, *image.shape[:2])
    if view is None:
        return image, None, None
    pixels = torch.from_numpy(np.require(image, requirements=("C", "W")))
    return view.apply(pixels).contiguous().numpy(), view.camera, view.unseen


def counted(faults: Counter[str], frames: int) -> list[str]:
    """Remarks on the frames of one video or bag."""
    return [f"{count} of {frames} frames: {fault}" for fault, count in faults.items()]


def _photo_notes(camera: Camera) -> list[str]:
    if camera.horizontal_fov >= math.pi:
        return []
    return [f"taken as a part of a sphere (equirectangular); {PHOTO_HINT}"]


def _limits(camera: Equirectangular) -> str:
    east = math.degrees(camera.longitude_max)
    west = math.degrees(camera.longitude_min)
    top, bottom = -math.degrees(camera.latitude_min), -math.degrees(camera.latitude_max)
    return f"longitudes {west:.1f} to {east:.1f} and elevations {bottom:.1f} to {top:.1f} degrees"
