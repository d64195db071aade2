"""Quality of service: what the nodes ask for and offer, and what does not match.

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
    """Sensor data of which only the newest counts: matches every publisher."""
    return _sensor_data(1)


def info_profile() -> QoSProfile:
    """Small messages of which each may be the one that an image waits for."""
    return _sensor_data(30)


def range_profile() -> QoSProfile:
    """Measurements of which each may be the one of an image: matches every publisher."""
    return _sensor_data(5)


def _sensor_data(depth: int) -> QoSProfile:
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.VOLATILE,
    )


def latched_profile() -> QoSProfile:
    """Also what was published before the subscription: matches latched publishers only."""
    return QoSProfile(
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def silent_events() -> SubscriptionEventCallbacks:
    """Callbacks that say nothing of publishers that do not match."""
    return SubscriptionEventCallbacks(incompatible_qos=lambda event: None)


def output_profile() -> QoSProfile:
    """Reliable: matches reliable and best-effort subscriptions."""
    return QoSProfile(
        depth=2,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


def overridable() -> QoSOverridingOptions:
    """Let the user replace history, depth, reliability and durability by parameters."""
    return QoSOverridingOptions(
        policy_kinds=(
            QoSPolicyKind.HISTORY,
            QoSPolicyKind.DEPTH,
            QoSPolicyKind.RELIABILITY,
            QoSPolicyKind.DURABILITY,
        )
    )


class QosWatch:
    """Remembers peers whose quality of service does not match, for the diagnostics."""

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
