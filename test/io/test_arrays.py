"""Files of arrays: numbers alone, and one short error whatever is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from depth_perception.io.arrays import ArrayReadError, read_array, read_arrays


def _bytes(save: Callable[..., None], *values: object) -> bytes:
    data = io.BytesIO()
    save(data, *values)
    return data.getvalue()


NUMBERS = np.arange(6.0).reshape(2, 3)
WHOLE = _bytes(np.save, NUMBERS)
SEVERAL = _bytes(np.savez, NUMBERS, NUMBERS)
BAD = {
    "objects": _bytes(np.save, np.array([{}], dtype=object)),
    "cut": WHOLE[:-1],
    "head alone": WHOLE[:60],
    "open bracket": WHOLE.replace(b"(2, 3)", b"(2, 3 "),
    "a billion": WHOLE.replace(b"(2, 3)", b"(9**9)"),
    "type": WHOLE.replace(b"<f8", b"\xff8 "),
    "nothing": b"",
    "text": _bytes(np.save, np.array(["text"])),
    "text in an archive": _bytes(np.savez, NUMBERS, np.array(["text"])),
    "dates in an archive": _bytes(np.savez, np.array(["2020-01-01"], "M8[D]")),
    "cut archive": SEVERAL[:-30],
}


def test_numbers_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(WHOLE)
    np.testing.assert_array_equal(read_array(path), NUMBERS)
    path.write_bytes(SEVERAL)
    assert list(read_arrays(path)) == ["arr_0", "arr_1"]


@pytest.mark.parametrize("read", [read_array, read_arrays])
@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_damaged_files_cost_one_line(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(ArrayReadError, match=r"a\.npy is not a readable file of numbers") as caught:
        read(path)
    assert "pickle" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_number_of_arrays_must_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(SEVERAL)
    with pytest.raises(ArrayReadError, match="several arrays"):
        read_array(path)
    path.write_bytes(WHOLE)
    with pytest.raises(ArrayReadError, match="single array"):
        read_arrays(path)


def test_wanted_arrays_must_be_there(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(SEVERAL)
    assert [*read_arrays(path, "arr_1")] == ["arr_0", "arr_1"]
    with pytest.raises(ArrayReadError, match=r"a\.npz holds no array depth but arr_0, arr_1: copy"):
        read_arrays(path, "arr_0", "depth")


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.npy", Path("/dev/zero")):
        with pytest.raises(ArrayReadError, match="cannot read"):
            read_array(path)
