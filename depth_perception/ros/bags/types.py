"""Message types of bags: classes for publishing, definitions for recording, quality of service."""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosbags import interfaces as bag
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from ..nodes.qos import profile

_FOREVER = bag.QosTime(9223372036, 854775807)
_OWN_MESSAGES = Path(__file__).resolve().parents[2] / "msg"


class UnknownTypeError(LookupError):
    """A message type whose package is not installed."""


def message_class(type_name: str) -> type[Any]:
    """The Python class of ``package/msg/Name``.

    Raises:
        UnknownTypeError: the package is not installed or lacks the message.
    """
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    try:
        return getattr(import_module(f"{package}.msg"), name)
    except (ImportError, AttributeError) as error:
        raise UnknownTypeError(f"message type {type_name} is not installed here") from error


def recording_store(type_names: Iterable[str]) -> Typestore:
    """Definitions of the standard types of this ROS distribution and of ``type_names``.

    Raises:
        UnknownTypeError: the definition of a type is not installed.
    """
    distribution = f"ROS2_{os.environ.get('ROS_DISTRO', 'kilted').upper()}"
    store = get_typestore(getattr(Stores, distribution, Stores.ROS2_KILTED))
    for type_name in type_names:
        register(store, type_name)
    return store


def register(store: Typestore, type_name: str) -> None:
    """Add a type, and the types inside it, to a store from its installed ``.msg`` file."""
    if type_name in store.fielddefs:
        return
    found = get_types_from_msg(_definition(type_name), type_name)
    nested = {name for fields in found.values() for name in _field_types(fields)}
    for name in sorted(nested - found.keys()):
        register(store, name)
    store.register(found)


def to_bag_qos(played: QoSProfile) -> bag.Qos:
    """A profile as rosbags writes it into a bag."""
    latched = played.durability == DurabilityPolicy.TRANSIENT_LOCAL
    reliable = played.reliability == ReliabilityPolicy.RELIABLE
    return bag.Qos(
        bag.QosHistory.KEEP_LAST,
        played.depth,
        bag.QosReliability.RELIABLE if reliable else bag.QosReliability.BEST_EFFORT,
        bag.QosDurability.TRANSIENT_LOCAL if latched else bag.QosDurability.VOLATILE,
        _FOREVER,
        _FOREVER,
        bag.QosLiveliness.AUTOMATIC,
        _FOREVER,
        False,
    )


def from_bag_qos(offered: Iterable[bag.Qos], depth: int = 10) -> QoSProfile:
    """A profile for playing a topic: reliable unless all recorded publishers were best effort."""
    profiles = list(offered)
    best_effort = [p.reliability == bag.QosReliability.BEST_EFFORT for p in profiles]
    return profile(
        max([depth, *(p.depth for p in profiles if p.history == bag.QosHistory.KEEP_LAST)]),
        reliable=not (profiles and all(best_effort)),
        latched=any(p.durability == bag.QosDurability.TRANSIENT_LOCAL for p in profiles),
    )


def _definition(type_name: str) -> str:
    package, _, name = type_name.replace("/msg/", "/").partition("/")
    candidates = [_OWN_MESSAGES / f"{name}.msg"] if package == "depth_perception" else []
    try:
        candidates.append(Path(get_package_share_directory(package)) / "msg" / f"{name}.msg")
    except PackageNotFoundError as error:
        if not candidates:
            raise UnknownTypeError(f"message type {type_name} is not installed here") from error
    for path in candidates:
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise UnknownTypeError(f"no definition of {type_name} at {', '.join(map(str, candidates))}")


def _field_types(fields: Any) -> Iterable[str]:
    """Names of the message types among the fields of a rosbags definition."""
    _, members = fields
    for _, (_, detail) in members:
        while isinstance(detail, tuple) and isinstance(detail[0], tuple):
            detail = detail[0][1]
        if isinstance(detail, str) and "/" in detail:
            yield detail
