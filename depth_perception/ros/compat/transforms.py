"""Static transforms: ``tf2_ros`` where it is installed, else the bare message, else none.

``tf2_msgs`` holds compiled messages and is not on PyPI, so a machine with nothing but Python has no
topic type for ``/tf_static`` at all; there :func:`static_broadcaster` returns None.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

try:
    from tf2_ros.static_transform_broadcaster import StaticTransformBroadcaster
except ImportError:
    StaticTransformBroadcaster = None
try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None


class Broadcaster(Protocol):
    """The part of ``tf2_ros.StaticTransformBroadcaster`` that is used."""

    def sendTransform(self, transform: TransformStamped | list[TransformStamped]) -> None:
        """Publish transforms in addition to those sent before."""


class LatchedTransforms:
    """A static broadcaster on the bare message: one latched message with all transforms."""

    def __init__(self, node: Node) -> None:
        profile = QoSProfile(
            depth=1,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self._publisher = node.create_publisher(TFMessage, "/tf_static", profile)
        self._sent: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """See :class:`Broadcaster`; a child frame sent again replaces its former transform."""
        added = [transform] if isinstance(transform, TransformStamped) else list(transform)
        self._sent.update({item.child_frame_id: item for item in added})
        self._publisher.publish(TFMessage(transforms=list(self._sent.values())))


def static_broadcaster(node: Node) -> Broadcaster | None:
    """The broadcaster of ``node``, or None where no transform message is installed."""
    if StaticTransformBroadcaster is not None:
        return StaticTransformBroadcaster(node)
    return LatchedTransforms(node) if TFMessage is not None else None
