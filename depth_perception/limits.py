"""All limits on what comes from outside, and what raises them. Importing this loads no library.

Each limit has a default and an environment variable, ``DEPTH_PERCEPTION_`` and its name in capital
letters, which is read whenever the limit is checked: the command line, the library and the nodes
obey the same one.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "DEPTH_PERCEPTION_"
_TEXT_CHARACTERS = 400


class LimitError(ValueError):
    """An input is larger than a limit; the text names both and what raises the limit."""


@dataclass(frozen=True)
class Limit:
    """The largest allowed value of one property of an input.

    Attributes:
        name: in lower case; names the environment variable.
        default: largest value.
        unit: for messages.
    """

    name: str
    default: float
    unit: str

    @property
    def variable(self) -> str:
        """The environment variable that replaces the default."""
        return f"{_PREFIX}{self.name.upper()}"

    @property
    def value(self) -> float:
        """The limit; the default where the environment variable is not a positive number."""
        try:
            number = float(os.environ.get(self.variable, ""))
        except ValueError:
            return self.default
        return number if number > 0 else self.default

    def check(self, number: float, what: str) -> None:
        """Reject what exceeds the limit.

        Args:
            number: in the unit of the limit.
            what: begins the message, for example "image.png is 30000 x 15000 pixels".

        Raises:
            LimitError: ``number`` exceeds the limit.
        """
        if number > self.value:
            raise LimitError(
                f"{what}: {number:.6g} {self.unit}, and the limit is {self.value:.6g}; "
                f"{self.variable} raises it"
            )


IMAGE_PIXELS = Limit("image_pixels", 100_000_000, "pixels")
"""Decoded pixels of an image, a video frame, a mask, or the grid of a CameraInfo.

Samples of 16 bits count twice, transparency a third more: the memory they take is what matters.
"""

IMAGE_BYTES = Limit("image_bytes", 1 << 30, "bytes")
"""Size of an image file, or of another file that is read at once."""

ASPECT = Limit("aspect", 10.0, "times as long as wide")
"""Ratio of the sides of a pinhole image; networks keep the ratio, so it decides what they cost."""

FOCAL_PER_SIDE = (0.02, 200.0)
"""Least and largest focal length of a pinhole camera in sides of its image: 175 and 0.3 degrees."""

PARAMETER_BYTES = Limit("parameter_bytes", 1 << 18, "bytes")
"""Size of a file with parameters, names of classes or a recipe."""

METADATA_BYTES = Limit("metadata_bytes", 4 << 20, "bytes")
"""Size of the description of a bag; a larger one is passed over, as if it were missing."""

CALIBRATION_MESSAGES = Limit("calibration_messages", 200_000, "messages")
"""CameraInfo messages that are read from a bag."""


def printable(text: object, characters: int = _TEXT_CHARACTERS) -> str:
    """A text from outside for logs, errors and messages: one line, cut, and valid UTF-8.

    Control characters and bytes that are no text are escaped; a cut text says how long it was.
    """
    whole = str(text)
    kept = whole[:characters]
    safe = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in kept)
    return safe if len(whole) <= characters else f"{safe}... ({len(whole)} characters)"


def printable_lines(text: object, lines: int, characters: int) -> str:
    """A text from outside with its line breaks, at most so many lines of so many characters."""
    parts = str(text)[: 2 * lines * characters].splitlines()
    shown = [printable(part, characters) for part in parts[:lines]]
    more = [f"... ({len(parts) - lines} more lines)"] if len(parts) > lines else []
    return "\n".join(shown + more)


def regular_file(path: str | Path, limit: Limit | None = None) -> int:
    """Reject everything but regular files, before anything is opened; returns the size in bytes.

    Opening a pipe or a device may wait or read for ever.

    Raises:
        OSError: there is no such file, or it is not a regular one.
        LimitError: it is larger than ``limit``.
    """
    found = os.stat(path)
    if not stat.S_ISREG(found.st_mode):
        kind = "a folder" if stat.S_ISDIR(found.st_mode) else "a device, pipe or socket"
        raise OSError(f"{printable(path)} is {kind}, not a regular file: name another")
    if limit is not None:
        limit.check(found.st_size, f"{path} is too large")
    return found.st_size
