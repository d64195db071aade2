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

from ..compat.optional import PublisherEventCallbacks, SubscriptionEventCallbacks

# Parameters may override these.
_POLICIES = ("HISTORY", "DEPTH", "RELIABILITY", "DURABILITY")
OVERRIDABLE = QoSOverridingOptions([QoSPolicyKind[name] for name in _POLICIES])
# Publishers that do not match are ignored.
SILENT_EVENTS = SubscriptionEventCallbacks(incompatible_qos=lambda event: None)


def profile(depth: int, *, reliable: bool = True, latched: bool = False) -> QoSProfile:
    """The newest ``depth`` messages; ``latched`` includes those from before the subscription."""
    return QoSProfile(
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def input_profile(depth: int = 1) -> QoSProfile:
    """Sensor data; matches every publisher."""
    return profile(depth, reliable=False)


def output_profile() -> QoSProfile:
    """Reliable; matches reliable and best-effort subscriptions."""
    return profile(2)


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
