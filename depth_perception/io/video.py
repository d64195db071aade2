"""Reading and writing videos frame by frame."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..limits import IMAGE_PIXELS, LimitError, regular_file
from .atomic import replacing
from .panorama_xmp import panorama_xmp
from .video_times import description, duration_s, set_frame_times

_LARGEST_PX = 8190
_OFFSET = 0.5  # of a frame, beyond which times are not regular


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
        frames: approximate number of frames; None if unknown. A trimmed video hides some of them.
        duration_s: how long it plays by its own words, seconds; None if unknown.
    """

    height: int
    width: int
    rate_hz: float
    frames: int | None
    duration_s: float | None = None


class VideoReader(AbstractContextManager):
    """All frames of a video as (H, W, 3) uint8 RGB: ``with VideoReader(path) as frames: ...``.

    Attributes:
        info: size, rate and number of frames.
        time_s: when the last frame is shown, seconds from the first one.
        panorama: the part of the sphere that it shows, by its XMP; None if it does not say.

    Raises:
        VideoReadError: the file is missing, not a video, too large, or has no frame.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        try:
            regular_file(self._path)
        except OSError as error:
            raise VideoReadError(f"cannot read {path}: {error.strerror or error}") from error
        self._capture = cv2.VideoCapture(str(path))
        size = [self._capture.get(p) for p in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)]
        try:
            IMAGE_PIXELS.check(size[0] * size[1], f"{path} is {size[0]:g} x {size[1]:g}")
        except LimitError as error:
            self._capture.release()
            raise VideoReadError(str(error)) from error
        self.time_s, self._count, self._start_s = 0.0, 0, 0.0
        self._first = self._read()
        if self._first is None:
            self._capture.release()
            raise VideoReadError(
                f"{path} is not a readable video (damaged, or unknown codec): copy it again, "
                "or convert it to MP4"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        height, width = self._first[0].shape[:2]
        self._start_s = self._first[1]
        movie = description(self._path)
        self.panorama = None if movie is None else panorama_xmp(movie[1])
        self.info = VideoInfo(
            height,
            width,
            rate if 0 < rate < 1000 else 25.0,
            count if count > 0 else None,
            duration_s(self._path),
        )

    @property
    def is_cut(self) -> bool:
        """After the last frame: whether the file holds fewer frames than it says."""
        if self.info.duration_s is not None:
            end_s = self.time_s + 1 / self.info.rate_hz
            return end_s < 0.98 * self.info.duration_s - 2 / self.info.rate_hz
        return self.info.frames is not None and self._count < 0.98 * self.info.frames - 2

    def __exit__(self, *_: object) -> None:
        self._capture.release()

    def __iter__(self) -> Iterator[np.ndarray]:
        """The frames after the last iteration."""
        while self._first is not None:
            image, moment_s = self._first
            moment_s -= self._start_s
            if self._count and not moment_s > self.time_s:  # a container without times
                moment_s = self.time_s + 1 / self.info.rate_hz
            self.time_s, self._count = moment_s, self._count + 1
            self._first = self._read()
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _read(self) -> tuple[np.ndarray, float] | None:
        """The next frame and its time in seconds."""
        ok, image = self._capture.read()
        return (image, self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3) if ok else None


class VideoWriter:
    """Writes RGB frames of one size as MPEG-4: ``with VideoWriter(path, 29.97) as video: ...``.

    The file appears under its name when the block ends without an error. MPEG-4 only supports even
    sizes up to 8190 pixels: an odd last row or column is repeated, and larger frames are shrunk.

    Args:
        path: file to write, ``.mp4``.
        rate_hz: frames per second, may be fractional.

    Attributes:
        is_timed: whether frames are shown at the times they were written with.

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
        self._times_s: list[float] = []
        self.is_timed = True

    def __enter__(self) -> VideoWriter:
        self._partial = self._stack.enter_context(replacing(self._path))
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        if self._shape is not None:
            self._encoder.release()
            offsets = [abs(t - k / self._rate_hz) for k, t in enumerate(self._times_s)]
            if kind is None and offsets and max(offsets) > _OFFSET / self._rate_hz:
                self.is_timed = set_frame_times(self._partial, self._times_s)
        elif kind is None:
            error = ValueError(f"no frame was written to {self._path}")
            self._stack.__exit__(ValueError, error, None)
            raise error
        self._stack.__exit__(kind, *rest)

    def write(self, frame: np.ndarray, time_s: float | None = None) -> None:
        """Append one (H, W, 3) uint8 RGB frame, shown at ``time_s`` (default: at the rate)."""
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
        regular = len(self._times_s) / self._rate_hz
        self._times_s.append(regular if time_s is None else time_s)

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
