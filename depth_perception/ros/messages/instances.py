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
from ..compat.optional import BoundingBox3D, Detection3D, Detection3DArray, ObjectHypothesisWithPose
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
            red, green, blue = (part / 255 for part in segment_colour(one.instance, classes))
            whole, rest = divmod(round(options.lifetime_s * 1e9), 1_000_000_000)
            both = {"header": header, "id": one.instance.id, "action": Marker.ADD}
            both["lifetime"] = Duration(sec=whole, nanosec=rest)
            box = Marker(
                **both,
                ns="boxes",
                type=Marker.CUBE,
                pose=_pose(one),
                scale=_vector(tuple(max(edge, _THINNEST_M) for edge in one.size)),
                color=ColorRGBA(r=red, g=green, b=blue, a=options.opacity),
            )
            x, y, z = one.centre  # y points down, and boxes are rotated about it only
            above = Point(x=x, y=y - one.size[1] / 2 - options.text_height_m, z=z)
            text = Marker(
                **both,
                ns="texts",
                type=Marker.TEXT_VIEW_FACING,
                pose=Pose(position=above, orientation=Quaternion(w=1.0)),
                scale=Vector3(z=options.text_height_m),
                color=ColorRGBA(r=1.0, g=1.0, b=1.0, a=1.0),
                text=f"{one.instance.label} {one.median:.1f} m",
            )
            markers += box, text
    return MarkerArray(markers=markers)


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
