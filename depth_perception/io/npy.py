"""Arrays of numbers in .npy files."""

from __future__ import annotations

from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ..limits import IMAGE_BYTES, LimitError, regular_file


class NpyReadError(ValueError):
    """A file is not an array of numbers; the text names it."""


def read_npy(path: str | Path) -> np.ndarray:
    """The array of a file, which is opened only if it is a regular one of a sensible size.

    What the header claims is compared with the size of the file before anything is read; objects,
    which would be code, are rejected.

    Raises:
        FileNotFoundError, OSError: no such file, or it cannot be opened.
        NpyReadError: it is no array of numbers, or damaged, or larger than the limit.
    """
    try:
        regular_file(path, IMAGE_BYTES)
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except LimitError as error:
        raise NpyReadError(str(error)) from error
    except (ValueError, EOFError, OverflowError, SyntaxError, MemoryError, BadZipFile) as error:
        raise NpyReadError(f"{path} is not a readable .npy file of numbers") from error
    if not isinstance(mapped, np.ndarray) or mapped.dtype.kind not in "fiub":
        kind = getattr(mapped, "dtype", "several arrays")
        raise NpyReadError(f"{path} contains {kind}, not one array of numbers")
    return np.array(mapped)
