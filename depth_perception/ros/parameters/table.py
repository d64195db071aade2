"""Node parameters from dataclasses of options: declared, described and checked.

A field made with :func:`~depth_perception.options.option` becomes a ROS parameter of its name; a
field whose default factory is such a dataclass becomes a dotted prefix. A dataclass may have
``check(self)`` that raises ValueError for values that do not go together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from ...limits import printable
from ...options import Option, option_of, options
from .given import unread

S = TypeVar("S")
_REASON_CHARACTERS = 1000
Value = Any  # bool, int, float, str, or a tuple of floats or strings


def build(kind: type[S], values: Mapping[str, Value], prefix: str = "") -> S:
    """The settings with these values by full name.

    Raises:
        ValueError: values that do not go together.
    """
    made = {}
    for item in fields(kind):
        name, said = f"{prefix}{item.name}", option_of(item)
        if said is None:
            made[item.name] = build(item.default_factory, values, f"{name}.")
        else:
            is_unset = item.default is None and values[name] == said.unset
            made[item.name] = None if is_unset else values[name]
    settings = kind(**made)
    if (check := getattr(settings, "check", None)) is not None:
        check()
    return settings


class ParameterTable(Generic[S]):
    """The parameters of one node as one immutable object that is replaced when they change.

    A wrong value at start does not end the node: the default is declared instead, and
    :attr:`problems` holds the reason until the parameter is set to an allowed value.
    """

    def __init__(self, node: Node, kind: type[S], is_configured: Callable[[], bool]) -> None:
        self._node = node
        self._kind = kind
        self._is_configured = is_configured
        self._lock = threading.Lock()
        self._options = {
            name: (said, said.typed_default(default)) for name, said, default in options(kind)
        }
        self._values: dict[str, Value] = {}
        self._problems: dict[str, str] = {}
        node.add_on_set_parameters_callback(self._on_set)
        for name, (said, default) in self._options.items():
            self._declare(name, said, default)
        try:
            self._settings = build(kind, self._values)
        except ValueError as error:
            self._problems[""] = str(error)
            self._settings = kind()

    @property
    def settings(self) -> S:
        """The values in force."""
        with self._lock:
            return self._settings

    @property
    def problems(self) -> tuple[str, ...]:
        """Why values given at start were rejected, one sentence each."""
        return tuple(self._problems.values())

    def unread(self, *, ready: bool) -> Iterator[str]:
        """One sentence for each value given at start that the node does not read; ``ready``: its
        publishers and subscriptions exist."""
        yield from unread(self._node, self._node._parameter_overrides, self._options, ready=ready)

    def _declare(self, name: str, said: Option, default: Value) -> None:
        descriptor = _descriptor(said, default)
        try:
            declared = self._node.declare_parameter(name, _to_ros(default), descriptor)
        except InvalidParameterValueException as error:
            self._problems[name] = str(error)
            self._node.declare_parameter(name, _to_ros(default), descriptor, ignore_override=True)
            self._values[name] = default
        else:
            self._values[name] = _from_ros(declared.value)

    def _on_set(self, changed: list[Parameter]) -> SetParametersResult:
        try:
            reason = self._set(changed)
        except Exception as error:  # a wrong value must not end the node
            reason = f"{type(error).__name__}: {error}"
        reason = printable(reason or "", _REASON_CHARACTERS)
        return SetParametersResult(successful=not reason, reason=reason)

    def _set(self, changed: list[Parameter]) -> str | None:
        """Put values into force, or return why not."""
        ours = {p.name: _from_ros(p.value) for p in changed if p.name in self._options}
        reason = self._rejection(ours)
        if reason is None and ours and len(self._values) == len(self._options):
            values = {**self._values, **ours}
            try:
                settings = build(self._kind, values)
            except ValueError as error:
                reason = str(error)
            else:
                with self._lock:
                    self._values, self._settings = values, settings
                for name in ("", *ours):
                    self._problems.pop(name, None)
        return reason

    def _rejection(self, changed: Mapping[str, Value]) -> str | None:
        for name, value in changed.items():
            said, default = self._options[name]
            reason = _type_rejection(name, value, default) or said.rejection(name, value)
            if reason is not None:
                return reason
            if said.reload and self._is_configured() and value != self._values.get(name):
                return (
                    f"{name} is read when the node is configured: deactivate and clean it up, set "
                    "the parameter, then configure it again"
                )
        return None


def _descriptor(said: Option, default: Value) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(
        description=said.text,
        read_only=said.read_only,
        type=Parameter.Type.from_parameter_value(_to_ros(default)).value,
        dynamic_typing=True,  # checked here: rclpy would name neither the type nor the parameter
    )
    low, high = said.lowest, said.maximum
    notes = [f"unit: {said.unit}"] if said.unit else []
    if said.choices or said.unset is not None:
        notes.append(said.values)
    if said.reload:
        notes.append("takes effect when the node is configured")
    if isinstance(default, tuple) and low is not None and high is not None:
        notes.append(f"every value between {low:g} and {high:g}")
    elif isinstance(default, int) and not isinstance(default, bool) and low is not None:
        high = int(2**31 if high is None else high)
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=high, step=0)]
    elif isinstance(default, float) and low is not None:
        limits = {"from_value": float(low), "to_value": float(1e9 if high is None else high)}
        descriptor.floating_point_range = [FloatingPointRange(**limits, step=0.0)]
    descriptor.additional_constraints = "; ".join(notes)
    return descriptor


def _type_rejection(name: str, value: Value, default: Value) -> str | None:
    """Why the type of a value is wrong, or None. As in ROS, a whole number is no real number."""
    if _type_name(value) == _type_name(default):
        return None
    is_whole = _type_name(value) in ("a whole number", "a list of whole numbers")
    is_real = _type_name(default) in ("a real number", "a list of real numbers")
    hint = " (write it with a point: 1.0)" if is_whole and is_real else ""
    shown = value if value is None or not isinstance(value, tuple) else list(value)
    return f"{name} must be {_type_name(default)}, got {_type_name(value)}: {shown!r}{hint}"


def _type_name(value: Value) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a real number", str: "a text"}
    if not isinstance(value, tuple):
        return names.get(type(value), "nothing")
    lists = {bool: "a list of true or false", int: "a list of whole numbers"}
    lists |= {float: "a list of real numbers", str: "a list of texts"}
    kinds = {type(item) for item in value}
    return lists.get(kinds.pop(), "a list of bytes") if len(kinds) == 1 else "an empty list"


def _to_ros(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _from_ros(value: Any) -> Value:
    return value if value is None or isinstance(value, (bool, int, float, str)) else tuple(value)
