"""Messages of a bag as arrays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from depth_perception.demo.recording import decode_cloud, decode_depth


def field(name: str, offset: int, datatype: int) -> SimpleNamespace:
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=1)


def cloud_message(*, padding: int = 0, height: int = 1) -> SimpleNamespace:
    """Four points, the last without a position, as PCL aligns them: x y z _ rgb _ _ _."""
    record = np.dtype(
        {
            "names": ["x", "y", "z", "rgb"],
            "formats": ["<f4", "<f4", "<f4", "<u4"],
            "offsets": [0, 4, 8, 16],
            "itemsize": 32,
        }
    )
    cells = np.zeros(4, record)
    cells["x"], cells["y"], cells["z"] = [1, 2, 3, np.nan], [4, 5, 6, 7], [-1, -2, -3, -4]
    cells["rgb"] = [0xFF0000, 0x00FF00, 0x0000FF, 0xFFFFFF]
    width = 4 // height
    rows = cells.view(np.uint8).reshape(height, width * 32)
    data = np.pad(rows, ((0, 0), (0, padding))).reshape(-1)
    return SimpleNamespace(
        height=height,
        width=width,
        fields=[field("x", 0, 7), field("y", 4, 7), field("z", 8, 7), field("rgb", 16, 7)],
        is_bigendian=False,
        point_step=32,
        row_step=width * 32 + padding,
        data=data,
    )


@pytest.mark.parametrize(("padding", "height"), [(0, 1), (0, 2), (8, 2)])
def test_cloud_in_any_layout(padding: int, height: int) -> None:
    cloud = decode_cloud(cloud_message(padding=padding, height=height))

    np.testing.assert_array_equal(cloud.points, [[1, 4, -1], [2, 5, -2], [3, 6, -3]])
    np.testing.assert_array_equal(cloud.colours, [[255, 0, 0], [0, 255, 0], [0, 0, 255]])


def test_cloud_without_colour_is_grey() -> None:
    message = cloud_message()
    message.fields = message.fields[:3]

    assert np.unique(decode_cloud(message).colours).tolist() == [128]


def test_cloud_without_z_is_refused() -> None:
    message = cloud_message()
    message.fields = message.fields[:2]

    with pytest.raises(ValueError, match="no field z"):
        decode_cloud(message)


@pytest.mark.parametrize(
    ("encoding", "dtype", "stored"),
    [
        ("32FC1", "<f4", [1.5, 0, 20]),
        ("32FC1", ">f4", [1.5, 0, 20]),
        ("16UC1", "<u2", [1500, 0, 20000]),
    ],
)
def test_depth_is_metres_in_every_encoding(encoding: str, dtype: str, stored: list[float]) -> None:
    data = np.array([stored], dtype).view(np.uint8).reshape(-1)
    message = SimpleNamespace(
        height=1,
        width=3,
        encoding=encoding,
        step=len(data),
        is_bigendian=dtype[0] == ">",
        data=data,
    )

    np.testing.assert_allclose(decode_depth(message), [[1.5, 0, 20]], rtol=1e-6)


def test_a_colour_image_is_no_depth() -> None:
    message = SimpleNamespace(
        height=1, width=1, encoding="rgb8", step=3, is_bigendian=0, data=np.zeros(3, np.uint8)
    )

    with pytest.raises(ValueError, match="32FC1 or 16UC1"):
        decode_depth(message)
