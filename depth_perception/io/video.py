"""Reading and writing videos frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .atomic import replacing

_LARGEST_PX = 8190


class VideoReadError(OSError):
    """A file is not a readable video."""


class VideoWriteError(OSError):
    """A video cannot be written."""


@dataclass(frozen=True)
class VideoInfo:
    """Metadata in the container of a video.

    Attributes:
        height, width: frame size in pixels, after rotation.
        rate_hz: frames per second, not rounded (29.97 stays 29.97).
        frames: approximate number of frames; None if unknown.
    """

    height: int
    width: int
    rate_hz: float
    frames: int | None


class VideoReader(AbstractContextManager):
    """All frames of a video as (H, W, 3) uint8 RGB: ``with VideoReader(path) as frames: ...``.

    Attributes:
        info: size, rate and number of frames.

    Raises:
        VideoReadError: the file is missing, not a video, or has no frame.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise VideoReadError(f"cannot read {path}: no such file")
        self._capture = cv2.VideoCapture(str(path))
        ok, self._first = self._capture.read()
        if not ok:
            self._capture.release()
            raise VideoReadError(f"{path} is not a readable video (damaged, or unknown codec)")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        height, width = self._first.shape[:2]
        self.info = VideoInfo(
            height, width, rate if 0 < rate < 1000 else 25.0, count if count > 0 else None
        )

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames after the last iteration."""
        while self._first is not None:
            frame = cv2.cvtColor(self._first, cv2.COLOR_BGR2RGB)
            ok, following = self._capture.read()
            self._first = following if ok else None
            yield frame


class VideoWriter:
    """Writes RGB frames of one size as MPEG-4: ``with VideoWriter(path, 29.97) as video: ...``.

    The file appears under its name when the block ends without an error. MPEG-4 only supports even
    sizes up to 8190 pixels: an odd last row or column is repeated, and larger frames are shrunk.

    Args:
        path: file to write, ``.mp4``.
        rate_hz: frames per second, may be fractional.

    Raises:
        ValueError: the rate is not positive, or frames differ in size or type.
        VideoWriteError: the encoder fails.
    """

    def __init__(self, path: str | Path, rate_hz: float) -> None:
        if not 0 < rate_hz < 1000:
            raise ValueError(f"rate_hz must lie in (0, 1000), got {rate_hz}")
        self._path = Path(path)
        self._rate_hz = rate_hz
        self._shape: tuple[int, ...] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> VideoWriter:
        self._partial = self._stack.enter_context(replacing(self._path))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._shape is not None:
            self._encoder.release()
        elif kind is None:
            error = ValueError(f"no frame was written to {self._path}")
            self._stack.__exit__(ValueError, error, None)
            raise error
        self._stack.__exit__(kind, *rest)

    def write(self, frame: np.ndarray) -> None:
        """Append one (H, W, 3) uint8 RGB frame."""
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
            raise ValueError(
                f"a frame must be uint8 of shape (H, W, 3), got {frame.dtype} of {frame.shape}"
            )
        if self._shape not in (None, frame.shape):
            raise ValueError(f"frame is {frame.shape} but the video has {self._shape}")
        encodable = _encodable(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        if self._shape is None:
            self._open(*encodable.shape[:2])
            self._shape = frame.shape
        self._encoder.write(encodable)

    def _open(self, height: int, width: int) -> None:
        codec = cv2.VideoWriter_fourcc(*"mp4v")
        self._encoder = cv2.VideoWriter(str(self._partial), codec, self._rate_hz, (width, height))
        if not self._encoder.isOpened():
            raise VideoWriteError(
                f"cannot write {self._path} with the codec mp4v at {width} x {height}"
            )


def _encodable(frame: np.ndarray) -> np.ndarray:
    """The frame in a size that MPEG-4 supports."""
    height, width = frame.shape[:2]
    shrink = _LARGEST_PX / max(height, width, _LARGEST_PX)
    if shrink < 1:
        height, width = max(round(height * shrink), 1), max(round(width * shrink), 1)
        frame = cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.copyMakeBorder(frame, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
