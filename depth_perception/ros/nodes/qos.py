"""Quality of service: profiles of the nodes, and warnings for peers that do not match.

Defaults can be replaced with ``qos_overrides.<topic>.<publisher|subscription>.<policy>``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from rclpy.qos import (
    DurabilityPolicy,
    QoSPolicyKind,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

from ..compat.qos_events import PublisherEventCallbacks, SubscriptionEventCallbacks


def input_profile() -> QoSProfile:
    """Sensor data, newest message only; matches every publisher."""
    return _sensor_data(1)


def info_profile() -> QoSProfile:
    """CameraInfo, any of which an image may wait for; matches every publisher."""
    return _sensor_data(30)


def range_profile() -> QoSProfile:
    """Range measurements, any of which may belong to an image; matches every publisher."""
    return _sensor_data(5)


def _sensor_data(depth: int) -> QoSProfile:
    return QoSProfile(
        depth=depth, reliability=ReliabilityPolicy.BEST_EFFORT, durability=DurabilityPolicy.VOLATILE
    )


def latched_profile() -> QoSProfile:
    """Includes messages from before the subscription; matches latched publishers only."""
    return QoSProfile(
        depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
    )


def silent_events() -> SubscriptionEventCallbacks:
    """Callbacks that ignore publishers that do not match."""
    return SubscriptionEventCallbacks(incompatible_qos=lambda event: None)


def output_profile() -> QoSProfile:
    """Reliable; matches reliable and best-effort subscriptions."""
    return QoSProfile(
        depth=2, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
    )


def overridable() -> QoSOverridingOptions:
    """Let parameters override history, depth, reliability and durability."""
    return QoSOverridingOptions(
        policy_kinds=(
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        )
    )


class QosWatch:
    """Collects peers with incompatible quality of service, for the diagnostics."""

    def __init__(self, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._lock = threading.Lock()
        self._mismatches: dict[str, str] = {}

    @property
    def mismatches(self) -> tuple[str, ...]:
        """One sentence for each topic with a mismatch."""
        with self._lock:
            return tuple(self._mismatches.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._mismatches.clear()

    def subscription_events(self, topic: str) -> SubscriptionEventCallbacks:
        """Callbacks for a subscription."""
        return SubscriptionEventCallbacks(incompatible_qos=self._noting(topic, "publisher"))

    def publisher_events(self, topic: str) -> PublisherEventCallbacks:
        """Callbacks for a publisher."""
        return PublisherEventCallbacks(incompatible_qos=self._noting(topic, "subscription"))

    def _noting(self, topic: str, peer: str) -> Callable[[Any], None]:
        def note(event: Any) -> None:
            policy = qos_policy_name_from_kind(event.last_policy_kind)
            text = (
                f"{topic}: a {peer} with incompatible {policy.lower()} gets no messages; "
                "match it with qos_overrides"
            )
            with self._lock:
                self._mismatches[topic] = text
            self._warn(text)

        return note
