"""Metres for the pictures, videos and bags of ``depth-perception infer``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...io.bag_ranges import RangeReader, StaticFrames
from ...io.bags import BagFrame
from ...io.ply import read_ply
from ...prediction import Prediction
from ...scale import Measurement, MetricScale
from ...scale.sources.other_model import Predictor
from .scale_options import ScaleArguments

_POINT_SUFFIXES = (".ply", ".npy")


class ScaleRun:
    """Makes metres of the predictions of one picture, video or bag.

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
        self._scale = self._fresh()

    def __enter__(self) -> ScaleRun:
        return self

    def __exit__(self, *unused: Any) -> None:
        self._stack.close()

    def picture(self, prediction: Prediction, image: np.ndarray, path: Path) -> Prediction:
        """Metres of a single picture, or the prediction with a note why not."""
        return self._of_file(self._fresh(), prediction, image, path, 0.0)

    def frame(
        self, prediction: Prediction, image: np.ndarray, path: Path, stamp_s: float
    ) -> Prediction:
        """The same of the next frame of a video."""
        return self._of_file(self._scale, prediction, image, path, stamp_s)

    def open_bag(self, path: Path) -> None:
        """Prepare for :meth:`message`.

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

    def message(
        self, prediction: Prediction, image: np.ndarray, frame: BagFrame, path: Path
    ) -> Prediction:
        """The same of the next image of a bag."""
        stamp_s = frame.stamp_ns * 1e-9
        if self._reader is None:
            return self._of_file(self._scale, prediction, image, path, stamp_s)
        measurement, missing = None, ""
        try:
            ranges = self._reader.nearest(frame.stamp_ns)
            if self._frames is None:
                to_camera = self._mount()
            else:
                to_camera = self._frames.between(ranges.frame_id, frame.frame_id)
            measurement = Measurement(torch.from_numpy(ranges.points), to_camera)
        except (LookupError, ValueError) as error:
            missing = str(error)
        return self._recovered(self._scale, prediction, image, stamp_s, measurement, missing)

    def _fresh(self) -> MetricScale:
        return MetricScale(self._arguments.options(), self._other)

    def _of_file(
        self,
        scale: MetricScale,
        prediction: Prediction,
        image: np.ndarray,
        path: Path,
        stamp_s: float,
    ) -> Prediction:
        measurement = None
        if self._arguments.points is not None:
            measurement = Measurement(self._read(path), self._mount())
        return self._recovered(scale, prediction, image, stamp_s, measurement, "")

    def _recovered(
        self,
        scale: MetricScale,
        prediction: Prediction,
        image: np.ndarray,
        stamp_s: float,
        measurement: Measurement | None,
        missing: str,
    ) -> Prediction:
        pixels = torch.from_numpy(np.require(image, requirements=("C", "W")))
        result = scale.recover(prediction, pixels, stamp_s, measurement, missing=missing)
        return result.prediction

    def _mount(self) -> Tensor:
        extrinsics = self._arguments.mount()
        return torch.eye(4, dtype=torch.float64) if extrinsics is None else extrinsics.matrix()

    def _read(self, picture: Path) -> Tensor:
        path = self._arguments.points
        assert path is not None
        if path.is_dir():
            candidates = [path / f"{picture.stem}{suffix}" for suffix in _POINT_SUFFIXES]
            found = [candidate for candidate in candidates if candidate.is_file()]
            if not found:
                raise FileNotFoundError(f"no points: {' nor '.join(map(str, candidates))} is there")
            return read_points(found[0])
        if path not in self._points:
            self._points[path] = read_points(path)
        return self._points[path]


def read_points(path: Path) -> Tensor:
    """Points (N, 3) float32 of a PLY or npy file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no list of points.
    """
    if path.suffix.lower() == ".ply":
        points = read_ply(path)[0]
    else:
        points = np.load(path, allow_pickle=False)
    if points.ndim < 2 or points.shape[-1] != 3 or points.dtype.kind not in "fiu":
        raise ValueError(f"{path} must hold numbers (N, 3), got {points.dtype} {points.shape}")
    return torch.from_numpy(points.reshape(-1, 3).astype(np.float32))
