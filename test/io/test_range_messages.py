"""PointCloud2 and LaserScan to points: every layout, and anything else refused with a reason."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.io.range_messages import RangeMessageError, cloud_points, scan_points

FLOAT32, FLOAT64, UINT8 = 7, 8, 2


def cloud(
    points: np.ndarray,
    kind: str = "<f4",
    offsets: tuple[int, int, int] = (0, 4, 8),
    step: int = 16,
    padding: int = 0,
    **changes: Any,
) -> SimpleNamespace:
    """A message of points (H, W, 3)."""
    height, width = points.shape[:2]
    dtype = np.dtype(
        {"names": list("xyz"), "formats": [kind] * 3, "offsets": offsets, "itemsize": step}
    )
    rows = np.full((height, width * step + padding), 0xAB, np.uint8)
    values = np.ndarray((height, width), dtype, rows, strides=(rows.shape[1], step))
    for axis, name in enumerate("xyz"):
        values[name] = points[..., axis]
    code = FLOAT64 if kind.endswith("8") else FLOAT32
    fields = [
        SimpleNamespace(name="ring", offset=0, datatype=UINT8, count=1),
        *(SimpleNamespace(name=n, offset=o, datatype=code, count=1)
          for n, o in zip("xyz", offsets, strict=True)),
    ]  # fmt: skip
    right = {
        "height": height,
        "width": width,
        "fields": fields,
        "is_bigendian": kind.startswith(">"),
        "point_step": step,
        "row_step": width * step + padding,
        "data": rows.tobytes(),
        "is_dense": False,
    }
    return SimpleNamespace(**{**right, **changes})


def scan(ranges: Any, **changes: Any) -> SimpleNamespace:
    right = {
        "angle_min": -1.0,
        "angle_increment": 0.5,
        "range_min": 0.1,
        "range_max": 10.0,
        "ranges": ranges,
    }
    return SimpleNamespace(**{**right, **changes})


@given(
    height=st.integers(0, 3),
    width=st.integers(0, 5),
    kind=st.sampled_from(["<f4", ">f4", "<f8", ">f8"]),
    order=st.permutations(range(3)),
    gaps=st.tuples(*[st.integers(0, 5)] * 4),
    padding=st.integers(0, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=80, deadline=None)
def test_every_layout_gives_the_finite_points(
    height: int, width: int, kind: str, order: list[int], gaps: Any, padding: int, seed: int
) -> None:
    size = int(kind[-1])
    offsets, at = [0, 0, 0], 0
    for place, axis in enumerate(order):
        at += gaps[place]
        offsets[axis] = at
        at += size
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(height, width, 3)).astype(np.float32)
    points[rng.random(points.shape) < 0.1] = np.nan
    points[rng.random(points.shape) < 0.05] = np.inf
    message = cloud(points, kind, tuple(offsets), at + gaps[3], padding)

    found = cloud_points(message)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, points.reshape(-1, 3)[np.isfinite(points).all(-1).ravel()])


def test_last_row_may_lack_its_padding() -> None:
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    message = cloud(points, padding=7)
    message.data = message.data[:-7]
    np.testing.assert_array_equal(cloud_points(message), points.reshape(-1, 3))


def _field(name: str, **changes: Any) -> Any:
    def change(message: Any) -> None:
        for field in message.fields:
            if field.name == name:
                vars(field).update(changes)

    return change


BAD_CLOUDS = {
    "short data": (lambda m: setattr(m, "data", m.data[:-1]), "data holds 95 bytes"),
    "no data": (lambda m: setattr(m, "data", b""), "data holds 0 bytes"),
    "no z": (lambda m: m.fields.pop(), "no field z; the fields are: ring, x, y"),
    "no fields": (lambda m: m.fields.clear(), "the fields are: none at all"),
    "integers": (_field("y", datatype=UINT8), "field y must be one FLOAT32 or FLOAT64"),
    "vectors": (_field("y", count=3), "with count 3"),
    "beyond": (_field("z", offset=13), "field z at offset 13 leaves the point of 16 bytes"),
    "step 0": (lambda m: setattr(m, "point_step", 0), "leaves the point of 0 bytes"),
    "row step": (lambda m: setattr(m, "row_step", 40), "row_step is 40, less than 3 points"),
    "twice": (lambda m: m.fields.append(m.fields[1]), "field x occurs twice"),
    "huge": (lambda m: setattr(m, "height", 2**32 - 1), "data holds 96 bytes"),
}


@pytest.mark.parametrize("name", BAD_CLOUDS)
def test_contradictions_of_clouds_are_refused(name: str) -> None:
    change, reason = BAD_CLOUDS[name]
    message = cloud(np.zeros((2, 3, 3), np.float32))
    assert cloud_points(message).shape == (6, 3)
    change(message)
    with pytest.raises(RangeMessageError, match=reason):
        cloud_points(message)


uint32 = st.integers(0, 2**32 - 1) | st.integers(0, 40)


@given(
    height=uint32,
    width=uint32,
    point_step=uint32,
    row_step=uint32,
    is_bigendian=st.booleans(),
    data=st.binary(max_size=200),
    fields=st.lists(
        st.builds(
            SimpleNamespace,
            name=st.sampled_from(["x", "y", "z", "rgb"]),
            offset=uint32,
            datatype=st.integers(0, 9),
            count=st.integers(0, 2),
        ),
        max_size=5,
    ),
)
@settings(max_examples=200, deadline=None)
def test_any_cloud_is_refused_or_gives_points(**fields: Any) -> None:
    try:
        points = cloud_points(SimpleNamespace(**fields))
    except RangeMessageError:  # anything else fails the test
        return
    assert points.ndim == 2
    assert points.shape[1] == 3
    assert np.isfinite(points).all()


def test_scan_has_its_angles_and_leaves_out_what_measured_nothing() -> None:
    ranges = [1.0, math.nan, 2.0, math.inf, 0.05, 10.5, -1.0, 0.1, 10.0]

    points = scan_points(scan(ranges))

    angles = -1.0 + 0.5 * np.array([0, 2, 7, 8])
    expected = np.array([1.0, 2.0, 0.1, 10.0])
    np.testing.assert_allclose(np.hypot(points[:, 0], points[:, 1]), expected, rtol=1e-6)
    np.testing.assert_allclose(
        np.cos(np.arctan2(points[:, 1], points[:, 0]) - angles), 1, atol=1e-6
    )
    assert not points[:, 2].any()
    backwards = scan_points(scan(ranges, angle_min=1.0, angle_increment=-0.5))
    np.testing.assert_allclose(backwards, points * [1, -1, 1], atol=1e-6)
    assert scan_points(scan([])).shape == (0, 3)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"angle_min": math.nan}, "angle_min and angle_increment must be finite, got nan"),
        ({"angle_increment": math.inf}, "got -1.0 and inf"),
        ({"angle_increment": 0.0}, "angle_increment 0.0 rad does not fit 2 ranges"),
        ({"angle_increment": 9.0}, "does not fit"),
        ({"range_min": math.nan}, "got nan and 10.0"),
        ({"range_min": -0.1}, "range_min must not be negative"),
        ({"range_max": 0.0}, "less than range_max"),
    ],
)
def test_contradictions_of_scans_are_refused(changes: dict[str, float], reason: str) -> None:
    with pytest.raises(RangeMessageError, match=reason):
        scan_points(scan([1.0, 2.0], **changes))


@given(
    numbers=st.tuples(*[st.floats(width=32)] * 4),
    ranges=st.lists(st.floats(width=32), max_size=20),
)
@settings(max_examples=100, deadline=None)
def test_any_scan_is_refused_or_gives_points(numbers: Any, ranges: list[float]) -> None:
    names = ("angle_min", "angle_increment", "range_min", "range_max")
    try:
        points = scan_points(scan(ranges, **dict(zip(names, numbers, strict=True))))
    except RangeMessageError:
        return
    assert np.isfinite(points).all()
    assert len(points) <= len(ranges)
