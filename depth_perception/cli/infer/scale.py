"""Metric scale for the images, videos and bags of ``depth-perception infer``."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...io.arrays import ArrayReadError, read_array
from ...io.bag_ranges import RangeReader, StaticFrames
from ...io.bags import BagFrame
from ...io.ply import read_ply
from ...prediction import Prediction
from ...scale import Measurement, MetricScale
from ...scale.sources.other_model import Predictor
from .scale_options import ScaleArguments

_POINT_SUFFIXES = (".ply", ".npy")


class ScaleRun(AbstractContextManager):
    """Recovers the scale of the predictions of one image, video or bag.

    Args:
        arguments: checked options.
        other: the model of ``--scale reference``.
    """

    def __init__(self, arguments: ScaleArguments, other: Predictor | None = None) -> None:
        self._arguments = arguments
        self._other = other
        self._stack = ExitStack()
        self._reader: RangeReader | None = None
        self._frames: StaticFrames | None = None
        self._points: dict[Path, Tensor] = {}
        self._scale = MetricScale(arguments.options(), other)

    def __exit__(self, *unused: Any) -> None:
        self._stack.close()

    def open_bag(self, path: Path) -> None:
        """Read the range measurements of a bag where the options name their topic.

        Raises:
            BagReadError: the bag has no such topic.
        """
        arguments = self._arguments
        if arguments.points_topic is None:
            return
        reader = RangeReader(path, arguments.points_topic, arguments.points_tolerance)
        self._reader = self._stack.enter_context(reader)
        if not arguments.extrinsics:
            self._frames = StaticFrames(path)
        name = "scan" if self._reader.is_scan else "points"
        self._scale = MetricScale(arguments.options(), self._other, name=name)

    def update(
        self,
        prediction: Prediction,
        image: np.ndarray,
        path: Path,
        stamp_s: float = 0.0,
        frame: BagFrame | None = None,
    ) -> Prediction:
        """The prediction of the next image in metres, or with a note that says why not.

        Args:
            prediction: of the image.
            image: (H, W, 3) uint8 RGB.
            path: file of the image, video or bag.
            stamp_s: time of the image in seconds; 0 for a single image.
            frame: message of the image, for bags.
        """
        measurement, missing = None, ""
        if self._reader is not None and frame is not None:
            try:
                measurement = self._nearest(frame)
            except (LookupError, ValueError) as error:
                missing = str(error)
        elif self._arguments.points is not None:
            measurement = Measurement(self._points_of(path), self._mount())
        pixels = torch.from_numpy(np.require(image, requirements=("C", "W")))
        result = self._scale.recover(prediction, pixels, stamp_s, measurement, missing=missing)
        return result.prediction

    def _nearest(self, frame: BagFrame) -> Measurement:
        """The range measurement nearest in time to an image of the bag."""
        assert self._reader is not None
        ranges = self._reader.nearest(frame.stamp_ns)
        if self._frames is None:
            to_camera = self._mount()
        else:
            to_camera = self._frames.between(ranges.frame_id, frame.frame_id)
        return Measurement(torch.from_numpy(ranges.points), to_camera)

    def _mount(self) -> Tensor:
        extrinsics = self._arguments.mount()
        return torch.eye(4, dtype=torch.float64) if extrinsics is None else extrinsics.matrix()

    def _points_of(self, image: Path) -> Tensor:
        path = self._arguments.points
        assert path is not None
        if path.is_dir():
            candidates = [path / f"{image.stem}{suffix}" for suffix in _POINT_SUFFIXES]
            found = next((candidate for candidate in candidates if candidate.is_file()), None)
            if found is None:
                names = " nor ".join(map(str, candidates))
                raise FileNotFoundError(f"no points for {image.name}: neither {names} exists")
            return read_points(found)
        if path not in self._points:
            self._points[path] = read_points(path)
        return self._points[path]


def read_points(path: Path) -> Tensor:
    """Points (N, 3) float32 of a PLY or npy file.

    Raises:
        PlyReadError, ArrayReadError: it cannot be read, or is not a list of points.
    """
    points = read_ply(path)[0] if path.suffix.lower() == ".ply" else read_array(path)
    if points.ndim < 2 or points.shape[-1] != 3 or points.dtype.kind not in "fiu":
        raise ArrayReadError(
            f"{path} must contain numbers (N, 3), got {points.dtype} {points.shape}"
        )
    return torch.from_numpy(points.reshape(-1, 3).astype(np.float32))
