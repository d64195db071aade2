"""Messages of the instances of a frame, for programs and for RViz."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from builtin_interfaces.msg import Duration
from geometry_msgs.msg import Point, Pose, Quaternion, Vector3
from sensor_msgs.msg import Image
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from depth_perception.msg import InstanceDepth, InstanceDepthArray

from ...geometry import DepthKind
from ...io.segment_colours import Colour, segment_colour
from ...prediction import Prediction
from ..compat.optional import (
    BoundingBox3D,
    Detection3D,
    Detection3DArray,
    ObjectHypothesisWithPose,
)
from ..parameters.segments import MarkerSettings
from .instance_depth import InstanceStatistics, Numbers

_THINNEST_M = 0.02  # RViz rejects boxes without a volume


def instance_array(
    header: Header, prediction: Prediction, found: Sequence[InstanceStatistics], with_masks: bool
) -> InstanceDepthArray:
    """All instances of a prediction in the order of ``found``."""
    masks = _masks(header, found) if with_masks else (Image() for _ in found)
    return InstanceDepthArray(
        header=header,
        height=prediction.camera.height,
        width=prediction.camera.width,
        is_range=prediction.kind is DepthKind.RANGE,
        is_metric=prediction.is_metric,
        instances=[_instance(one, mask) for one, mask in zip(found, masks, strict=True)],
    )


def _instance(one: InstanceStatistics, mask: Image) -> InstanceDepth:
    left, top, right, bottom = one.instance.box
    return InstanceDepth(
        id=one.instance.id,
        class_id=one.instance.class_id,
        label=one.instance.label,
        score=one.instance.score,
        is_thing=one.instance.is_thing,
        box_x=left,
        box_y=top,
        box_width=right - left,
        box_height=bottom - top,
        mask=mask,
        depth_median=one.median,
        depth_min=one.near,
        depth_max=one.far,
        depth_sigma=one.sigma,
        centroid=_point(one.centroid),
        box_pose=_pose(one),
        size=_vector(one.size),
        point_count=one.count,
    )


def _masks(header: Header, found: Sequence[InstanceStatistics]) -> Iterator[Image]:
    """Masks as mono8, copied from the device together."""
    if not found:
        return
    flat = torch.cat([one.instance.mask.flatten() for one in found])
    data = memoryview((flat.to(torch.uint8) * 255).cpu().numpy())
    for one in found:
        height, width = one.instance.mask.shape
        payload = array("B")
        payload.frombytes(data[: height * width])  # one copy; array(memoryview) copies byte by byte
        yield Image(
            header=header, height=height, width=width, encoding="mono8", step=width, data=payload
        )
        data = data[height * width :]


def marker_array(
    header: Header,
    found: Sequence[InstanceStatistics],
    classes: Sequence[Colour],
    options: MarkerSettings,
) -> MarkerArray:
    """A box and a text for every instance with a known position; all earlier ones are deleted."""
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for one in found:
        if one.is_placed and (one.instance.is_thing or options.stuff):
            colour = [part / 255 for part in segment_colour(one.instance, classes)]
            markers.append(_box(header, one, ColorRGBA(**_rgba(colour, options.opacity)), options))
            markers.append(_text(header, one, options))
    return MarkerArray(markers=markers)


def _box(
    header: Header, one: InstanceStatistics, colour: ColorRGBA, options: MarkerSettings
) -> Marker:
    return Marker(
        header=header,
        ns="boxes",
        id=one.instance.id,
        type=Marker.CUBE,
        action=Marker.ADD,
        pose=_pose(one),
        scale=_vector(tuple(max(edge, _THINNEST_M) for edge in one.size)),
        color=colour,
        lifetime=_duration(options.lifetime_s),
    )


def _text(header: Header, one: InstanceStatistics, options: MarkerSettings) -> Marker:
    x, y, z = one.centre  # y points down, and boxes are rotated about it only
    above = y - one.size[1] / 2 - options.text_height_m
    return Marker(
        header=header,
        ns="texts",
        id=one.instance.id,
        type=Marker.TEXT_VIEW_FACING,
        action=Marker.ADD,
        pose=Pose(position=Point(x=x, y=above, z=z), orientation=Quaternion(w=1.0)),
        scale=Vector3(z=options.text_height_m),
        color=ColorRGBA(**_rgba((1.0, 1.0, 1.0), 1.0)),
        lifetime=_duration(options.lifetime_s),
        text=f"{one.instance.label} {one.median:.1f} m",
    )


def detection_array(header: Header, found: Sequence[InstanceStatistics]) -> Any:
    """A ``vision_msgs/Detection3DArray`` of the things with a known position."""
    message = Detection3DArray(header=header)
    for one in found:
        if not (one.instance.is_thing and one.is_placed):
            continue
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id = one.instance.label
        result.hypothesis.score = float(one.instance.score)
        result.pose.pose = _pose(one)
        box = BoundingBox3D(center=_pose(one), size=_vector(one.size))
        message.detections.append(
            Detection3D(header=header, results=[result], bbox=box, id=str(one.instance.id))
        )
    return message


def _pose(one: InstanceStatistics) -> Pose:
    x, y, z, w = one.orientation
    return Pose(position=_point(one.centre), orientation=Quaternion(x=x, y=y, z=z, w=w))


def _point(numbers: Numbers) -> Point:
    return Point(**dict(zip("xyz", numbers, strict=True)))


def _vector(numbers: Numbers) -> Vector3:
    return Vector3(**dict(zip("xyz", numbers, strict=True)))


def _rgba(colour: Sequence[float], opacity: float) -> dict[str, float]:
    return dict(zip("rgba", (*colour, opacity), strict=True))


def _duration(seconds: float) -> Duration:
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    return Duration(sec=whole, nanosec=rest)
