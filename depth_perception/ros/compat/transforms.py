"""Transforms: ``tf2_ros`` where it is installed, else only the message, else none.

``tf2_msgs`` holds compiled messages and is not on PyPI. Without it there is no type for the topic
``/tf_static``, and :func:`static_broadcaster` and :func:`transform_lookup` return None.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from builtin_interfaces.msg import Time as TimeMessage
from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.time import Time

from ..nodes.qos import profile

try:
    from tf2_ros.static_transform_broadcaster import StaticTransformBroadcaster
except ImportError:
    StaticTransformBroadcaster = None
try:
    import tf2_ros
except ImportError:
    tf2_ros = None
try:
    from tf2_msgs.msg import TFMessage
except ImportError:
    TFMessage = None


class LatchedTransforms:
    """A static broadcaster without tf2_ros: one latched message with all transforms."""

    def __init__(self, node: Node) -> None:
        latched = profile(1, latched=True)
        self._publisher = node.create_publisher(TFMessage, "/tf_static", latched)
        self._sent: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Iterable[TransformStamped]) -> None:
        """Publish transforms in addition to those sent before.

        A child frame sent again replaces its former transform.
        """
        added = [transform] if isinstance(transform, TransformStamped) else list(transform)
        self._sent.update({item.child_frame_id: item for item in added})
        self._publisher.publish(TFMessage(transforms=list(self._sent.values())))


def static_broadcaster(node: Node) -> Any:
    """A broadcaster with ``sendTransform``, or None where no transform message is installed."""
    if StaticTransformBroadcaster is not None:
        return StaticTransformBroadcaster(node)
    return LatchedTransforms(node) if TFMessage is not None else None


class BufferLookup:
    """A lookup in a buffer of ``tf2_ros``.

    Args:
        buffer: a ``tf2_ros.Buffer``, or anything with its ``lookup_transform`` and ``clear``.
        expected: the error that it raises for unknown transforms.
        listener: fills the buffer; kept alive with it.
    """

    def __init__(
        self, buffer: Any, expected: type[Exception], listener: object | None = None
    ) -> None:
        self._buffer = buffer
        self._expected = expected
        self._listener = listener

    def find(self, target: str, source: str, stamp: TimeMessage) -> TransformStamped:
        """The transform of points from ``source`` to ``target``; does not wait.

        Raises:
            LookupError: it is not known at this time; the text has the reason.
        """
        try:  # without a timeout it does not wait
            return self._buffer.lookup_transform(target, source, Time.from_msg(stamp))
        except self._expected as error:
            raise LookupError(f"no transform from {source!r} to {target!r}: {error}") from error

    def forget(self) -> None:
        """Clear dynamic transforms after a jump of the clock; static ones stay."""
        self._buffer.clear()


def transform_lookup(node: Node) -> BufferLookup | None:
    """A lookup filled by the executor of ``node``, or None where ``tf2_ros`` is not installed."""
    if tf2_ros is None:
        return None
    buffer = tf2_ros.Buffer(node=node)
    listener = tf2_ros.TransformListener(buffer, node, spin_thread=False)
    return BufferLookup(buffer, tf2_ros.TransformException, listener)
