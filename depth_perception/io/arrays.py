"""NumPy arrays from files; nothing in a file is executed, and no text of NumPy leaks through."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..limits import IMAGE_BYTES, LimitError, regular_file


class ArrayReadError(OSError):
    """A file is not a readable array of numbers."""


def read_array(path: str | Path) -> np.ndarray:
    """The array of a ``.npy`` file, of any numbers and shape.

    Raises:
        ArrayReadError: the file is missing, too large, damaged, or holds objects or several arrays.
    """
    found = _load(Path(path))
    if not isinstance(found, np.ndarray):
        raise ArrayReadError(f"{path} holds several arrays: save one with numpy.save")
    return found


def read_arrays(path: str | Path, *wanted: str) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file by name, of any numbers and shape.

    Args:
        path: the file.
        wanted: names of arrays that it must hold.

    Raises:
        ArrayReadError: the file is missing, too large, damaged, lacks a wanted array, or holds
            objects, text or a single array.
    """
    found = _load(Path(path))
    if isinstance(found, np.ndarray):
        raise ArrayReadError(f"{path} holds a single array: save several with numpy.savez")
    if missing := [name for name in wanted if name not in found]:
        raise ArrayReadError(
            f"{path} holds no array {missing[0]} but {', '.join(found) or 'nothing'}: copy it "
            f"again, or save it with numpy.savez(..., {missing[0]}=...)"
        )
    return found


def _load(path: Path) -> np.ndarray | dict[str, np.ndarray]:
    try:
        regular_file(path, IMAGE_BYTES)
    except LimitError as error:
        raise ArrayReadError(str(error)) from error
    except OSError as error:
        raise ArrayReadError(
            f"cannot read {path}: {error.strerror or 'it is not a regular file'}; name a file that "
            "exists"
        ) from error
    try:
        # mapped, so that no more is read than the file has, whatever its header claims
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return _numbers(np.array(found))
        with found:
            IMAGE_BYTES.check(
                sum(entry.file_size for entry in found.zip.infolist()),
                f"{path} is too large unpacked",
            )
            return {name: _numbers(found[name]) for name in found.files}
    except LimitError as error:
        raise ArrayReadError(str(error)) from error
    except Exception as error:  # headers are Python expressions: errors of nearly any kind
        raise ArrayReadError(
            f"{path} is not a readable file of numbers: it is damaged or holds objects; copy it "
            "again, or save it with numpy.save as plain numbers"
        ) from error


def _numbers(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise TypeError(f"{values.dtype} is no number")
    return values
