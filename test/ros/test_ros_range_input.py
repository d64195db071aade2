"""Measurements for images: nearest stamps, transforms, memory; without a node."""

from __future__ import annotations

from array import array
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from geometry_msgs.msg import TransformStamped
from sensor_msgs.msg import LaserScan, PointCloud2, PointField
from std_msgs.msg import Header

from depth_perception.io.range_messages import transform_matrix
from depth_perception.options import options as options_in
from depth_perception.ros.compat import transforms
from depth_perception.ros.compat.transforms import BufferLookup, transform_lookup
from depth_perception.ros.inputs import range_sensor as range_input
from depth_perception.ros.inputs.range_sensor import RangeInput
from depth_perception.ros.parameters.scale import ScaleSettings
from depth_perception.scale import ScaleSource, SensorMount

GIVEN = ScaleSettings(source="points", transform="given", tolerance_s=0.25)


def header(seconds: float, frame: str = "lidar") -> Header:
    result = Header(frame_id=frame)
    result.stamp.sec, result.stamp.nanosec = int(seconds), round(seconds % 1 * 1e9)
    return result


def cloud(seconds: float, x: float = 1.0, **changes: Any) -> PointCloud2:
    points = np.array([[x, 0, 0]], np.float32)
    fields = [PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")]
    right = {"header": header(seconds), "height": 1, "width": 1, "fields": fields,
             "point_step": 12, "row_step": 12, "data": array("B", points.tobytes())}  # fmt: skip
    return PointCloud2(**{**right, **changes})


def test_nearest_stamp_within_the_tolerance_counts() -> None:
    ranges = RangeInput(PointCloud2, "/points")
    assert ranges.at(header(10), GIVEN) == (None, "no message on /points yet")
    for seconds in (9.8, 10.1, 10.5):
        ranges.add(cloud(seconds, seconds))
    measurement, why = ranges.at(header(10), GIVEN)
    assert why == ""
    assert measurement.points.tolist() == [[pytest.approx(10.1), 0, 0]]
    torch.testing.assert_close(measurement.to_camera, GIVEN.extrinsics.extrinsics().matrix())
    assert ranges.at(header(10.8), GIVEN)[1].endswith("the nearest is 0.30 s earlier")
    assert ranges.at(header(9.0), GIVEN)[1].endswith("the nearest is 0.80 s later")
    ranges.clear()
    assert ranges.at(header(10), GIVEN)[0] is None


def test_bad_message_gives_way_to_the_next_nearest() -> None:
    ranges = RangeInput(PointCloud2, "/points")
    ranges.add(cloud(10.0, data=array("B", b"x")))
    ranges.add(cloud(10.2, 7.0))
    measurement, _ = ranges.at(header(10), GIVEN)
    assert measurement.points[0, 0] == 7.0
    assert (ranges.received, ranges.refused, ranges.refusal) == (2, 1, "")


def test_what_was_refused_before_does_not_hide_why_there_is_nothing_now() -> None:
    ranges = RangeInput(PointCloud2, "/points")
    ranges.add(cloud(10.0, data=array("B", b"x")))
    assert "was rejected" in ranges.at(header(10), GIVEN)[1]
    ranges.add(cloud(10.2))
    assert ranges.at(header(11), GIVEN)[1].endswith("the nearest is 0.80 s earlier")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = RangeInput(PointCloud2, "/points")
    for index in range(200):
        ranges.add(cloud(index))
    assert ranges.at(header(199 - 63), GIVEN)[0] is not None
    assert ranges.at(header(199 - 64), GIVEN)[0] is None
    monkeypatch.setattr(range_input, "_KEPT_BYTES", 30)
    ranges.add(cloud(200))
    assert ranges.at(header(199), GIVEN)[0] is not None
    assert ranges.at(header(198), GIVEN)[0] is None


class UnknownError(Exception):
    """As tf2 raises it."""


class Buffer:
    def lookup_transform(self, target: str, source: str, time: Any) -> TransformStamped:
        assert time.nanoseconds == 10_100_000_000  # that of the measurement
        if (target, source) != ("camera", "lidar"):
            raise UnknownError("not connected")
        found = TransformStamped()
        found.transform.translation.x = 1.0
        found.transform.rotation.z = found.transform.rotation.w = 0.5**0.5
        return found

    def clear(self) -> None:
        self.is_cleared = True


@pytest.fixture
def by_tf() -> RangeInput:
    ranges = RangeInput(PointCloud2, "/points", BufferLookup(Buffer(), UnknownError))
    ranges.add(cloud(10.1))
    return ranges


def test_transform_is_looked_up_at_the_time_of_the_measurement(by_tf: RangeInput) -> None:
    settings = replace(GIVEN, transform="tf")
    measurement, _ = by_tf.at(header(10, "camera"), settings)
    expected = [[0.0, -1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    torch.testing.assert_close(measurement.to_camera, torch.tensor(expected, dtype=torch.float64))
    _, why = by_tf.at(header(10, "mast"), settings)
    assert why == "no transform from 'lidar' to 'mast': not connected"
    assert "no frame in the image" in by_tf.at(header(10, ""), settings)[1]
    alone = RangeInput(PointCloud2, "/points")
    alone.add(cloud(10))
    assert "tf2_ros is not installed" in alone.at(header(10, "camera"), settings)[1]


def test_transform_without_a_rotation_is_a_reason() -> None:
    found = TransformStamped()
    found.transform.rotation.w = 0.0
    with pytest.raises(ValueError, match="quaternion"):
        transform_matrix(found.transform)


def test_lookup_is_that_of_tf2_ros_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    buffer = Buffer()
    fake = SimpleNamespace(
        Buffer=lambda node: buffer,
        TransformListener=lambda buffer, node, spin_thread: made.append((node, spin_thread)),
        TransformException=UnknownError,
    )
    monkeypatch.setattr(transforms, "tf2_ros", None)
    assert transform_lookup("node") is None
    monkeypatch.setattr(transforms, "tf2_ros", fake)
    lookup = transform_lookup("node")
    assert made == [("node", False)]  # the executor of the node fills it
    assert lookup.find("camera", "lidar", header(10.1).stamp).transform.translation.x == 1.0
    with pytest.raises(LookupError, match="not connected"):
        lookup.find("camera", "mast", header(10.1).stamp)
    lookup.forget()  # Humble's buffer does not do so by itself when the clock jumps
    assert buffer.is_cleared


def test_scan_is_read_as_one() -> None:
    ranges = RangeInput(LaserScan, "/scan")
    ranges.add(LaserScan(header=header(10), angle_increment=0.1, range_max=9.0, ranges=[1.0, 2.0]))
    assert ranges.at(header(10), GIVEN)[0].points.shape == (2, 3)


def test_every_source_of_the_library_but_objects_has_a_parameter() -> None:
    choices = next(s.choices for name, s, _ in options_in(ScaleSettings) if name == "source")
    assert {*choices} == {s.value for s in ScaleSource} - {"object_size"} | {"scan"}
    for source in choices:
        options = ScaleSettings(
            source=source, hold_s=1.5, extrinsics=SensorMount(yaw_deg=90.0)
        ).options()
        assert options.filter.hold_s == 1.5
        assert options.extrinsics.yaw == pytest.approx(np.pi / 2)
    with pytest.raises(ValueError, match="must be less than"):
        ScaleSettings(min_range_m=5.0, max_range_m=4.0).check()
